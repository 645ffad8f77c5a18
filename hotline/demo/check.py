"""Comparison of a case, as HTTP shows it, with its plan."""

from collections import Counter
from collections.abc import Iterator, Sequence

from domain.case.automatic.undelivered import FLAG as UNDELIVERED
from domain.case.clocks import ClockStatus
from domain.case.intake import IntakeFlag
from domain.case.state import CREDIT_WAITS
from domain.catalogue.terms import MISS
from domain.shared.actors import Role
from hotline.demo.client import Json
from hotline.demo.plans import Plan

SYSTEM = Role.SYSTEM.value
KNOWN_AT_INTAKE = frozenset(flag.value for flag in IntakeFlag)
"""Flags that no plan decides: a day that is played again has callers and addresses who called the day before."""
BY_TIME = frozenset({"noticed", "criticised", CREDIT_WAITS, UNDELIVERED})
"""Flags of cases that stay late, and of failing channels: they depend on the time of the check, not on the plan."""


def differences(plan: Plan, complaint: Json, timeline: Sequence[Json]) -> list[str]:
    """Return the differences between a case and the variant of its plan that was played."""
    happened = [(item["action"], item["actor"] == SYSTEM) for item in timeline if not _by_the_way(item)]
    played = next((variant for variant in plan.variants() if list(variant.happens()) == happened), None)
    found = [] if played else [f"events are {_told(happened)}, planned {_told(plan.happens())}"]
    planned = played or plan
    found += _compare("state", complaint["state"], planned.state.value)
    found += _compare("cycle", complaint["cycle"], planned.cycle)
    found += _compare("flags", sorted({*complaint["flags"]} - KNOWN_AT_INTAKE - BY_TIME), sorted(planned.flags))
    found += _compare("sequence", [item["seq"] for item in timeline], list(range(1, complaint["version"] + 1)))
    found += _doubled_rungs(timeline)
    found += _doubled_documents(timeline)
    for clock in planned.missed:
        found += _missed(clock, planned.cycle, complaint, timeline)
    return found


def _by_the_way(item: Json) -> bool:
    """Return True for a rung, a credit or an undelivered notification, which no plan contains."""
    return bool(item["actor"] == SYSTEM and item["from"] == item["to"])


def _compare(what: str, is_: object, planned: object) -> list[str]:
    return [] if is_ == planned else [f"{what} is {is_}, planned {planned}"]


def _doubled_rungs(timeline: Sequence[Json]) -> Iterator[str]:
    rang = Counter(
        (item["data"]["serial"], item["data"]["percent"]) for item in timeline if item["action"] == "escalate"
    )
    for (serial, percent), times in rang.items():
        if times > 1:
            yield f"clock {serial} rang {times} times at {percent} %"


def _doubled_documents(timeline: Sequence[Json]) -> Iterator[str]:
    gone_out = Counter(
        (item["action"], item["cycle"]) for item in timeline if item["action"] in ("notice", "criticise")
    )
    for (action, cycle), times in gone_out.items():
        if times > 1:
            yield f"{action} went out {times} times in cycle {cycle}"


def _missed(clock: str, cycle: int, complaint: Json, timeline: Sequence[Json]) -> Iterator[str]:
    statuses = [entry["status"] for entry in complaint["clocks"] if entry["name"] == clock and entry["cycle"] == cycle]
    if ClockStatus.MISSED not in statuses:
        yield f"clock {clock} is {', '.join(statuses) or 'absent'}, planned {ClockStatus.MISSED}"
    misses = [
        item
        for item in timeline
        if item["action"] == "escalate"
        and (item["data"]["clock"], item["data"]["percent"], item["cycle"]) == (clock, MISS, cycle)
    ]
    if len(misses) != 1:
        yield f"clock {clock} rang {len(misses)} times at {MISS} %, planned once"


def _told(happened: Sequence[tuple[str, bool]]) -> str:
    return " → ".join(f"{action} (by itself)" if by_system else action for action, by_system in happened)
