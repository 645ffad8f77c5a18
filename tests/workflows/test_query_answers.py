"""Answers to queries: none is taken but that to the same query, with these arguments, of the latest run."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest, QueryWorkflowResponse
from temporalio.service import RPCError, RPCStatusCode

from activities.run_status import UndecodableError, describe_run
from activities.sealing import interceptors
from activities.sealing.stamps import UndecidedError
from domain.case.actions.comment import Comment
from domain.shared.actors import CALLER
from tests.support.hotline import ADMIN, Hotline
from tests.support.lost import reset
from tests.workflows.test_forged_histories import on_queue
from tests.workflows.test_hijacked_tasks import ours
from tests.workflows.test_no_cases import nested
from tests.workflows.test_pretender import asked, told
from workflows.complaint.workflow import ComplaintWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")
Put = Callable[[QueryWorkflowRequest, QueryWorkflowRequest, str], object]
PUT: dict[str, Put] = {
    "as it was sent": lambda *_: None,
    "with the number of another": lambda query, other, _: query.query.header.CopyFrom(other.query.header),
    "without a number": lambda query, *_: query.query.ClearField("header"),
    "with other arguments": lambda query, other, _: query.query.query_args.CopyFrom(other.query.query_args),
    "without arguments": lambda query, *_: query.query.ClearField("query_args"),
    "to the run before": lambda query, _, before: setattr(query.execution, "run_id", before),
}
"""Changes that somebody else makes to a query before a worker of the service answers it."""


@pytest.mark.parametrize("put", PUT)
async def test_an_answer_is_to_one_query_with_these_arguments_of_the_latest_run(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch, put: str
) -> None:
    """Somebody takes the task of a query, asks otherwise, and passes on that answer."""
    client, service = hotline.client, hotline.client.workflow_service
    complaint = await hotline.start()
    await complaint.act(Comment(note="还没来"), ADMIN)
    before = str(complaint.handle.first_execution_run_id)
    await reset(client, complaint.handle.id)
    latest = client.get_workflow_handle(complaint.handle.id)
    sent, ask = list[QueryWorkflowRequest](), service.query_workflow

    async def asked_otherwise(query: QueryWorkflowRequest, **options: Any) -> QueryWorkflowResponse:
        sent.append(query)
        if len(sent) > 1:
            PUT[put](query, sent[0], before)
        return await ask(query, **options)

    await complaint.view()
    monkeypatch.setattr(service, "query_workflow", asked_otherwise)
    await latest.query("case", CALLER)
    asking = latest.query("case", ADMIN, result_type=dict)
    if put == "as it was sent":
        assert (await asking)["number"] == complaint.number
    else:
        with pytest.raises(UndecidedError, match="query case was sealed for another"):
            await asking


async def test_an_empty_answer_is_not_taken(hotline: Hotline, monkeypatch: pytest.MonkeyPatch) -> None:
    complaint = await hotline.start()
    empty = AsyncMock(return_value=QueryWorkflowResponse())
    monkeypatch.setattr(hotline.client.workflow_service, "query_workflow", empty)
    with pytest.raises(UndecidedError):
        await complaint.handle.query("case")


async def test_a_case_answers_though_a_failure_of_its_activity_is_nested_too_deep(hotline: Hotline) -> None:
    """Of what Temporal then says of the case, the client decodes nothing."""
    client, alone = hotline.client, on_queue(hotline, "deep")
    async with ours(client, "deep", ComplaintWorkflow):
        complaint = await alone.start(unwritten=True)
        await complaint.handle.signal("publish")
        await told(alone, (await asked(alone)).task_token, nested(98))
        with pytest.raises(UndecodableError):
            await describe_run(client, complaint.handle.id)
        assert (await complaint.view()).number == complaint.number
    await complaint.handle.terminate()


async def test_a_query_keeps_its_time_limit_while_temporal_names_no_run(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaint = await hotline.start()
    monkeypatch.setattr(interceptors, "latest_run", lambda *_: asyncio.Event().wait())
    with pytest.raises(RPCError, match="did not name the latest run in time") as raised:
        await complaint.handle.query("case", ADMIN, rpc_timeout=timedelta(seconds=0.1))
    assert raised.value.status is RPCStatusCode.DEADLINE_EXCEEDED
