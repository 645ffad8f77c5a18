"""Player of a day: every call at its time, every step by its person, with a limit of concurrent cases."""

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus

from domain.case.clocks import ClockStatus
from domain.case.lifecycle import State
from domain.shared.actors import Role
from hotline.demo.calls import EXCHANGE, call_id, called_back, calls_of
from hotline.demo.check import played_so_far
from hotline.demo.client import Hotline, Json, Rejected, Unreachable
from hotline.demo.day import Call, Line, Pause
from hotline.demo.journal import Journal
from hotline.demo.people import Person, Staff
from hotline.demo.steps import LINK, Plan, Wait, Wake

THINKING_SECONDS = (0.15, 0.7)
"""People take a moment before each step."""
LOOK_EVERY_SECONDS = 0.5
TOO_LATE = frozenset({"extension-too-late", "return-too-late"})
OUT_OF_TURN = "out-of-turn"
AFTER_THE_END = frozenset({"reopen", "comment"})
WAKE_AT_PAST = "wake-at-past"

Notice = Callable[[], None]


@dataclass
class PlayContext:
    """Context of a played day.

    `incident` is what some cases are linked to, as it is declared. `seconds` is the length of the day; `step_done` is
    called after every step.
    """

    hotline: Hotline
    staff: Staff
    journal: Journal
    incident: Json
    seconds: float
    concurrency: int
    step_done: Notice
    call_done: Notice
    problems: dict[int, str] = field(default_factory=dict)


async def play(context: PlayContext, calls: Sequence[Call]) -> None:
    """Play every call to the end of its plan. Steps of an earlier run are not repeated.

    What the service refused against the plan is in `context.problems`. Raises Unreachable, and Rejected if it refuses
    the incident.
    """
    if any(call.plan.links for call in calls):
        await _declare(context)
    places = asyncio.Semaphore(context.concurrency)
    waiting = [call.starts for call in calls if call.index not in context.journal.numbers]
    first = min(waiting, default=1.0)

    async def one(call: Call) -> None:
        if call.index not in context.journal.numbers:
            await asyncio.sleep((call.starts - first) * context.seconds)
        async with places:
            await _Case(context, call).play()
        context.call_done()

    try:
        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(one(call))
    except* Unreachable as group:
        # One reason stops the day; the others only say it again.
        raise group.exceptions[0] from None


async def _declare(context: PlayContext) -> None:
    """Declare the incident, once in a run."""
    journal = context.journal
    if journal.incident is None:
        dispatcher = context.staff.who(Role.DISPATCHER, owner="", department=None, turn=0)
        key = f"demo-{journal.run}-incident"
        declared = await context.hotline.post("/incidents", context.incident, by=dispatcher, key=key)
        journal.note_incident(declared["number"])


class _Case:
    """Player of one call, from the registration to the end of its plan."""

    def __init__(self, context: PlayContext, call: Call) -> None:
        self._context = context
        self._call = call
        self._key = f"demo-{context.journal.run}-{call.index}"
        # A source of its own, so that it does not matter how the cases take turns.
        self._moods = random.Random(self._key)  # noqa: S311 - a play, no secret
        self._version = 0

    async def play(self) -> None:
        """Go on from the present state of the case; a refusal ends its play and is recorded."""
        try:
            complaint = await self._begin()
            timeline = await self._timeline(complaint)
            plan, done = played_so_far(self._call.plan, timeline) if timeline else (self._call.plan, 0)
            for _ in range(done):
                self._context.step_done()
            await self._go_on(complaint, plan, done)
        except Rejected as refusal:
            self._context.problems[self._call.index] = str(refusal)

    async def _begin(self) -> Json:
        """Return the case, registered now or by an earlier run. One that is not in the journal is found by its key."""
        hotline, journal, call = self._context.hotline, self._context.journal, self._call
        number = journal.numbers.get(call.index)
        if number is None:
            agent = self._context.staff.named(call.owner)
            body = call.intake_of(journal.run)
            if body["channel"] == "phone":
                body["call_id"] = call_id(journal.run, call)
            complaint = await hotline.post("/complaints", body, by=agent, key=self._key)
            journal.note(call.index, complaint["number"])
        else:
            complaint = await hotline.get(f"/complaints/{number}")
        await self._report_calls(datetime.fromisoformat(complaint["registered_at"]))
        self._context.step_done()
        return complaint

    async def _report_calls(self, registered_at: datetime) -> None:
        """Report the calls of the case, and call a caller back who gave up; again, it changes nothing."""
        hotline, run, call = self._context.hotline, self._context.journal.run, self._call
        if calls := calls_of(run, call, registered_at):
            await hotline.post("/calls", {"items": calls}, by=EXCHANGE, key=f"{self._key}-calls")
        if missed := called_back(run, call):
            agent, result = self._context.staff.named(call.owner), {"reached": True, "note": "已致歉并解答。"}
            await hotline.post(f"/calls/{missed}/call-back", result, by=agent, key=f"{self._key}-call-back")

    async def _timeline(self, complaint: Json) -> list[Json]:
        """Return the steps that the read model knows. A step that it does not know is sent again, without harm."""
        if complaint["version"] == 1:
            return []
        try:
            return [item async for item in self._context.hotline.items(f"/complaints/{complaint['number']}/timeline")]
        except Rejected as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return []
            raise

    async def _go_on(self, complaint: Json, plan: Plan, done: int) -> None:
        lines = self._lines(plan, done)
        while lines:
            line = lines.pop(0)
            if isinstance(line, Pause):
                await self._wait(complaint["number"], line.until)
                continue
            await asyncio.sleep(self._moods.uniform(*THINKING_SECONDS))
            try:
                await self._act(complaint, line)
            except Rejected as refusal:
                if plan.if_late is None or not _too_late(refusal, line):
                    raise
                plan = plan.if_late
                lines = self._lines(plan, line.place - 1)
            else:
                self._context.step_done()

    def _lines(self, plan: Plan, done: int) -> list[Line | Pause]:
        """Return the steps after the first `done` ones."""
        lines = self._call.lines(plan, self._context.staff)
        return [line for line in lines if line.place > done or (isinstance(line, Pause) and line.place == done)]

    async def _act(self, complaint: Json, line: Line) -> None:
        path = f"/complaints/{complaint['number']}/actions/{line.action}"
        key = f"{self._key}-{line.place}-{line.action}"
        if line.wakes_after is None:
            linked = {"incident": self._context.journal.incident} if line.action == LINK else {}
            await self._post(path, line.body | linked, line.person, key)
            return
        registered_at = datetime.fromisoformat(complaint["registered_at"])
        for times in itertools.count(1):
            # Each wake date has its key: what was sent before an outage can be sent again word for word.
            wake_at = registered_at + times * timedelta(seconds=line.wakes_after)
            body = {**line.body, "wake_at": wake_at.isoformat()}
            try:
                await self._post(path, body, line.person, f"{key}-{times}")
            except Rejected as refusal:
                if refusal.slug != WAKE_AT_PAST:
                    raise
            else:
                return

    async def _post(self, path: str, body: Json, by: Person, key: str) -> None:
        self._version = (await self._context.hotline.post(path, body, by=by, key=key))["version"]

    async def _wait(self, number: str, until: Wait) -> None:
        """Wait until the read model shows that the time has come."""
        while True:
            complaint = await self._context.hotline.get(f"/complaints/{number}")
            if complaint["version"] >= self._version and not _is_ahead(until, complaint):
                return
            await asyncio.sleep(LOOK_EVERY_SECONDS)


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


def _too_late(refusal: Rejected, line: Line) -> bool:
    """Return True if time alone is the reason: a limit has passed, or the case has ended for good."""
    return refusal.slug in TOO_LATE or (refusal.slug == OUT_OF_TURN and line.action in AFTER_THE_END)
