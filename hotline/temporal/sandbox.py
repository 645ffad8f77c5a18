"""The runner of workflow code: the SDK's sandbox, without questions to it that this service does not need."""

from collections.abc import Sequence
from typing import Any

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
    return _WithoutContexts(SandboxedWorkflowRunner(restrictions=restrictions))


class _WithoutContexts(WorkflowRunner):
    """Answers the SDK's questions about payload contexts itself: a tenth of the work per case.

    For every payload the SDK asks the instance for its serialization context, which runs code inside the sandbox.
    Our data converter takes no context and stores nothing elsewhere; a converter that does must drop this class.
    """

    def __init__(self, inner: WorkflowRunner) -> None:
        self._inner = inner

    def prepare_workflow(self, defn: Any) -> None:  # noqa: ANN401 - the SDK's own private type, only passed on
        """Check the definition of a workflow."""
        self._inner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return an instance for one run."""
        return _Instance(self._inner.create_instance(det))

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """Pass the types on to the sandbox."""
        self._inner.set_worker_level_failure_exception_types(types)


class _Instance(WorkflowInstance):
    """A run that has no serialization context; all else is the sandbox's."""

    def __init__(self, inner: WorkflowInstance) -> None:
        self._inner = inner
        self._store = StorageDriverStoreContext(target=None)

    def activate(self, act: Any) -> Any:  # noqa: ANN401 - protobuf messages, only passed on
        return self._inner.activate(act)

    def get_serialization_context(self, command_info: object) -> None:  # noqa: ARG002 - there is none for any command
        return None

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:  # noqa: ARG002 - as above
        return self._store

    def get_info(self) -> Any:  # noqa: ANN401 - only passed on
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        return self._inner.get_thread_id()
