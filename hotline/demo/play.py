"""Player of a day and of a surge: takes down calls, and brings each case to the end of its plan, over HTTP."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.case.clocks import ClockStatus
from domain.case.lifecycle import State
from hotline.demo.calls import Call, account_no
from hotline.demo.client import Hotline, Json, Rejected
from hotline.demo.people import Person, Staff
from hotline.demo.steps import LINK, Step, Wait, Wake

LOOK_EVERY_SECONDS = 0.5
LARGEST_PAGE = "200"
TOO_LATE = frozenset({"extension-too-late", "return-too-late"})
OUT_OF_TURN = "out-of-turn"
AFTER_THE_END = frozenset({"reopen", "comment"})
WAKE_AT_PAST = "wake-at-past"

Progress = Callable[[str, int, int], None]
"""Callback with the progress: name of the counted item, number of those that are done, number of all."""


@dataclass
class Run:
    """One run of the demo: its id, and the number of the incident of its cases, empty before there is one."""

    id: str
    incident: str = ""


@dataclass
class Player:
    """Plays the calls of one run, each step by its person.

    `places` are those of the cases that may be played at the same time, `seconds` is the length of the day.
    `progress` hears of what is done, `say` of what happens.
    """

    hotline: Hotline
    staff: Staff
    run: Run
    concurrency: int
    seconds: float
    progress: Progress = lambda _what, _done, _of: None
    say: Callable[[str], None] = lambda _: None
    _done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.places = asyncio.Semaphore(self.concurrency)

    def advance(self, what: str, of: int) -> None:
        """Tell that one more of so many is done."""
        self._done[what] += 1
        self.progress(what, self._done[what], of)

    async def each(self, calls: Iterable[Call], do: Callable[[Call], Awaitable[object]]) -> None:
        """Do this for each call, for as many at once as are allowed."""

        async def one(call: Call) -> None:
            async with self.places:
                await do(call)

        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(one(call))

    def key(self, what: object) -> str:
        """Return the idempotency key of one request of the run."""
        return f"demo-{self.run.id}-{what}"

    async def register(self, call: Call, **more: str) -> Json:
        """Take down the call; return its case. Raises Rejected, Unreachable."""
        body = call.intake_of(self.run.id) | more
        agent = self.staff.named(call.owner)
        return await self.hotline.post("/complaints", body, by=agent, key=self.key(call.index))

    async def see_through(
        self,
        call: Call,
        complaint: Json,
        thinking: tuple[float, float] = (0.0, 0.0),
        stepped: Callable[[], None] = lambda: None,
    ) -> Json:
        """Bring the case to the end of its plan; return it. Raises Rejected, Unreachable.

        `thinking` are the least and the most seconds before a step; `stepped` is called after each.
        """
        # A source of its own, so that it does not matter how the cases take turns.
        moods = random.Random(self.key(call.index))  # noqa: S311 - a play, no secret
        plan, place = call.plan, 0
        while place < len(plan.moves):
            move = plan.moves[place]
            if isinstance(move, Wait):
                await self._wait(complaint, move)
            else:
                await asyncio.sleep(moods.uniform(*thinking))
                try:
                    complaint = await self._take(call, complaint, move, self.key(f"{call.index}-{place}"))
                except Rejected as refusal:
                    if plan.if_late is None or not _too_late(refusal, move):
                        raise
                    plan = plan.if_late
                    continue
                stepped()
            place += 1
        return complaint

    async def _take(self, call: Call, complaint: Json, step: Step, key: str) -> Json:
        owner, department = complaint["owner"], complaint["department"]
        person, body = call.request(step, self.staff, owner=owner, department=department)
        if step.action == LINK:
            body["incident"] = self.run.incident
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

    async def _wait(self, known: Json, until: Wait) -> None:
        """Wait until the read model shows that the time has come."""
        while True:
            complaint = await self.hotline.get(f"/complaints/{known['number']}")
            if complaint["version"] >= known["version"] and not _is_ahead(until, complaint):
                return
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def cases(self, calls: Sequence[Call]) -> dict[int, list[Json]]:
        """Return the cases of the run as the list has them, by the index of the call; of each there should be one."""
        ours = {account_no(self.run.id, call.index): call.index for call in calls}
        found: dict[int, list[Json]] = defaultdict(list)
        async for case in self.hotline.items("/complaints", q=self.run.id, limit=LARGEST_PAGE):
            index = ours.get(case["caller"]["account_no"])
            if index is not None:
                found[index].append(case)
        return found

    async def timeline(self, subject: str) -> list[Json]:
        """Return the timeline of a case or an incident, oldest first, by its path. Raises Rejected, Unreachable."""
        return [item async for item in self.hotline.items(f"{subject}/timeline", limit=LARGEST_PAGE)]


def _is_ahead(until: Wait, complaint: Json) -> bool:
    """Return True while the case is suspended, or the clock has still to run."""
    if isinstance(until, Wake):
        return bool(complaint["state"] == State.SUSPENDED)
    running = [clock for clock in complaint["clocks"] if clock["status"] == ClockStatus.RUNNING]
    return any(
        clock["elapsed_seconds"] < clock["budget_seconds"] * until.percent / 100
        for clock in running
        if clock["name"] == until.clock
    )


def _too_late(refusal: Rejected, step: Step) -> bool:
    """Return True if time alone is the reason: a limit has passed, or the case has ended for good."""
    return refusal.slug in TOO_LATE or (refusal.slug == OUT_OF_TURN and step.action in AFTER_THE_END)
