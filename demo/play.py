"""Player of a day and of a surge: takes down calls at their times, and brings each case to the end of its plan."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from demo.calls import EXCHANGE, Call, called_back, calls_of
from demo.client import Hotline, Json, Rejected
from demo.people import Person, Staff
from demo.plans import WOKEN, Step, Wait
from domain.case.clocks import ClockStatus
from domain.case.lifecycle import State

LOOK_EVERY_SECONDS = 0.5
LARGEST_PAGE = "200"
THINKING_SECONDS = (0.15, 0.7)
"""People take a moment before each step; in a surge they have no time for it."""
TOO_LATE = frozenset({"extension-too-late", "return-too-late"})
OUT_OF_TURN = "out-of-turn"
AFTER_THE_END = frozenset({"reopen", "comment"})
WAKE_AT_PAST = "wake-at-past"
REGISTERED, DONE = "registered", "done"

Progress = Callable[[str, int, int], None]
"""Callback with the progress: name of the counted item, number of those that are done, number of all."""


@dataclass
class Verdict:
    """Result of the check, by the index of the call. `faults` are those that no single call has."""

    complaints: dict[int, Json] = field(default_factory=dict)
    timelines: dict[int, list[Json]] = field(default_factory=dict)
    differences: dict[int, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Return True if everything is as planned."""
        return not self.differences and not self.faults


@dataclass
class Player:
    """Plays the calls of one run, each step by its person.

    `run` is the id of the run, `incident` the number of the incident of its cases, once there is one. As many cases as
    `concurrency` are played at the same time, `seconds` is the length of the day. `known` are the cases as they were
    registered, `refusals` the answers that ended cases before the end of their plans, by the index of the call.
    `progress` hears of what is done, `say` of what happens.
    """

    hotline: Hotline
    staff: Staff
    run: str
    concurrency: int
    seconds: float
    incident: str = ""
    progress: Progress = lambda _what, _done, _of: None
    say: Callable[[str], None] = lambda _: None
    known: dict[int, Json] = field(default_factory=dict)
    refusals: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.concurrency)
        self._reached: defaultdict[object, asyncio.Event] = defaultdict(asyncio.Event)
        # An agent talks to one caller at a time.
        self._lines: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def play(self, calls: Sequence[Call], direct: "Callable[[Player], Coroutine[Any, Any, None]]") -> None:
        """Play every call at its time, and beside them what `direct` does; what is refused of a case is in `refusals`.

        Raises Unreachable, and Rejected if the service refuses something besides, also in groups.
        """
        of = {"steps": sum(len(call.plan.steps) + 1 for call in calls), "cases": len(calls)}
        first, done = min(call.starts for call in calls), Counter[str]()

        def advance(what: str) -> None:
            done[what] += 1
            self.progress(what, done[what], of[what])

        async def one(call: Call) -> None:
            await asyncio.sleep((call.starts - first) * self.seconds)
            if call.wave is not None:
                await self.reaches(call.wave)
            async with self._places:
                try:
                    await self._case(call, lambda: advance("steps"))
                except Rejected as refusal:
                    self.refusals[call.index] = str(refusal)
            for what in (REGISTERED, DONE):
                self.reach((what, call.index))
            advance("cases")

        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(one(call))
            tasks.create_task(direct(self))

    def reach(self, event: object) -> None:
        """Let go on what waits for this event of the play: the number of a wave, or one that a plan names."""
        self._reached[event].set()

    async def reaches(self, event: object) -> None:
        """Return when this event of the play has been reached."""
        await self._reached[event].wait()

    async def all_are(self, what: str, calls: Iterable[Call]) -> None:
        """Return when all of these calls are registered, or done."""
        for call in calls:
            await self.reaches((what, call.index))

    def key(self, what: object) -> str:
        """Return the idempotency key of one request of the run."""
        return f"demo-{self.run}-{what}"

    async def _case(self, call: Call, stepped: Callable[[], None]) -> None:
        """Take down the call, and bring its case to the end of its plan, or to a refusal."""
        agent, key = self.staff.named(call.owner), self.key(call.index)
        async with self._lines[call.owner]:
            complaint = await self.hotline.post("/complaints", call.intake_of(self.run), by=agent, key=key)
        self.known[call.index] = complaint
        self.reach((REGISTERED, call.index))
        stepped()
        if call.reported:
            calls = calls_of(self.run, call, datetime.fromisoformat(complaint["registered_at"]))
            await self.hotline.post("/calls", {"items": calls}, by=EXCHANGE, key=f"{key}-calls")
            if missed := called_back(self.run, call):
                result = {"reached": True, "note": "已致歉并解答。"}
                await self.hotline.post(f"/calls/{missed}/call-back", result, by=agent, key=f"{key}-call-back")
        await self._see_through(call, complaint, stepped)

    async def _see_through(self, call: Call, complaint: Json, stepped: Callable[[], None]) -> None:
        # A source of its own, so that it does not matter how the cases take turns.
        moods = random.Random(self.key(call.index))  # noqa: S311 - a play, no secret
        plan, place = call.plan, 0
        while place < len(plan.moves):
            move = plan.moves[place]
            if isinstance(move, Wait):
                await self._wait(complaint, move)
            else:
                await asyncio.sleep(moods.uniform(*THINKING_SECONDS) if call.wave is None else 0)
                try:
                    complaint = await self._take(call, complaint, move, self.key(f"{call.index}-{place}"))
                except Rejected as refusal:
                    if plan.if_late is None or not _too_late(refusal, move):
                        raise
                    plan = plan.if_late
                    continue
                stepped()
            place += 1

    async def _take(self, call: Call, complaint: Json, step: Step, key: str) -> Json:
        person, body = call.request(step, self.staff, complaint, self.incident)
        if step.wakes_after is None:
            return await self.act(complaint, step.action, body, person, key)
        registered_at = datetime.fromisoformat(complaint["registered_at"])
        times = 0
        while True:
            times += 1
            # Each wake date has its key: what was sent before an outage can be sent again word for word.
            wake_at = registered_at + times * timedelta(seconds=step.wakes_after)
            until = {"wake_at": wake_at.isoformat()}
            try:
                return await self.act(complaint, step.action, body | until, person, f"{key}-{times}")
            except Rejected as refusal:
                if refusal.slug != WAKE_AT_PAST:
                    raise

    async def act(self, complaint: Json, action: str, body: Json, by: Person, key: str) -> Json:
        """Act on a case, once for each key; return it. Raises Rejected, Unreachable."""
        return await self.hotline.post(f"/complaints/{complaint['number']}/actions/{action}", body, by=by, key=key)

    async def _wait(self, known: Json, wait: Wait) -> None:
        """Wait for the event of the play, or until the read model shows that the time has come."""
        if not wait.percent and wait.until != WOKEN:
            # Others may be played meanwhile.
            self._places.release()
            try:
                await self.reaches(wait.until)
            finally:
                await self._places.acquire()
            return
        while True:
            complaint = await self.hotline.get(f"/complaints/{known['number']}")
            if complaint["version"] >= known["version"] and not _is_ahead(wait, complaint):
                return
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def cases(self, calls: Iterable[Call]) -> dict[int, list[Json]]:
        """Return the cases of the run as the list has them, by the index of the call; of each there should be one."""
        ours = {call.account_no(self.run): call.index for call in calls}
        found: dict[int, list[Json]] = defaultdict(list)
        async for case in self.hotline.items("/complaints", q=self.run, limit=LARGEST_PAGE):
            index = ours.get(case["caller"]["account_no"])
            if index is not None:
                found[index].append(case)
        return found

    async def timeline(self, subject: str) -> list[Json]:
        """Return the timeline of a case or an incident, oldest first, by its path. Raises Rejected, Unreachable."""
        return [item async for item in self.hotline.items(f"{subject}/timeline", limit=LARGEST_PAGE)]


def _is_ahead(wait: Wait, complaint: Json) -> bool:
    """Return True while the case is suspended, or the clock has still to run."""
    if wait.until == WOKEN:
        return bool(complaint["state"] == State.SUSPENDED)
    running = [clock for clock in complaint["clocks"] if clock["status"] == ClockStatus.RUNNING]
    return any(
        clock["elapsed_seconds"] < clock["budget_seconds"] * wait.percent / 100
        for clock in running
        if clock["name"] == wait.until
    )


def _too_late(refusal: Rejected, step: Step) -> bool:
    """Return True if time alone is the reason: a limit has passed, or the case has ended for good."""
    return refusal.slug in TOO_LATE or (refusal.slug == OUT_OF_TURN and step.action in AFTER_THE_END)
