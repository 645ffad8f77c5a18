"""The reconciler: compares cases in Temporal with SQL, has SQL repaired, and reports cases whose workflow is lost.

Temporal tells by the search attribute `ChangedAt` when a case changed last, and SQL by a column of that name. If SQL
has an earlier one, the case is told to publish what its sender did not write; if that does not help, for SQL has lost
rows that it had, the case is written anew from its history.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from pydantic import Field
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.case_workflows import CHUNK, CaseWorkflows, Seen
from activities.projection import SenderWriter, read
from activities.shift import Shift, now, shift
from domain.shared.value import Immutable
from readmodel import reconciliation
from readmodel.projection import DivergedError, NotRegisteredError
from readmodel.reconciliation import Lost
from readmodel.writer import GroupWriter

logger = logging.getLogger(__name__)

LOOK_BACK = timedelta(minutes=5)
"""Age of the changes that every look compares: longer than Temporal's list lags behind, or than clocks differ."""
FIRST_LOOK_BACK = timedelta(hours=48)
"""The same for the first look of a worker: what happened while none looked."""
GRACE = timedelta(seconds=5)
"""Age under which a change is left to its sender, who is about to write it."""
SWEEP_EVERY = timedelta(hours=1)
PAUSE_SECONDS = 0.2
"""Pause of a sweep after each chunk, so that callers come first."""
NAMED = 20
"""Lost cases that the report names."""
Repair = Callable[[str], Awaitable[None]]
"""Writes the case of this number from its history. Raises DivergedError if SQL has other events than Temporal."""


class Report(Immutable):
    """Work of the reconciler in its shift, and the lost cases of the last sweep, some by number."""

    compared: int = 0
    published: int = 0
    repaired: int = 0
    swept_at: datetime | None = None
    lost: dict[str, Lost] = Field(default={})
    lost_count: int = 0
    fault: str | None = Field(default=None, description="Why the last look failed; null if it did not.")

    def __str__(self) -> str:
        """Return the report as a line for the Temporal UI."""
        lost = ", ".join(f"{number} ({why})" for number, why in self.lost.items()) or "-"
        return (
            f"比对 compared {self.compared} · 补写 published {self.published} · 重建 repaired {self.repaired}"
            f" · 流程丢失 lost {self.lost_count}: {lost}"
        )


class Reconciler:
    """The activity `reconcile`; its workflow runs one at a time.

    Args:
        writer: group writer of the read model, for the marks of lost cases.
        sender: tells cases to publish.
        engine: engine of the read model, to read.
        workflows: list of the workflows of cases.
        repair: writes a case from its history.
        every_seconds: time between two looks.
    """

    def __init__(
        self,
        writer: GroupWriter,
        sender: SenderWriter,
        engine: Engine,
        workflows: CaseWorkflows,
        repair: Repair,
        every_seconds: float,
    ) -> None:
        self._writer = writer
        self._sender = sender
        self._engine = engine
        self._workflows = workflows
        self._repair = repair
        self._every = every_seconds
        self._look_back = FIRST_LOOK_BACK
        self._swept_at: datetime | None = None
        self._told: dict[str, datetime] = {}
        self._lost: dict[str, Lost] = {}
        self._diverged: set[str] = set()
        self._done = Counter[str]()

    @activity.defn(name="reconcile")
    async def reconcile(self) -> str:
        """Look until the shift ends, the worker stops or other cases are lost; return the report.

        While SQL or Temporal does not answer, it waits; the next look sees what was missed meanwhile.
        """
        self._done.clear()
        lost = dict(self._lost)
        async with shift() as current:
            while not current.is_over and self._lost == lost:
                current.details = (await self._look(current),)
                await current.rest(self._every)
        return str(self._report())

    async def _look(self, current: Shift) -> Report:
        try:
            began_at = now()
            async for chunk in self._workflows.changed_since(began_at - self._look_back):
                await self._compare(chunk)
            self._look_back = LOOK_BACK
            if self._swept_at is None or began_at - self._swept_at >= SWEEP_EVERY:
                await self._sweep(current)
                self._swept_at = began_at
        except (SQLAlchemyError, RPCError, TimeoutError, ApplicationError) as error:
            logger.warning("cases cannot be compared: %s", error)
            return self._report(type(error).__name__)
        return self._report()

    def _report(self, fault: str | None = None) -> Report:
        named = dict(islice(self._lost.items(), NAMED))
        return Report(**self._done, swept_at=self._swept_at, lost=named, lost_count=len(self._lost), fault=fault)

    async def _compare(self, chunk: Mapping[str, Seen]) -> None:
        """Have SQL repaired where it is behind."""
        known = await read(self._engine, partial(reconciliation.changed_at, numbers=chunk.keys()))
        self._done["compared"] += len(chunk)
        for number, seen in chunk.items():
            if number in known and known[number] >= seen.changed_at:
                self._told.pop(number, None)
                self._diverged.discard(number)
            elif abs(now() - seen.changed_at) >= GRACE:  # in the future, if the clock was set back
                await self._catch_up(number, seen)

    async def _catch_up(self, number: str, seen: Seen) -> None:
        """Tell the case to publish; if it has ended, or was told before, write it from its history."""
        if seen.runs and self._told.get(number) != seen.changed_at:
            self._told[number] = seen.changed_at
            await self._sender.tell_to_publish(number)
            self._done["published"] += 1
            return
        try:
            await self._repair(number)
        except DivergedError:
            self._diverged.add(number)
            self._lost[number] = "reset"
            await self._writer.run(partial(reconciliation.mark, reasons={number: "reset"}))
        except NotRegisteredError as error:
            logger.warning("a case cannot be written: %s", error)
        else:
            self._done["repaired"] += 1

    async def _sweep(self, current: Shift) -> None:
        """Compare every open case, in SQL and in Temporal, and mark those whose workflow is lost."""
        running: dict[str, Seen] = {}
        async for chunk in self._workflows.running():
            await self._compare(chunk)
            running |= chunk
            await current.rest(PAUSE_SECONDS)
        lost: dict[str, Lost] = dict.fromkeys(sorted(self._diverged), "reset")
        after = ""
        while held := await read(self._engine, partial(reconciliation.open_cases, after=after, limit=CHUNK)):
            after = max(held)
            for number, changed_at in held.items():
                # The list may lag behind: a case is asked itself before it is reported.
                if number not in running or running[number].changed_at < changed_at:
                    reason = await self._loss(number, changed_at)
                    lost |= {number: reason} if reason else {}
            await current.rest(PAUSE_SECONDS)
        before = await read(self._engine, reconciliation.lost_cases)
        await self._writer.run(partial(reconciliation.mark, reasons={**dict.fromkeys(before), **lost}))
        self._lost = lost

    async def _loss(self, number: str, changed_at: datetime) -> Lost | None:
        """Return how the workflow of an open case was lost; None if it runs, or has ended as SQL is to learn."""
        seen = await self._workflows.get(number)
        if seen is None:
            return "missing"
        if seen.status is WorkflowExecutionStatus.COMPLETED:
            await self._catch_up(number, seen)
            return None
        if not seen.runs:
            return "ended"
        return "reset" if seen.changed_at < changed_at else None
