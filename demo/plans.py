"""Plans of cases: rows of `plans.toml`, each with the way of a case and what is expected at its end."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.offers import Offer
from domain.case.lifecycle import State
from domain.catalogue.terms import ClockName
from domain.shared.actors import Role
from hotline.files.formats import read_toml

LINK = "link_incident"
SLOW_SECONDS = 300
"""From this budget on there is time to ask for an extension."""
LASTING_SECONDS = 7200
"""A case whose owner has promised nothing for as long is not late while a newcomer looks around."""


@dataclass(frozen=True)
class Step:
    """Action of a person; `$name` in its body is a fact of the case.

    `wakes_after`: seconds from the registration to the wake date of a suspension.
    """

    role: Role
    action: str
    body: Mapping[str, Any] = field(hash=False)
    wakes_after: float | None = None


@dataclass(frozen=True)
class Wait:
    """Wait for something that nobody of the case does; `happens` are the events of the service by then.

    `until` is a clock, if `percent` of it are to be used, else WOKEN or an event of the play.
    """

    until: str
    percent: int = 0
    happens: tuple[str, ...] = ()


WOKEN = "woken"
Move = Step | Wait


def _stays_at_risk(offer: Offer) -> bool:
    """Return True if a case can lie between 75 % and the miss of its department's promise, with nothing else late."""
    owners = (offer.budgets.get(clock, LASTING_SECONDS) for clock in ("resolve", "reply"))
    return offer.quick("acknowledge") and min(owners) >= LASTING_SECONDS


_FITS: dict[str, Callable[[Offer], bool]] = {
    "all": lambda _: True,
    "answer_ends": lambda offer: not offer.answer_needs_follow_up,
    "answer_is_followed_up": lambda offer: offer.answer_needs_follow_up,
    "credited": lambda offer: "reply" in offer.credited,
    "emergency": lambda offer: offer.priority == "P1",
    "needs_approval": lambda offer: offer.needs_approval,
    "repairs": lambda offer: offer.group == "repair",
    "slow": lambda offer: offer.budgets.get("resolve", 0) > SLOW_SECONDS,
    "stays_at_risk": _stays_at_risk,
}
"""Conditions of plans on the service of a case."""


@dataclass(frozen=True)
class Plan:
    """Row of the table, with its moves in order and `if_late` as a plan."""

    name: str
    moves: tuple[Move, ...]
    state: State = State.CLOSED
    cycle: int = 1
    flags: tuple[str, ...] = ()
    missed: tuple[ClockName, ...] = ()
    incident: bool = False
    weight: int = 2
    fits: str = "all"
    if_late: "Plan | None" = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the actions of people, in order."""
        return tuple(move for move in self.moves if isinstance(move, Step))

    @property
    def takes_time(self) -> bool:
        """Return True if a clock has to run down before the case is as planned."""
        return bool(self.missed) or any(isinstance(move, Wait) and move.percent for move in self.moves)

    def suits(self, offer: Offer) -> bool:
        """Return True if a case of this service may follow the plan. A call of thanks is only answered."""
        actions = {step.action for step in self.steps}
        if not offer.budgets:
            return actions == {"answer"}
        unasked = offer.needs_approval and "complete" in actions and "decide_approval" not in actions
        late = self.if_late is None or self.if_late.suits(offer)
        timely = all(map(offer.quick, self.missed)) and ("arrive" not in actions or "arrive" in offer.budgets)
        return _FITS[self.fits](offer) and not unasked and late and timely

    def happens(self) -> tuple[tuple[str, bool], ...]:
        """Return the expected timeline without rungs and links: each action, and True if the system does it."""
        events = [("register", False)]
        for move in self.moves:
            if isinstance(move, Wait):
                events += [(action, True) for action in move.happens]
            elif move.action != LINK:
                events.append((move.action, False))
        return tuple(events)

    def variants(self) -> Iterator["Plan"]:
        """Return this plan and its variants."""
        yield self
        if self.if_late:
            yield from self.if_late.variants()


_TABLES = read_toml(Path(__file__).with_name("plans.toml"))


def plan_of(row: Mapping[str, Any]) -> Plan:
    """Return the plan of a row; its way names steps of the table, or has its own. Raises KeyError for another name."""
    way, late = row["way"], row.get("if_late")
    names = way.split() if isinstance(way, str) else way
    lists = {name: tuple(row[name]) for name in ("flags", "missed") if name in row}
    others = {name: value for name, value in row.items() if name not in ("way", "state", "if_late")}
    return Plan(
        **others | lists,
        moves=tuple(move for name in names for move in _moves(name)),
        state=State(row.get("state", State.CLOSED)),
        if_late=plan_of(next(each for each in _TABLES["plans"]["late"] if each["name"] == late)) if late else None,
    )


def _moves(name: str | Mapping[str, Any]) -> Iterator[Move]:
    """Yield the move of this name, or those of a shared way."""
    if isinstance(name, str) and name in _TABLES["ways"]:
        for part in _TABLES["ways"][name].split():
            yield from _moves(part)
        return
    row = dict(_TABLES["steps"][name] if isinstance(name, str) else name)
    if "until" in row:
        yield Wait(row["until"], row.get("percent", 0), tuple(row.get("happens", ())))
    else:
        yield Step(Role(row.pop("by")), row.pop("does"), wakes_after=row.pop("wakes_after", None), body=row)


ENDINGS, LEFT = (tuple(map(plan_of, _TABLES["plans"][name])) for name in ("ends", "left"))
PLANS: tuple[Plan, ...] = (*ENDINGS, *LEFT)
"""Plans of a day: those that end a case, and those that leave it open."""
TIDE: dict[str, tuple[Plan, ...]] = {kind: tuple(map(plan_of, rows)) for kind, rows in _TABLES["tide"].items()}
"""Plans of a salt tide, by the reason of the call."""
