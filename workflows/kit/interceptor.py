"""Interceptor of workers: details in the Temporal UI when somebody looks, malformed signals, and people who act."""

from collections.abc import Callable
from typing import Any

from temporalio import worker, workflow
from temporalio.api.sdk.v1 import WorkflowMetadata

from domain.case.actions.register import Registration
from domain.kit.event import Command
from domain.shared.actors import Role
from workflows.kit.entity import EntityWorkflow
from workflows.kit.words import WorkerNames

_NAMES, _NOTE_ACTION = "names_for_details", "note_action"


class EntityInterceptor(worker.Interceptor):
    """Interceptor of a worker that answers the query for a workflow's metadata with the details of its entity.

    Most changes nobody looks at. A query is in no history, so the details may name what the workflow does not know.

    Args:
        names: returns the names that the worker knows.
        note_action: is called when people register a case or send a command, also by another machine's API.
    """

    def __init__(self, names: Callable[[], WorkerNames], note_action: Callable[[], None]) -> None:
        self._functions = {_NAMES: names, _NOTE_ACTION: note_action}

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[worker.WorkflowInboundInterceptor]:
        input.unsafe_extern_functions.update(self._functions)
        return _EntityInbound


class _EntityInbound(worker.WorkflowInboundInterceptor):
    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - the SDK's names
        _note_action(isinstance(getattr(next(iter(input.args), None), "source", None), Registration))
        return await super().execute_workflow(input)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:  # noqa: A002, ANN401 - the SDK's names
        command = next(iter(input.args), None)
        _note_action(isinstance(command, Command) and command.actor.role is not Role.SYSTEM)
        return await super().handle_update_handler(input)

    async def handle_query(self, input: worker.HandleQueryInput) -> Any:  # noqa: A002, ANN401 - the SDK's names
        answer = await super().handle_query(input)
        if isinstance(answer, WorkflowMetadata) and isinstance(shown := workflow.instance(), EntityWorkflow):
            answer.current_details = shown.details(workflow.extern_functions()[_NAMES]())
        return answer

    async def handle_signal(self, input: worker.HandleSignalInput) -> None:  # noqa: A002 - the SDK's name
        # No signal takes more than one argument. Sent by hand with several, it would fail the task for ever.
        if len(input.args) <= 1:
            await super().handle_signal(input)


def _note_action(by_people: bool) -> None:
    if by_people and not workflow.unsafe.is_replaying():
        workflow.extern_functions()[_NOTE_ACTION]()
