"""Tasks of workflows that cannot be decoded: they must not end the worker."""

import logging

from google.protobuf.message import DecodeError
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import Worker

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
