"""The workflow of every type that this release does not have."""

from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from activities.sealing.stamps import UndecidedError


@workflow.defn(dynamic=True)
class UnknownWorkflow:
    """Workflow that waits for a release that has its type. One that the service has not started fails before `run`."""

    @workflow.run
    async def run(self, arguments: Sequence[RawValue]) -> None:  # noqa: ARG002 - as the SDK wants it
        """Fail the task, which is tried again."""
        raise UndecidedError(f"this release has no {workflow.info().workflow_type}")
