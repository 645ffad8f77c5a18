"""Check over HTTP: each call has one case, which is as planned, and nothing else is wrong."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from demo.calls import Call
from demo.client import Json, Rejected
from demo.plans import LINK, Plan
from demo.play import Player, Verdict
from domain.case.automatic.undelivered import FLAG as UNDELIVERED
from domain.case.clocks import ClockStatus
from domain.case.intake import IntakeFlag
from domain.case.state import CREDIT_WAITS
from domain.catalogue.terms import MISS
from domain.shared.actors import Role

AT_ONCE = 12
LOOK_AGAIN_SECONDS = 1.0
SYSTEM = Role.SYSTEM.value
KNOWN_AT_INTAKE = frozenset(flag.value for flag in IntakeFlag)
"""Flags that no plan decides: a day that is played again has callers and addresses who called the day before."""
BY_TIME = frozenset({"noticed", "criticised", CREDIT_WAITS, UNDELIVERED})
"""Flags of cases that stay late, and of failing channels: they depend on the time of the check, not on the plan."""
ONCE_EACH = {
    "escalate": lambda item: f"clock {item['data']['serial']} rang {{}} times at {item['data']['percent']} %",
    "notice": lambda item: f"notice went out {{}} times in cycle {item['cycle']}",
    "criticise": lambda item: f"criticise went out {{}} times in cycle {item['cycle']}",
}
"""Fault by the event, each of which happens once."""

Faults = Callable[[Player, Verdict], Awaitable[Iterable[str]]]


async def verify(player: Player, calls: Sequence[Call], patience: float, faults: Faults | None = None) -> Verdict:
    """Compare every case with its plan, and look again at those that differ until `patience` seconds have passed.

    `faults` returns what else is wrong, once the cases have been read.

    A promise that was left to be missed needs its time, and so do messages, and a read model that was down.
    Raises Rejected, Unreachable.
    """
    verdict = Verdict()
    give_up_at = time.monotonic() + patience
    while True:
        await _look(player, calls, verdict)
        verdict.faults += await faults(player, verdict) if faults else ()
        if verdict.good or time.monotonic() >= give_up_at:
            return verdict
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _look(player: Player, calls: Sequence[Call], verdict: Verdict) -> None:
    cases = await player.cases(calls)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(call: Call) -> None:
        async with places:
            found = await _compare(player, call, cases.get(call.index), verdict)
        verdict.differences.pop(call.index, None)
        if found:
            verdict.differences[call.index] = found

    undecided = (call for call in calls if call.index in verdict.differences or call.index not in verdict.timelines)
    await asyncio.gather(*map(one, [*undecided]))
    twins = ((first["number"], twin["number"]) for first, *others in cases.values() for twin in others)
    verdict.faults = [f"{twin} is the call of {first} taken a second time" for first, twin in twins]


async def _compare(player: Player, call: Call, cases: Sequence[Json] | None, verdict: Verdict) -> list[str]:
    refused = [player.refusals[call.index]] if call.index in player.refusals else []
    if not cases:
        return ["has no case", *refused]
    complaint, path = cases[0], f"/complaints/{cases[0]['number']}"
    try:
        timeline = await player.timeline(path)
        if len(timeline) != complaint["version"]:
            # Something has happened since the list was read.
            complaint = await player.hotline.get(path)
    except Rejected as refusal:
        return [str(refusal)]
    verdict.complaints[call.index], verdict.timelines[call.index] = complaint, timeline
    return [*differences(call.plan, complaint, timeline, player.incident), *refused]


def differences(plan: Plan, complaint: Json, timeline: Sequence[Json], incident: str) -> list[str]:
    """Return the differences between a case and the variant of its plan that was played.

    Linked cases are linked to this incident at their end, by the service, or by people once or more.
    """
    happened = [(item["action"], item["actor"] == SYSTEM) for item in timeline if not _by_the_way(item)]
    played = next((variant for variant in plan.variants() if list(variant.happens()) == happened), None)
    found = [] if played else [f"events are {_told(happened)}, planned {_told(plan.happens())}"]
    planned = played or plan
    found += _differs("state", complaint["state"], planned.state.value)
    found += _differs("cycle", complaint["cycle"], planned.cycle)
    found += _differs("incident", complaint["incident"], incident if planned.incident else None)
    found += _differs("flags", sorted({*complaint["flags"]} - KNOWN_AT_INTAKE - BY_TIME), sorted(planned.flags))
    found += _differs("sequence", [item["seq"] for item in timeline], list(range(1, complaint["version"] + 1)))
    times = Counter(ONCE_EACH[item["action"]](item) for item in timeline if item["action"] in ONCE_EACH)
    found += [text.format(count) for text, count in times.items() if count > 1]
    for clock in planned.missed:
        found += _missed(clock, planned.cycle, complaint, timeline)
    return found


def _by_the_way(item: Json) -> bool:
    """Return True for a link, a rung, a credit or an undelivered notification, which no plan contains."""
    return bool(item["action"] == LINK or (item["actor"] == SYSTEM and item["from"] == item["to"]))


def _differs(what: str, is_: object, planned: object) -> list[str]:
    return [] if is_ == planned else [f"{what} is {is_}, planned {planned}"]


def _missed(clock: str, cycle: int, complaint: Json, timeline: Sequence[Json]) -> Iterator[str]:
    statuses = [entry["status"] for entry in complaint["clocks"] if entry["name"] == clock and entry["cycle"] == cycle]
    if ClockStatus.MISSED not in statuses:
        yield f"clock {clock} is {', '.join(statuses) or 'absent'}, planned {ClockStatus.MISSED}"
    rang = ((item["cycle"], item["data"]) for item in timeline if item["action"] == "escalate")
    times = sum((cycle, clock, MISS) == (of, data["clock"], data["percent"]) for of, data in rang)
    if times != 1:
        yield f"clock {clock} rang {times} times at {MISS} %, planned once"


def _told(happened: Sequence[tuple[str, bool]]) -> str:
    return " → ".join(f"{action} (by itself)" if by_system else action for action, by_system in happened)
