"""Runner of workflow code."""

from inspect import signature
from typing import Any

from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.sealing.envelope import NOT_SEALED
from activities.sealing.stamps import Run, check_answer, present_run

PASSED_THROUGH = ("activities", "domain", "pydantic", "readmodel")
"""Packages that are loaded once for all runs, beside what workflows import as `imports_passed_through`."""


class _Runner(UnsandboxedWorkflowRunner):
    """Runner that says of which run payloads are decoded: `workflow.info()` is not known for starts and results."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = super().create_instance(det)
        activate, run = instance.activate, Run(det.info, det.randomness_seed, [])
        _, *parameters = signature(det.defn.run_fn).parameters.values()
        takes_message = any(each.default is each.empty for each in parameters)

        def activate_known(act: Any) -> Any:  # noqa: ANN401 - messages of the SDK's core
            for job in act.jobs:
                _have_checked(job, takes_message=takes_message)
                if job.HasField("resolve_activity"):
                    check_answer(job.resolve_activity, run)
            token = present_run.set(run)
            try:
                return activate(act)
            finally:
                present_run.reset(token)

        instance.activate = activate_known  # type: ignore[method-assign]
        return instance


def _have_checked(job: Any, *, takes_message: bool) -> None:  # noqa: ANN401 - as above
    """Give a start or an update without arguments one that nobody has sealed: nothing else would be checked."""
    if job.HasField("do_update") and not job.do_update.input:
        job.do_update.input.append(NOT_SEALED)
    elif takes_message and job.HasField("initialize_workflow") and not job.initialize_workflow.arguments:
        job.initialize_workflow.arguments.append(NOT_SEALED)


def runner(*, sandbox: bool) -> WorkflowRunner:
    """Return the runner of worker and replay. `sandbox`: load the workflow's module anew for every run."""
    if not sandbox:
        return _Runner()
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions, _Runner)
