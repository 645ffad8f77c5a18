"""Workflows that do not go on: cases, by SQL and Temporal, and then the others."""

from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import partial

from sqlalchemy import Engine

from activities.poller import now
from activities.projection import read
from activities.recovery.case_workflows import CaseWorkflows
from activities.recovery.watched import Watched
from readmodel import recovery


class StuckWorkflows:
    """Workflows of the service that do not go on.

    Args:
        engine: engine of the read model, to read.
        workflows: list of the workflows of cases, and of all others.
    """

    def __init__(self, engine: Engine, workflows: CaseWorkflows) -> None:
        self._engine = engine
        self._workflows = workflows
        self._left = Watched()  # cases whose due times no column of SQL has

    @property
    def unreadable(self) -> dict[str, str]:
        return self._workflows.others.unreadable

    async def look(self, due_before: datetime, silent: AbstractSet[str], told: AbstractSet[str]) -> list[str]:
        """Return the numbers of cases, those that SQL has first, and then the ids of others.

        Args:
            due_before: instant before which whatever fell due must have been noticed.
            silent: cases that do not publish what they were told to.
            told: cases that are reported as lost or paused.
        """
        listed, in_sql = set[str](), set[str]()
        async for chunk in self._workflows.stuck():
            listed |= chunk.keys()
            in_sql |= (await read(self._engine, partial(recovery.held, numbers=chunk.keys()))).keys()
        # If somebody else has answered for it, a case waits for years for its timer, or to publish.
        late = await read(self._engine, partial(recovery.late_cases, due_before=due_before))
        late |= {*await self._left.ask_again(partial(self._stands_still, due_before))}
        cases = sorted(listed | silent | (late - told), key=lambda each: (each in listed - in_sql, each))
        return [*cases, *await self._workflows.others.stuck(self._engine, due_before)]

    async def sweep(self, due_before: datetime, closed_at: datetime | None) -> None:
        """Look for those that no list shows. With an instant, closed cases count to which something can happen then."""
        await self._workflows.others.sweep(self._engine, due_before)
        for number in await read(self._engine, partial(recovery.sleeping_cases, closed_at=closed_at)):
            if await self._stands_still(due_before, number):
                self._left.add(number)

    async def _stands_still(self, due_before: datetime, number: str) -> bool:
        left = await self._workflows.has_left_task(number)
        if left is None:  # an open case that does not run is reported as lost
            return await read(self._engine, partial(recovery.is_active, number=number, at=now()))
        return left or await read(self._engine, partial(recovery.oversleeps, number=number, at=due_before))
