"""Player of a day and of a surge: brings the case of each call to the end of its plan, and checks over HTTP that it is.

Nothing is known of a case but what HTTP shows.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from demo.calls import CALLED_BACK, EXCHANGE, Call, calls_of
from demo.client import Hotline, Json, Rejected
from demo.people import Staff
from demo.plans import LINK, WOKEN, Plan, Step, Wait
from domain.case.automatic.internal_updates import UNDELIVERED
from domain.case.clocks import ClockStatus
from domain.case.intake import IntakeFlag
from domain.case.lifecycle import State
from domain.case.state import CREDIT_WAITS
from domain.catalogue.terms import MISS
from domain.shared.actors import Role

CONCURRENCY = 32
"""Most cases that are played at the same time."""
LOOK_EVERY_SECONDS = 0.5
THINKING_SECONDS = (0.15, 0.7)
"""People take a moment before each step; in a surge they have no time for it."""
WAKES_AFTER = timedelta(seconds=9)
"""From the registration to a wake date: a case gets there before, and the demo does not wait for long."""
TOO_LATE = frozenset({"extension-too-late", "return-too-late", "wake-at-past"})
REGISTERED, DONE = "registered", "done"
LOOK_AGAIN_SECONDS = 1.0
"""Between two checks of what differs."""
SYSTEM = Role.SYSTEM.value
KNOWN_AT_INTAKE = frozenset(flag.value for flag in IntakeFlag)
"""Flags that no plan decides: a day that is played again has callers and addresses who called the day before."""
BY_TIME = frozenset({"noticed", "criticised", CREDIT_WAITS, *UNDELIVERED.flags})
"""Flags of cases that stay late, and of failing channels: they depend on the time of the check, not on the plan."""
ONCE_EACH = ("escalate", "notice", "criticise")
"""Events that happen once in a cycle: of a clock, at a percentage."""


@dataclass
class Player:
    """Plays the calls of one run, each step by its person.

    `incident` is the number of the incident of its cases, if there is one, `seconds` the length of the day. `refusals`
    are the answers that ended cases before the end of their plans, by the index of the call; `known` are the cases as
    they were registered, which SQL may not have yet. `done` counts what is done `of` all: steps, cases. `show` takes
    the progress, `say` what happens.
    """

    hotline: Hotline
    staff: Staff
    run: str
    seconds: float
    incident: str = ""
    show: Callable[[str], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    refusals: dict[int, str] = field(default_factory=dict)
    known: dict[int, Json] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    of: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.places = asyncio.Semaphore(CONCURRENCY)
        self._reached: defaultdict[object, asyncio.Event] = defaultdict(asyncio.Event)

    async def play(self, calls: Sequence[Call], direct: "Callable[[Player], Coroutine[Any, Any, None]]") -> None:
        """Play every call at its time, and beside them what `direct` does; what is refused of a case is in `refusals`.

        Raises Unreachable, and Rejected if the service refuses something besides, also in groups.
        """
        self.of |= Counter(steps=sum(len(call.plan.steps) + 1 for call in calls), cases=len(calls))
        first = min(call.starts for call in calls)
        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(self._play(call, (call.starts - first) * self.seconds))
            tasks.create_task(direct(self))

    def reach(self, event: object) -> None:
        """Let go on what waits for this event of the play: the number of a wave, or one that a plan names."""
        self._reached[event].set()

    async def all_are(self, what: str, calls: Iterable[Call]) -> None:
        """Return when all of these calls are registered, or done."""
        for call in calls:
            await self._reached[what, call.index].wait()

    def progress(self, what: str, done: int | None = None) -> None:
        """Show that so many are done, or one more."""
        self.done[what] = self.done[what] + 1 if done is None else done
        self.show(", ".join(f"{each} {done} of {self.of[each]}" for each, done in self.done.items()))

    def key(self, what: object) -> str:
        return f"demo-{self.run}-{what}"

    async def _play(self, call: Call, starts_after: float) -> None:
        await asyncio.sleep(starts_after)
        if call.wave is not None:
            await self._reached[call.wave].wait()
        async with self.places:
            try:
                await self._see_through(call, await self._register(call))
            except Rejected as refusal:
                self.refusals[call.index] = str(refusal)
        for what in (REGISTERED, DONE):
            self.reach((what, call.index))
        self.progress("cases")

    async def _register(self, call: Call) -> Json:
        """Take down the call, which the exchange reports; return its case."""
        agent, key = self.staff.who(Role.OWNER, owner=call.owner), self.key(call.index)
        case = await self.hotline.post("/complaints", call.intake_of(self.run), by=agent, key=key)
        self.known[call.index] = case
        self.reach((REGISTERED, call.index))
        self.progress("steps")
        if call.reported:
            calls = calls_of(self.run, call, datetime.fromisoformat(case["registered_at"]))
            await self.hotline.post("/calls", {"items": calls}, by=EXCHANGE, key=f"{key}-calls")
            if call.index % CALLED_BACK == 0:
                path, result = f"/calls/{calls[-1]['call_id']}/call-back", {"reached": True, "note": "已致歉并解答。"}
                await self.hotline.post(path, result, by=agent, key=f"{key}-call-back")
        return case

    async def _see_through(self, call: Call, case: Json) -> None:
        """Bring the case to the end of its plan, or to a refusal."""
        # A source of its own, so that it does not matter how the cases take turns.
        moods = random.Random(self.key(call.index))  # noqa: S311 - a play, no secret
        wake_at = (datetime.fromisoformat(case["registered_at"]) + WAKES_AFTER).isoformat()
        plan, place = call.plan, 0
        while place < len(plan.moves):
            move = plan.moves[place]
            if isinstance(move, Wait):
                await self._wait(case, move)
            else:
                await asyncio.sleep(moods.uniform(*THINKING_SECONDS) if call.wave is None else 0)
                person, body = call.request(move, self.staff, case, incident=self.incident, wake_at=wake_at)
                path, key = f"/complaints/{case['number']}/actions/{move.action}", self.key(f"{call.index}-{place}")
                try:
                    case = await self.hotline.post(path, body, by=person, key=key)
                except Rejected as refusal:
                    if plan.if_late is None or not _too_late(refusal, move):
                        raise
                    plan = plan.if_late
                    continue
                self.progress("steps")
            place += 1

    async def _wait(self, known: Json, wait: Wait) -> None:
        """Wait for the event of the play, or until the read model shows that the time has come."""
        if not wait.percent and wait.until != WOKEN:
            # Others may be played meanwhile.
            self.places.release()
            try:
                await self._reached[wait.until].wait()
            finally:
                await self.places.acquire()
            return
        while True:
            case = await self.hotline.get(f"/complaints/{known['number']}")
            if case["version"] >= known["version"] and not _is_ahead(wait, case):
                return
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def cases(self, calls: Iterable[Call]) -> dict[int, list[Json]]:
        """Return the cases of the run as the list has them, by the index of the call; of each there should be one."""
        ours = {call.account_no(self.run): call.index for call in calls}
        found: dict[int, list[Json]] = defaultdict(list)
        async for case in self.hotline.items("/complaints", q=self.run):
            if (account := case["caller"]["account_no"]) in ours:
                found[ours[account]].append(case)
        return found

    async def timeline(self, subject: str) -> list[Json]:
        """Return the timeline of a case or an incident, oldest first, by its path. Raises Rejected, Unreachable."""
        return [item async for item in self.hotline.items(f"{subject}/timeline")]


def _is_ahead(wait: Wait, case: Json) -> bool:
    """Return True while the case is suspended, or the clock has still to run."""
    if wait.until == WOKEN:
        return bool(case["state"] == State.SUSPENDED)
    return any(
        clock["elapsed_seconds"] < clock["budget_seconds"] * wait.percent / 100
        for clock in case["clocks"]
        if (clock["name"], clock["status"]) == (wait.until, ClockStatus.RUNNING)
    )


def _too_late(refusal: Rejected, step: Step) -> bool:
    """Return True if time alone is the reason: a limit has passed, or the case has ended for good."""
    return refusal.slug in TOO_LATE or (refusal.slug == "out-of-turn" and step.action in ("reopen", "comment"))


@dataclass
class Verdict:
    """Result of the check, by the index of the call. `faults` are those that no single call has."""

    complaints: dict[int, Json] = field(default_factory=dict)
    timelines: dict[int, list[Json]] = field(default_factory=dict)
    differences: dict[int, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.differences and not self.faults


async def verify(
    player: Player,
    calls: Sequence[Call],
    patience: float,
    faults: Callable[[Player, Verdict], Awaitable[Iterable[str]]] | None = None,
) -> Verdict:
    """Compare every case with its plan, and look again at those that differ until `patience` seconds have passed.

    A promise that was left to be missed needs its time, and so do messages, and a read model that was down. `faults`
    returns what else is wrong, once the cases have been read. Raises Rejected, Unreachable.
    """
    verdict = Verdict()
    give_up_at = time.monotonic() + patience
    while True:
        cases = await player.cases(calls)
        undecided = [call for call in calls if call.index in verdict.differences or call.index not in verdict.timelines]
        await asyncio.gather(*(_compare(player, call, cases.get(call.index), verdict) for call in undecided))
        twins = ((first["number"], twin["number"]) for first, *others in cases.values() for twin in others)
        verdict.faults = [f"{twin} is the call of {first} taken a second time" for first, twin in twins]
        verdict.faults += await faults(player, verdict) if faults else ()
        if verdict.good or time.monotonic() >= give_up_at:
            return verdict
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _compare(player: Player, call: Call, cases: Sequence[Json] | None, verdict: Verdict) -> None:
    found = [player.refusals[call.index]] if call.index in player.refusals else []
    if not cases:
        found.insert(0, "has no case")
    else:
        complaint, path = cases[0], f"/complaints/{cases[0]['number']}"
        async with player.places:
            try:
                timeline = await player.timeline(path)
                if len(timeline) != complaint["version"]:
                    # Something has happened since the list was read.
                    complaint = await player.hotline.get(path)
                verdict.complaints[call.index], verdict.timelines[call.index] = complaint, timeline
                found = [*differences(call.plan, complaint, timeline, player.incident), *found]
            except Rejected as refusal:
                found = [str(refusal)]
    verdict.differences.pop(call.index, None)
    if found:
        verdict.differences[call.index] = found


def differences(plan: Plan, complaint: Json, timeline: Sequence[Json], incident: str) -> list[str]:
    """Return the differences between a case and the variant of its plan that was played.

    Linked cases are linked to this incident at their end, by the service, or by people once or more.
    """
    happened = [(item["action"], item["actor"] == SYSTEM) for item in timeline if not _by_the_way(item)]
    played = next((each for each in (plan, plan.if_late) if each and each.happens() == happened), None)
    found = [] if played else [f"events are {_told(happened)}, planned {_told(plan.happens())}"]
    planned = played or plan
    for what, is_, wanted in (
        ("state", complaint["state"], planned.state.value),
        ("cycle", complaint["cycle"], planned.cycle),
        ("incident", complaint["incident"], incident if planned.incident else None),
        ("flags", sorted({*complaint["flags"]} - KNOWN_AT_INTAKE - BY_TIME), sorted(planned.flags)),
        ("sequence", [item["seq"] for item in timeline], list(range(1, complaint["version"] + 1))),
    ):
        found += [] if is_ == wanted else [f"{what} is {is_}, planned {wanted}"]
    once = ((item["action"], item["cycle"], item["data"]) for item in timeline if item["action"] in ONCE_EACH)
    times = Counter((what, cycle, data.get("serial"), data.get("percent")) for what, cycle, data in once)
    found += [f"{what} came {n} times: cycle, clock, % {which}" for (what, *which), n in times.items() if n > 1]
    for clock in planned.missed:
        found += _missed(clock, planned.cycle, complaint, timeline)
    return found


def _by_the_way(item: Json) -> bool:
    """Return True for a link, an escalation, a credit or an undelivered notification, which no plan contains."""
    return bool(item["action"] == LINK or (item["actor"] == SYSTEM and item["from"] == item["to"]))


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
