"""The reconciler: compares cases in Temporal with SQL, has SQL repaired, and reports cases whose workflow is lost.

Temporal tells by the search attribute `ChangedAt` when a case changed last, and SQL by the column `changed_at`. If SQL
has an earlier one, or lacks events, there are two reasons:

- SQL never had the change, as its sender died before it wrote. The case gets the signal `publish`; people are notified.
- SQL had the change and lost it, as after a restore. The case is written from its history, and the notifications of
  what was lost count as sent.

The second is certain if the change is not later than `in_sql_until`, up to which SQL once had every change. Otherwise
the signal comes first, and if it does not help, the case is written from its history (`hotline.recovery.rebuild`).
"""

import asyncio
import logging
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.cases import Projection, read
from activities.poller import PollerRun, RunOverError, now, poller_run
from activities.recovery.case_workflows import CHUNK, IS_OVER, CaseRun, CaseWorkflows
from activities.recovery.report import MOST_REPORTED, ReconcilerReport, is_ahead
from activities.recovery.stuck import ForeignRuns, StuckWorkflows
from activities.run_status import IS_PAUSED, NOT_OVER, UnreadableError, is_lost
from readmodel import recovery
from readmodel.projection import DivergedError, NotRegisteredError
from readmodel.recovery import CaseRow, Lost
from readmodel.writer import GroupWriter

logger = logging.getLogger(__name__)

OVERLAP = timedelta(seconds=90)
"""Time by which a comparison goes back behind the latest change that was listed. Changes appear in Temporal's list in
any order, and a registration is dated by an API process, whose clock may be off by a minute. One every 30 s lists each
change three times."""
LONGEST_LAG = timedelta(minutes=5)
"""Time by which the list lags behind at most, while it answers and shows nothing new; Temporal retries in seconds."""
STUCK_AFTER = timedelta(minutes=5)
"""Time after which a case counts as stuck that does not notice a due time or its incident's end, or publish."""
FIRST_OVERLAP = timedelta(hours=48)
"""OVERLAP of the first comparison of a worker: what happened while none ran."""
GRACE = timedelta(seconds=5)
"""Time after a change, or after the signal `publish`, before the reconciler acts."""
SWEEP_EVERY = timedelta(hours=1)
SWEEP_ENDED_EVERY = timedelta(days=1)
"""Time between two sweeps that compare ended cases as well."""
PAUSE_SECONDS = 0.2
"""Pause of a sweep after each chunk, for other work; that of a comparison is half as long."""
RETRY_SECONDS = 5.0
"""Pause after a comparison or sweep that failed."""
FAILURES_REPORTED = 4
"""Failures in a row after which they are reported."""


class Repairs(NamedTuple):
    """Writers of what SQL lacks, from histories.

    `case` writes the case of this number; SQL once had every change up to this instant. It returns False if something
    is left that the case publishes by itself. It raises DivergedError if SQL has other events than Temporal,
    NotRegisteredError if the history has not all that it takes, UnreadableError if it cannot be read.

    `others` does the same for incidents, and ends handovers that Temporal does not run; it returns their number.
    """

    case: Callable[[str, datetime | None], Awaitable[bool]]
    others: Callable[[], Awaitable[int]]


class _Signalled(NamedTuple):
    """A case that was signalled to publish, when, and how long it has for it."""

    seen: CaseRun
    at: datetime
    pause: timedelta


class Reconciler:
    """The activity `reconcile`, with so many seconds between two comparisons; its workflow runs one at a time.

    `engine` reads, `writer` marks lost cases, and `projection` tells cases to publish.
    """

    def __init__(
        self,
        writer: GroupWriter,
        projection: Projection,
        engine: Engine,
        workflows: CaseWorkflows,
        repairs: Repairs,
        every_seconds: float,
    ) -> None:
        self._writer = writer
        self._projection = projection
        self._engine = engine
        self._workflows = workflows
        self._stuck_workflows = StuckWorkflows(engine, workflows)
        self._repairs = repairs
        self._every = every_seconds
        self._latest: datetime | None = None
        self._unswept_since: datetime | None = None
        self._swept_at: datetime | None = None
        self._swept_ended_at: datetime | None = None
        self._in_sql_until: datetime | None = None
        self._newest: tuple[datetime, str] | None = None  # the newest change that SQL was seen to have, and its case
        self._loss_seen_at: datetime | None = None
        self._signalled: dict[str, _Signalled] = {}
        self._behind: dict[str, datetime] = {}  # from when on SQL may lack changes of a case
        self._incomplete: dict[str, CaseRow] = {}
        self._lost: dict[str, Lost] = {}
        self._diverged, self._paused, self._stuck = set[str](), set[str](), list[str]()
        self._foreign = ForeignRuns(workflows, repairs.case)
        self._not_begun: dict[str, str] = {}
        self._ended: dict[str, str] = {}  # SQL shows them as over
        self._unreadable: dict[str, str] = {}  # by their histories
        self._unreadable_rows: dict[str, str] = {}
        self._done = Counter[str]()
        # Of comparisons and of sweeps: the types of the last errors in a row.
        self._failures = defaultdict[str, deque[str]](lambda: deque(maxlen=FAILURES_REPORTED))
        self._sweeping = False

    @activity.defn(name="reconcile")
    async def reconcile(self, before: ReconcilerReport) -> ReconcilerReport:
        """Compare until the run ends, the worker stops or the lost cases change, and sweep beside; return the report.

        While SQL or Temporal does not answer, it waits; the next comparison sees what was missed meanwhile. `before` is
        the report of the last run.
        """
        # The heartbeat is that of the attempt before, whose worker died.
        beats = activity.info().heartbeat_details[1:]
        reports = [before, *map(ReconcilerReport.model_validate, beats)]
        known = [self._in_sql_until, *(each.in_sql_until for each in reports)]
        self._in_sql_until = max(filter(None, known), default=None)
        # A worker that begins has an hour for its first sweep, however long none ran; not if the one before it died.
        begun_at = None if beats else now() - SWEEP_EVERY
        known = [self._unswept_since or begun_at, *(each.unswept_since for each in reports)]
        self._unswept_since = max(filter(None, known), default=now() - SWEEP_EVERY)
        self._done.clear()
        lost = dict(self._lost)
        async with poller_run() as current:
            current.details = (self._report(),)

            def goes_on() -> bool:
                # What a comparison finds lost during a sweep is reported with what the sweep finds.
                return not current.is_over and (self._sweeping or self._lost == lost)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._repeat("comparison", self._compare_recent, current, goes_on))
                tasks.create_task(self._repeat("sweep", self._sweep_if_due, current, goes_on))
        return self._report()

    async def _repeat(
        self, name: str, work: Callable[[PollerRun], Awaitable[None]], current: PollerRun, goes_on: Callable[[], bool]
    ) -> None:
        """Do the work again and again. A fault is reported if it lasts: Temporal shows a new search attribute late."""
        while goes_on():
            try:
                with suppress(RunOverError):
                    await work(current)
            except (SQLAlchemyError, RPCError, TimeoutError, ApplicationError) as error:
                logger.warning("cases cannot be compared: %s", error)
                self._failures[name].append(type(error).__name__)
            else:
                self._failures[name].clear()
            current.details = (self._report(),)
            await current.wait(min(self._every, RETRY_SECONDS) if self._failures[name] else self._every)

    async def _sweep_if_due(self, current: PollerRun) -> None:
        if self._is_due(self._swept_at, SWEEP_EVERY):
            self._sweeping = True
            try:
                await self._sweep(current)
            finally:
                self._sweeping = False

    def _is_due(self, last: datetime | None, every: timedelta) -> bool:
        return last is None or self._loss_seen_at is not None or abs(now() - last) >= every

    async def _compare_recent(self, current: PollerRun) -> None:
        """Compare what has changed since the last time, and what was signalled to publish. Raises RunOverError."""
        began_at = now()
        await self._notice_loss()
        # Earlier than now, even if the clock was set back.
        since = min(self._latest, began_at) - OVERLAP if self._latest else began_at - FIRST_OVERLAP
        latest = since
        async for chunk in self._workflows.changed_since(since, began_at):
            await self._compare(chunk)
            await current.pause(PAUSE_SECONDS / 2)
            latest = max([latest, *(seen.changed_at for seen in chunk.values() if seen.changed_at <= began_at)])
        await self._compare({number: signalled.seen for number, signalled in self._signalled.items()})
        self._paused = {number async for chunk in self._workflows.chunks(IS_PAUSED) for number in chunk}
        if not self._sweeping:  # a rebuild removes marks
            self._lost = await read(self._engine, recovery.lost_cases)
        silent = {number for number, signalled in self._signalled.items() if signalled.pause > STUCK_AFTER}
        silent |= {*await self._foreign.numbers()}
        reported = self._lost.keys() | self._paused
        self._stuck = await self._stuck_workflows.find(began_at - STUCK_AFTER, silent, reported)
        # Not the present: the list may lag behind.
        self._latest = max(latest, self._latest or latest)
        # Only the first sweep sees what changed before the first one. What changed just now may be listed later, and a
        # case that is behind lacks its first missing change.
        if self._swept_at:
            missing = (first_missing - timedelta(milliseconds=1) for first_missing in self._behind.values())
            listed = max(self._latest - OVERLAP, began_at - LONGEST_LAG)
            until = min([listed, began_at - OVERLAP, *missing])
            self._in_sql_until = max(until, self._in_sql_until or until)

    async def _notice_loss(self) -> None:
        """Have one sweep begin if SQL has lost the newest change, as after a restore under a live worker."""
        if self._newest is None:
            return
        changed_at, number = self._newest
        found = (await read(self._engine, partial(recovery.held, numbers=[number]))).get(number)
        if found is None or found.changed_at < changed_at:
            self._newest, self._loss_seen_at = None, now()

    def _report(self) -> ReconcilerReport:
        others = self._workflows.others.unreadable
        return ReconcilerReport(
            **self._done,
            unswept_since=self._unswept_since,
            lost=dict(islice(self._lost.items(), MOST_REPORTED)),
            lost_count=len(self._lost),
            paused=sorted(self._paused)[:MOST_REPORTED],
            paused_count=len(self._paused),
            stuck=self._stuck[:MOST_REPORTED],
            stuck_count=len(self._stuck),
            not_begun=dict(islice((self._not_begun | self._ended).items(), MOST_REPORTED)),
            unreadable=dict(islice((self._unreadable | self._unreadable_rows | others).items(), MOST_REPORTED)),
            fault=next((errors[-1] for errors in self._failures.values() if len(errors) == FAILURES_REPORTED), None),
            in_sql_until=self._in_sql_until,
        )

    async def _compare(self, chunk: Mapping[str, CaseRun]) -> None:
        """Have SQL repaired where it is behind or lacks events."""
        if is_ahead(self._in_sql_until, now()):
            self._in_sql_until = None
        held = await read(self._engine, partial(recovery.held, numbers=chunk.keys()))
        self._done["compared"] += len(chunk)
        for number, seen in chunk.items():
            found = held.get(number)
            if found and not found.is_whole:
                # Once, as Temporal may not have the events that SQL has lost any more either.
                if self._incomplete.get(number) != found:
                    self._incomplete[number] = found
                    await self._write(number, seen, found)
            elif found and found.changed_at >= seen.changed_at:
                self._newest = max(self._newest or (found.changed_at, number), (found.changed_at, number))
                self._forget(number)
                is_behind = not seen.is_over and not found.is_open and seen.changed_at < found.changed_at
                # The list may lag behind: the case is asked itself.
                live = await self._workflows.get(number) if is_behind else None
                if live and live.changed_at < found.changed_at:
                    self._ended[number] = await self._workflows.terminate(number, live.run_id)
                self._incomplete.pop(number, None)
                if not seen.is_over and seen.is_put_off:
                    await self._foreign.check(number, seen.run_id, self._in_sql_until)
            else:
                self._behind.setdefault(number, found.changed_at if found else seen.started_at - OVERLAP)
                if abs(now() - seen.changed_at) >= GRACE:  # in the future, if the clock was set back
                    await self._catch_up(number, seen, found)
        # The run before a reset may have changes that SQL never had, and that the present one does not publish.
        ended = {number: seen.changes for number, seen in chunk.items() if seen.changes and number not in self._behind}
        for number in await read(self._engine, partial(recovery.lacking, changes=ended)) if ended else ():
            await self._write(number, chunk[number], held.get(number))

    def _forget(self, number: str) -> None:
        """Expect nothing of the case any more."""
        for expected in (self._signalled, self._behind, self._not_begun, self._unreadable):
            expected.pop(number, None)

    async def _catch_up(self, number: str, seen: CaseRun, found: CaseRow | None) -> None:
        """Signal the case to publish what SQL never had; if that does not help, write it from its history.

        One that has ended cannot publish, and does not remember what SQL has lost: it is written at once. What is
        written then, and which notifications count as sent, `hotline.recovery.rebuild` decides.
        """
        was_in_sql = self._in_sql_until is not None and seen.changed_at <= self._in_sql_until
        signalled = self._signalled.get(number)
        if was_in_sql or seen.is_over:
            await self._write(number, seen, found)
        elif signalled is None or signalled.seen.changed_at != seen.changed_at:
            self._signalled[number] = _Signalled(seen, now(), GRACE)
            await self._projection.signal_publish(number)
            self._done["published"] += 1
        elif abs(now() - signalled.at) >= signalled.pause:
            # Each try adds a signal to the history of a case that cannot publish.
            self._signalled[number] = _Signalled(seen, now(), min(2 * signalled.pause, SWEEP_EVERY))
            await self._write(number, seen, found)

    async def _write(self, number: str, seen: CaseRun, found: CaseRow | None) -> None:
        """Write the case from its history. One that cannot be written is tried again by the next sweep."""
        try:
            if await self._repairs.case(number, self._in_sql_until):
                self._done["repaired"] += 1
                self._forget(number)
            else:  # it was signalled to publish the rest
                self._signalled.setdefault(number, _Signalled(seen, now(), GRACE))
        except DivergedError:
            self._forget(number)
            if found and not found.is_open:
                self._ended[number] = await self._workflows.terminate(number, seen.run_id)
                return
            self._diverged.add(number)
            await self._writer.run(partial(recovery.mark, reasons={number: "reset"}))
        except NotRegisteredError as error:
            self._forget(number)
            logger.warning("a case cannot be written: %s", error)
        except UnreadableError as error:
            logger.warning("case %s cannot be written from its history: %s", number, error)
            if found:
                self._unreadable[number] = f"history: {type(error).__name__}"
            else:
                self._forget(number)
                self._not_begun[number] = type(error).__name__

    async def _sweep(self, current: PollerRun) -> None:
        """Compare every open case, in SQL and in Temporal, and mark those whose workflow is lost.

        The first sweep, one a day, and one after a loss in SQL compare the cases that have ended as well. Raises
        RunOverError.
        """
        began_at, loss_seen_at = now(), self._loss_seen_at
        self._not_begun.clear()
        # First, as calls are linked to the incidents that SQL has.
        self._done["repaired"] += await self._repairs.others()
        ended_too = self._is_due(self._swept_ended_at, SWEEP_ENDED_EVERY)
        running = await self._compare_all(self._workflows.chunks(NOT_OVER), current)
        pause = partial(current.pause, PAUSE_SECONDS)
        await self._stuck_workflows.sweep(began_at - STUCK_AFTER, began_at if ended_too else None, pause)
        if ended_too:
            await self._compare_all(self._workflows.chunks(IS_OVER), current)
            self._swept_ended_at = began_at
        # Neither store shows by its last change what only the run before a reset has.
        for number, known in (await read(self._engine, partial(recovery.held, numbers=self._diverged))).items():
            self._diverged.discard(number)
            if known.is_open and (seen := await self._workflows.get(number)):
                await self._write(number, seen, known)
        lost = await self._find_lost(running, current)
        self._lost = await read(self._engine, recovery.lost_cases)
        back = self._lost.keys() - lost.keys() - self._diverged
        await self._writer.run(partial(recovery.mark, reasons=dict.fromkeys(back)))
        self._lost = {number: why for number, why in self._lost.items() if number not in back}
        self._swept_at = self._unswept_since = began_at
        if self._loss_seen_at == loss_seen_at:  # no further loss during the sweep
            self._loss_seen_at = None

    async def _find_lost(self, running: Mapping[str, datetime], current: PollerRun) -> dict[str, Lost]:
        """Mark and return open cases of SQL whose workflow is lost; note the unreadable. Raises RunOverError."""
        lost, unreadable, after = dict[str, Lost](), dict[str, str](), ""
        while held := await read(self._engine, partial(recovery.open_cases, after=after, limit=CHUNK)):
            after = max(held)
            # The list may lag behind: a case is asked itself before it is reported.
            unlisted = {number: at for number, at in held.items() if number not in running or running[number] < at}
            found = {number: why for number, at in unlisted.items() if (why := await self._loss(number, at))}
            # At once: a rebuild may start them again before the end of the sweep, and remove the mark.
            await self._writer.run(partial(recovery.mark, reasons=found))
            # It may have done so between the look and the mark.
            lost |= {number: why for number in found if (why := await self._loss(number, held[number]))}
            unreadable |= await read(self._engine, partial(recovery.unreadable, numbers=[*held]))
            await current.pause(PAUSE_SECONDS)
        self._unreadable_rows = unreadable
        return lost

    async def _compare_all(self, chunks: AsyncIterator[dict[str, CaseRun]], current: PollerRun) -> dict[str, datetime]:
        """Pause between chunks; return when each case changed last. Raises RunOverError."""
        changed: dict[str, datetime] = {}
        async for chunk in chunks:
            await self._compare(chunk)
            changed |= {number: seen.changed_at for number, seen in chunk.items()}
            await current.pause(PAUSE_SECONDS)
        return changed

    async def _loss(self, number: str, changed_at: datetime) -> Lost | None:
        """None if the workflow of an open case runs, or has completed, which is written to SQL.

        A case that is open nevertheless was completed by somebody else's worker.
        """
        seen = await self._workflows.get(number)
        if seen is None:
            return "missing"
        if is_lost(seen.status):
            return "ended"
        if seen.is_over:
            await self._catch_up(number, seen, None)
            held = await read(self._engine, partial(recovery.held, numbers=[number]))
            return "ended" if held[number].is_open else None
        return "reset" if seen.changed_at < changed_at else None
