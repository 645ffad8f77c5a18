"""Throttle of work on many cases: it waits while people act on a case, or the API of this machine serves them."""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from domain.case.intake import Registration
from domain.kit.event import Command
from domain.shared.actors import Role

QUIET_SECONDS = 0.15
"""Time after somebody's last action until work on many cases goes on: a dispatch often follows a call at once."""
LONGEST_SECONDS = 1.0
"""Longest wait, if people act all the time."""
_NOTE_ACTION = "note_action"


class BulkThrottle(Interceptor):
    """Interceptor of a worker that notes when people register a case or send a command, also by another machine's API.

    Args:
        serves_people: returns True while the API of this machine serves people, which it knows earlier.
        clock: returns the present time in seconds.
    """

    def __init__(
        self, serves_people: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._serves_people = serves_people
        self._clock = clock
        self._acted_at = self._free_until = -math.inf

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002 - the SDK's name
        input.unsafe_extern_functions[_NOTE_ACTION] = self.note_action
        return _ThrottleInbound

    def note_action(self) -> None:
        self._acted_at = self._clock()

    async def wait(self) -> None:
        """Wait until nobody has acted for `QUIET_SECONDS`, at most `LONGEST_SECONDS`.

        After a wait of some time, calls of the same time return at once: work on many cases keeps half of the time.
        """
        now = began = self._clock()
        while self._free_until <= now < min(self._quiet_at(), began + LONGEST_SECONDS):
            await asyncio.sleep(min(self._acted_at + QUIET_SECONDS, began + LONGEST_SECONDS) - now)
            now = self._clock()
        self._free_until = max(self._free_until, now + (now - began))

    def _quiet_at(self) -> float:
        if self._serves_people():
            self.note_action()
        return self._acted_at + QUIET_SECONDS


class _ThrottleInbound(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - the SDK's names
        start = input.args[0] if input.args else None
        if isinstance(getattr(start, "source", None), Registration):
            _note_action()
        return await super().execute_workflow(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002, ANN401 - the SDK's names
        command = input.args[0] if input.args else None
        if isinstance(command, Command) and command.actor.role is not Role.SYSTEM:
            _note_action()
        return await super().handle_update_handler(input)


def _note_action() -> None:
    if not workflow.unsafe.is_replaying():
        workflow.extern_functions()[_NOTE_ACTION]()
