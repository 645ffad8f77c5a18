"""Runner of workflow code: the SDK's sandbox, without its visits to payloads that nothing is to change."""

from collections.abc import Callable, Coroutine
from typing import Any

from temporalio.bridge import worker as bridge
from temporalio.converter import DataConverter
from temporalio.converter._extstore import StorageOperationMetrics
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = ("activities", "domain", "pydantic", "readmodel")
"""Packages that are loaded once for all runs, beside what workflows import as `imports_passed_through`."""

_Visits = Callable[..., Coroutine[Any, Any, StorageOperationMetrics]]


def runner(*, sandbox: bool) -> WorkflowRunner:
    """Return the runner of worker and replay. `sandbox`: load the workflow's module anew for every run."""
    if not sandbox:
        return UnsandboxedWorkflowRunner()
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)


def _if_needed(visits: _Visits) -> _Visits:
    """Return the visits, left out if the data converter has neither a codec nor an external storage."""

    async def visit(message: Any, data_converter: DataConverter, **options: Any) -> StorageOperationMetrics:  # noqa: ANN401 - as the SDK's own
        if data_converter.payload_codec or data_converter.external_storage:
            return await visits(message, data_converter, **options)
        return StorageOperationMetrics()

    return visit


# For every workflow task the SDK finds every payload three times before it, and three times after it, to copy it as it
# is: a tenth of the time of a worker. It has no option for this.
bridge.decode_activation = _if_needed(bridge.decode_activation)
bridge.encode_completion = _if_needed(bridge.encode_completion)
