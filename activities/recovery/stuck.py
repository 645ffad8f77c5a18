"""Workflows that do not go on: cases, by SQL and Temporal, then the others; and runs of somebody else."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime
from functools import partial

from sqlalchemy import Engine

from activities.cases import read
from activities.poller import now
from activities.recovery.case_workflows import CHUNK, CaseWorkflows
from activities.recovery.other_workflows import WatchList, stuck_runs
from activities.run_status import ForeignError, UnreadableError
from readmodel import recovery
from readmodel.projection import DivergedError, NotRegisteredError

logger = logging.getLogger(__name__)


class StuckWorkflows:
    """Workflows of the service that do not go on."""

    def __init__(self, engine: Engine, workflows: CaseWorkflows) -> None:
        self._engine = engine
        self._workflows = workflows
        self._watched = WatchList()  # cases whose due times no column of SQL has

    async def find(self, due_before: datetime, silent: AbstractSet[str], reported: AbstractSet[str]) -> list[str]:
        """Numbers of cases, those that SQL has first, and then the ids of others.

        Whatever fell due before `due_before` must have been noticed. The `silent` do not publish after the signal for
        it; the `reported` are lost or paused.
        """
        listed, in_sql = set[str](), set[str]()
        async for chunk in self._workflows.chunks(stuck_runs()):
            listed |= chunk.keys()
            in_sql |= (await read(self._engine, partial(recovery.held, numbers=chunk.keys()))).keys()
        # If somebody else has answered for it, a case waits for years for its timer, or to publish.
        late = await read(self._engine, partial(recovery.late_cases, due_before=due_before))
        late |= {*await self._watched.ask_again(partial(self._is_stuck, due_before))}
        cases = sorted(listed | silent | (late - reported), key=lambda each: (each in listed - in_sql, each))
        return [*cases, *await self._workflows.others.stuck(self._engine, due_before)]

    async def sweep(
        self, due_before: datetime, ended_at: datetime | None, pause: Callable[[], Awaitable[None]]
    ) -> None:
        """Watch those that no list shows, with pauses; `ended_at` adds ended cases to which something can happen."""
        await self._workflows.others.sweep(self._engine, due_before)
        unchecked = sorted(await read(self._engine, partial(recovery.unchecked_cases, ended_at=ended_at)))
        for start in range(0, len(unchecked), CHUNK):
            for number in await self._stuck_among(due_before, unchecked[start : start + CHUNK]):
                self._watched.add(number)
            await pause()

    async def _is_stuck(self, due_before: datetime, number: str) -> bool:
        return bool(await self._stuck_among(due_before, [number]))

    async def _stuck_among(self, due_before: datetime, numbers: Sequence[str]) -> set[str]:
        left = {number: await self._workflows.has_left_task(number) for number in numbers}
        # An open case that does not run is reported as lost.
        without = [number for number, is_left in left.items() if is_left is None]
        active = await read(self._engine, partial(recovery.active, numbers=without, at=now())) if without else set()
        runs = [number for number, is_left in left.items() if is_left is False]
        late = await read(self._engine, partial(recovery.late_among, numbers=runs, at=due_before)) if runs else set()
        return {number for number, is_left in left.items() if is_left} | active | late


class ForeignRuns:
    """Cases whose present runs were put off, and that the service has not started: Temporal lists them as sound.

    `repair` is `Repairs.case`: it raises ForeignError for a case of somebody else.
    """

    def __init__(self, workflows: CaseWorkflows, repair: Callable[[str, datetime | None], Awaitable[bool]]) -> None:
        self._workflows = workflows
        self._repair = repair
        self._own = dict[str, str]()  # runs, by case
        self._watched = WatchList()

    async def check(self, number: str, run_id: str, until: datetime | None) -> None:
        """Read who has started a run that was put off. `until` is that of `repair`. Raises as `repair`."""
        if self._own.get(number) == run_id:
            return
        try:
            with suppress(DivergedError, NotRegisteredError):
                await self._repair(number, until)
            self._own[number] = run_id
        except ForeignError:
            self._watched.add(number)
        except UnreadableError as error:
            logger.warning("who has started case %s is not known: %s", number, error)

    async def numbers(self) -> list[str]:
        """List the cases that have such a run. Raises RPCError."""
        return await self._watched.ask_again(self._is_foreign)

    async def _is_foreign(self, number: str) -> bool:
        seen = await self._workflows.get(number)
        return seen is not None and not seen.is_over and seen.is_put_off and self._own.get(number) != seen.run_id
