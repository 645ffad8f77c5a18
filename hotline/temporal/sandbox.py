"""Runner of workflow code."""

from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = ("activities", "domain", "pydantic", "readmodel")
"""Packages that are loaded once for all runs, beside what workflows import as `imports_passed_through`."""


def runner(*, sandbox: bool) -> WorkflowRunner:
    """Return the runner of worker and replay. `sandbox`: load the workflow's module anew for every run."""
    if not sandbox:
        return UnsandboxedWorkflowRunner()
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)
