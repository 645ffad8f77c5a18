"""Plans of cases: rows of `plans.toml`, each with the way of a case and what is expected at its end.

With the services that they fit, as the API lists them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.client import Json
from domain.case.lifecycle import State
from domain.catalogue.terms import ClockName
from domain.shared.actors import Role
from domain.shared.errors import OperatorError
from hotline.files.formats import read_toml

LINK = "link_incident"
WOKEN = "woken"
QUICK_SECONDS = 32.0
"""A promise that a plan leaves to be missed must be no longer than this, or the demo would wait for it too long."""
SLOW_SECONDS = 300
"""From this budget on there is time to ask for an extension."""
LASTING_SECONDS = 7200
"""A case whose owner has promised nothing for as long is not late while a newcomer looks around."""
_MINUTE = 60


@dataclass(frozen=True)
class District:
    """A part of the city."""

    code: str
    name_zh: str


@dataclass(frozen=True)
class Offer:
    """A service as the API lists it; budgets in seconds by clock. `credited` is True if a late reply is compensated.

    `findings` are the codes that `complete` accepts, the same for every service. `stays_at_risk` is True if a case can
    lie between 75 % and the miss of its department's promise, with nothing else late.
    """

    code: str
    name_zh: str
    group: str
    department: str
    answer_needs_follow_up: bool
    budgets: dict[str, float] = field(hash=False)
    needs_approval: bool = False
    priority: str = ""
    credited: bool = False
    findings: frozenset[str] = frozenset()
    slow: bool = False
    stays_at_risk: bool = False

    def quick(self, clock: ClockName) -> bool:
        """Return True if this promise is short enough to be missed while the demo runs."""
        return self.budgets.get(clock, QUICK_SECONDS + 1) <= QUICK_SECONDS


def offered(catalogue: Json) -> tuple[list[Offer], list[District]]:
    """Return the services and districts of a catalogue that is in the shape of `GET /services`."""
    same = ("name_zh", "group", "department", "answer_needs_follow_up", "needs_approval", "priority")
    findings = frozenset(item["code"] for item in catalogue["findings"])
    offers = []
    for item in catalogue["items"]:
        budgets = {clock["name"]: clock["budget_seconds"] for clock in item["clocks"]}
        found = {name: item[name] for name in same} | {"budgets": budgets, "findings": findings}
        found["credited"] = any(each["clock"] == "reply" and float(each["amount"] or 0) for each in item["credits"])
        found["slow"] = budgets.get("resolve", 0) > SLOW_SECONDS
        lasts = min(budgets.get(clock, LASTING_SECONDS) for clock in ("resolve", "reply")) >= LASTING_SECONDS
        found["stays_at_risk"] = lasts and budgets.get("acknowledge", LASTING_SECONDS) <= QUICK_SECONDS
        offers.append(Offer(item["service_code"], **found))
    return offers, [District(item["code"], item["name_zh"]) for item in catalogue["districts"]]


def require_demo_catalogue(offers: Sequence[Offer], url: str) -> None:
    """Raise OperatorError if every promise takes a minute or more: such a service has real cases."""
    if min((seconds for offer in offers for seconds in offer.budgets.values()), default=_MINUTE) >= _MINUTE:
        raise OperatorError(
            f"the service at {url} has a catalogue of real promises, and the demo would register its cases among real"
            " ones: play on a service with demo/demo.toml (a salt tide: surge.toml), or with --up"
        )


@dataclass(frozen=True)
class Step:
    """Action of a person; `$name` in its body is a fact of the case."""

    role: Role
    action: str
    body: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Wait:
    """Wait for something that nobody of the case does; `happens` are the events of the service by then.

    `until` is a clock, if `percent` of it are to be used, else WOKEN or an event of the play.
    """

    until: str
    percent: int = 0
    happens: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Row of the table, with its moves in order and `if_late` as a plan; `fits` are properties of its services."""

    name: str
    moves: tuple[Step | Wait, ...]
    state: State = State.CLOSED
    cycle: int = 1
    flags: tuple[str, ...] = ()
    missed: tuple[ClockName, ...] = ()
    incident: bool = False
    weight: int = 2
    fits: Mapping[str, Any] = field(default_factory=dict, hash=False)
    if_late: "Plan | None" = None

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(move for move in self.moves if isinstance(move, Step))

    def suits(self, offer: Offer) -> bool:
        """Return True if a case of this service may follow the plan. A call of thanks is only answered."""
        actions = {step.action for step in self.steps}
        if not offer.budgets:
            return actions == {"answer"}
        unasked = offer.needs_approval and "complete" in actions and "decide_approval" not in actions
        late = self.if_late is None or self.if_late.suits(offer)
        timely = all(map(offer.quick, self.missed)) and ("arrive" not in actions or "arrive" in offer.budgets)
        fits = all(getattr(offer, name) == value for name, value in self.fits.items())
        return fits and not unasked and late and timely

    def happens(self) -> list[tuple[str, bool]]:
        """Return the expected timeline without escalations and links: each action, and True if the system does it."""
        events = [("register", False)]
        for move in self.moves:
            if isinstance(move, Wait):
                events += [(action, True) for action in move.happens]
            elif move.action != LINK:
                events.append((move.action, False))
        return events


_TABLES = read_toml(Path(__file__).with_name("plans.toml"))


def plan_of(row: Mapping[str, Any]) -> Plan:
    """Return the plan of a row; its way names steps of the table, or has its own. Raises KeyError for another name."""
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    way, late = fields.pop("way"), fields.pop("if_late", None)
    names = way.split() if isinstance(way, str) else way
    fields["moves"] = tuple(move for name in names for move in _moves(name))
    fields["state"] = State(fields.get("state", State.CLOSED))
    fields["if_late"] = next((plan_of(each) for each in _TABLES["plans"]["late"] if each["name"] == late), None)
    return Plan(**fields)


def _moves(name: str | Mapping[str, Any]) -> Iterator[Step | Wait]:
    """Yield the move of this name, or those of a shared way."""
    if isinstance(name, str) and name in _TABLES["ways"]:
        for part in _TABLES["ways"][name].split():
            yield from _moves(part)
        return
    row = dict(_TABLES["steps"][name] if isinstance(name, str) else name)
    if "until" in row:
        yield Wait(row["until"], row.get("percent", 0), tuple(row.get("happens", ())))
    else:
        yield Step(Role(row.pop("by")), row.pop("does"), row)


PLANS: dict[str, tuple[Plan, ...]] = {kind: tuple(map(plan_of, rows)) for kind, rows in _TABLES["plans"].items()}
"""Plans by kind of call: of a day, those that end a case and those that leave it open; of a surge, by its reason."""
