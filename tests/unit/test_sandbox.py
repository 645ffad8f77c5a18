"""The sandbox's runner leaves out visits to payloads only while nothing is to change them."""

from collections.abc import Sequence

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.bridge import worker as bridge
from temporalio.bridge.proto.workflow_activation import InitializeWorkflow, WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import CompleteWorkflowExecution, WorkflowCommand
from temporalio.bridge.proto.workflow_completion import Success, WorkflowActivationCompletion
from temporalio.converter import DataConverter, PayloadCodec

from hotline.temporal.sandbox import runner
from tests.support.sealing import DATA_CONVERTER

pytestmark = pytest.mark.asyncio


class Backwards(PayloadCodec):
    """A codec that writes everything from back to front."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata=each.metadata, data=each.data[::-1]) for each in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await self.encode(payloads)


CODED = DataConverter(payload_codec=Backwards())


@pytest.mark.parametrize(("converter", "expected"), [(DATA_CONVERTER, b"abc"), (CODED, b"cba")])
async def test_a_codec_is_applied_both_ways_and_without_one_payloads_stay(
    converter: DataConverter, expected: bytes
) -> None:
    runner(sandbox=True)
    start = InitializeWorkflow(arguments=[Payload(data=b"abc")])
    activation = WorkflowActivation(jobs=[WorkflowActivationJob(initialize_workflow=start)])
    await bridge.decode_activation(activation, converter, decode_headers=False, storage_concurrency_limit=1)
    assert activation.jobs[0].initialize_workflow.arguments[0].data == expected
    ended = WorkflowCommand(complete_workflow_execution=CompleteWorkflowExecution(result=Payload(data=b"abc")))
    completion = WorkflowActivationCompletion(successful=Success(commands=[ended]))
    await bridge.encode_completion(completion, converter, encode_headers=False, storage_concurrency_limit=1)
    assert completion.successful.commands[0].complete_workflow_execution.result.data == expected
