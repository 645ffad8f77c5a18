"""Interceptor of workers: it makes the details in the Temporal UI when somebody looks, and drops malformed signals."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.worker import (
    HandleQueryInput,
    HandleSignalInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from workflows.kit.entity import EntityWorkflow
from workflows.kit.words import WorkerNames

_NAMES = "names_for_details"


class EntityInterceptor(Interceptor):
    """Interceptor of a worker that answers the query for a workflow's metadata with the details of its entity.

    Most changes nobody looks at. A query is in no history, so the details may name what the workflow does not know.
    """

    def __init__(self, names: Callable[[], WorkerNames]) -> None:
        self._names = names

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002 - the SDK's name
        input.unsafe_extern_functions[_NAMES] = self._names
        return _EntityInbound


class _EntityInbound(WorkflowInboundInterceptor):
    async def handle_query(self, input: HandleQueryInput) -> Any:  # noqa: A002, ANN401 - the SDK's names
        answer = await super().handle_query(input)
        if isinstance(answer, WorkflowMetadata) and isinstance(shown := workflow.instance(), EntityWorkflow):
            answer.current_details = shown.details(workflow.extern_functions()[_NAMES]())
        return answer

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - the SDK's name
        # No signal takes more than one argument. Sent by hand with several, it would fail the task for ever.
        if len(input.args) <= 1:
            await super().handle_signal(input)
