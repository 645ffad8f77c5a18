"""Updates and queries that an activity sends to many cases, and the writing of what they return."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.service import RPCError, RPCStatusCode

from activities.fan_out import GENTLE, Answers, Ask, Pace, fan_out
from activities.people_first import PeopleFirst
from activities.projection import SenderWriter

ANSWER_SECONDS = 8.0
"""Longest wait for a case; another worker takes over from one that died sooner."""


class _Linked(BaseModel):
    """Part of a case that tells its incident."""

    incident: str | None = None


class CaseUpdates:
    """Sender of the updates and queries of incidents, rollouts and handovers.

    Args:
        sender: writes the batches that cases return.
        people: whom work on many cases waits for.
        client: client that updates cases.
        workflow_id: returns the workflow id of a case's number.
    """

    def __init__(
        self, sender: SenderWriter, people: PeopleFirst, client: Client, workflow_id: Callable[[str], str]
    ) -> None:
        self._sender = sender
        self._people = people
        self._client = client
        self._workflow_id = workflow_id

    async def send(self, number: str, name: str, argument: Any, answer: type, once: str | None = None) -> Any:  # noqa: ANN401 - the update's own
        """Send an update; if one with the id `once` was sent before, return its answer.

        Raises:
            WorkflowUpdateFailedError, RPCError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError: as `fan_out`.
        """
        handle = self._client.get_workflow_handle(self._workflow_id(number))
        async with asyncio.timeout(ANSWER_SECONDS):
            return await handle.execute_update(name, argument, result_type=answer, id=once)

    async def is_linked(self, number: str, *incidents: str | None) -> bool:
        """Ask the case if it is linked to one of these; True also if it does not answer, False if there is none."""
        handle = self._client.get_workflow_handle(self._workflow_id(number))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                case: _Linked = await handle.query("case", result_type=_Linked)
        except RPCError as error:
            return error.status is not RPCStatusCode.NOT_FOUND
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError, TimeoutError):  # rejected: it is paused
            return True
        return case.incident in incidents

    async def for_each(self, numbers: Sequence[str], ask: Ask, pace: Pace = GENTLE) -> Answers:
        """Ask every case and write what they return; see `fan_out`."""
        return await fan_out(numbers, ask, self._sender.write_all, self._people, pace)
