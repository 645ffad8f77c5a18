"""Runner of workflow code, and care for workers whose tasks cannot be decoded."""

import logging
from inspect import signature
from typing import Any

from google.protobuf.message import DecodeError
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.sealing.envelope import NOT_SEALED
from activities.sealing.stamps import ASKED, Run, UndecidedError, asked_for, check_answer, present_run

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
                if job.HasField("initialize_workflow") and det.info.cron_schedule:
                    # If the run failed, another would begin, and it would count as one that goes on.
                    raise UndecidedError("somebody else has started it, by a cron schedule")
                _have_checked(job, takes_message=takes_message)
                if job.HasField("resolve_activity"):
                    check_answer(job.resolve_activity, run)
                if ASKED in (query := job.query_workflow).headers:
                    header = query.headers[ASKED]
                    header.data = asked_for(header.data, query.arguments, det.info.run_id).encode()
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


log = logging.getLogger("hotline.worker")


def with_all_decoded(worker: Worker) -> Worker:
    """Return the worker, made to fail a task that it cannot decode, and to go on with all others.

    Temporal takes a failure with so many nested causes that the SDK's Python does not decode it. Whoever answers an
    activity so would end this worker, and each that gets the task after it. The SDK has no setting for it.
    """
    bridge = worker._bridge_worker  # noqa: SLF001 - see above

    async def poll() -> WorkflowActivation:
        while True:
            sent = await bridge._ref.poll_workflow_activation()  # noqa: SLF001 - as above
            try:
                return WorkflowActivation.FromString(sent)
            except DecodeError:
                # The first field is the id of the run: a mark, its length, and as many bytes.
                failed = WorkflowActivationCompletion(run_id=WorkflowActivation.FromString(sent[: 2 + sent[1]]).run_id)
            log.error("a task of the run %s cannot be decoded", failed.run_id)
            failed.failed.failure.message = "The task cannot be decoded."
            await bridge.complete_workflow_activation(failed)

    bridge.poll_workflow_activation = poll  # type: ignore[method-assign]
    return worker
