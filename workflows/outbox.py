"""What a case has yet to publish, and its publication: one batch at a time, so that SQL sees its versions in order."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial

from temporalio import workflow
from temporalio.common import RetryPolicy

from activities.projection import Projection
from domain.case.batch import ProjectionBatch
from domain.case.case import Case
from domain.case.events import Event

PUBLISH_TIMEOUT = timedelta(seconds=5)
"""One try at writing a batch. A worker that died with it is found out this late."""
PUBLISH_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
"""For ever: while SQL is down, the case goes on and its events wait."""


class Outbox:
    """The events of one case that SQL may not have yet.

    Args:
        published: the version that was published before.
    """

    def __init__(self, published: int) -> None:
        self.published = published
        self._events: list[Event] = []
        self._publishing: asyncio.Future[None] | None = None
        self._lent = 0

    def __bool__(self) -> bool:
        return bool(self._events)

    def add(self, events: Iterable[Event]) -> None:
        """They are to be published."""
        self._events.extend(events)

    def lend(self, case: Case) -> ProjectionBatch:
        """Let another write them; they stay here until something more happens, or `take_back`."""
        self._lent = case.version
        return self._batch(case)

    def take_back(self) -> None:
        """Publish what was lent after all."""
        self._lent = 0

    def news(self) -> bool:
        """A publication is done, and nobody has looked."""
        return self._publishing is not None and self._publishing.done()

    def idle(self) -> bool:
        """Nothing waits, and nothing is under way."""
        return not self._events and self._publishing is None

    def publish(self, case: Case, may_begin: Callable[[], bool]) -> None:
        """Let go of a publication that is done, and begin the next where there is something, and it may.

        Raises ActivityError where it was refused for good.
        """
        if self._publishing and self._publishing.done():
            self._publishing.result()
            self._publishing = None
        if self._publishing or not self._events or self._events[-1].seq == self._lent or not may_begin():
            return
        send = partial(
            workflow.start_activity_method,
            Projection.publish,
            self._batch(case),
            start_to_close_timeout=PUBLISH_TIMEOUT,
            retry_policy=PUBLISH_RETRY,
            summary=f"{self._events[-1].action} → v{case.version}",
        )
        # A task of its own asks for it after all that the present one asks for.
        self._publishing = asyncio.create_task(_result_of(send))
        self.published = case.version
        self._events.clear()

    def _batch(self, case: Case) -> ProjectionBatch:
        return ProjectionBatch(
            number=case.number,
            since_version=self.published,
            sla=case.sla,
            overdue=case.overdue,
            next_due_at=case.next_due(),
            priority=case.terms.priority if case.catalogue_change else None,
            case=case.model_copy(),
            events=tuple(self._events),
        )


async def _result_of(send: Callable[[], Awaitable[None]]) -> None:
    await send()
