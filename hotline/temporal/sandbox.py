"""Runner of workflow code: the SDK's sandbox without a costly call for each payload."""

from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = ("activities", "domain", "pydantic", "readmodel")
"""Packages that are loaded once for all runs, beside what workflows import as `imports_passed_through`."""


def runner(*, sandbox: bool) -> WorkflowRunner:
    """Return the runner of worker and replay. `sandbox`: load the workflow's module anew for every run."""
    if not sandbox:
        return UnsandboxedWorkflowRunner()
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return _WithoutContexts(restrictions=restrictions)


class _WithoutContexts(SandboxedWorkflowRunner):
    """Sandbox that answers the SDK's questions about payload contexts itself: a tenth of the work per case.

    For every payload the SDK asks the instance for its serialization context, which runs code inside the sandbox.
    Our data converter takes no context and stores nothing elsewhere; a converter that does must drop this class.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return an instance for one run, whose own attributes take precedence over the methods of its class."""
        instance = super().create_instance(det)
        vars(instance).update(get_serialization_context=lambda _: None, get_external_store_context=lambda _: _NO_STORE)
        return instance


_NO_STORE = StorageDriverStoreContext(target=None)
