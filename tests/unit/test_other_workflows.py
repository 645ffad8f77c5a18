"""The list of workflows that are no cases: a look and a sweep at the same time, and floods."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

from activities import run_status
from activities.recovery import other_workflows
from activities.recovery.other_workflows import OtherWorkflows, WatchList
from readmodel.recovery import NotOver

THEN = datetime(2026, 9, 7, tzinfo=UTC)


async def test_a_look_keeps_what_a_sweep_finds_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    client, still, asked, may_go_on = MagicMock(), {"first"}, asyncio.Event(), asyncio.Event()
    client.list_workflows.return_value.__aiter__.return_value = []
    others: Any = OtherWorkflows(client, AsyncMock(), "queue")
    monkeypatch.setattr(others, "_in_sql", AsyncMock(return_value=NotOver({"first": True, "second": True}, {})))
    monkeypatch.setattr(others, "_looks_stuck", AsyncMock(side_effect=lambda each, _: each in still))
    await others.sweep(None, THEN)

    async def answer_later(each: str, _: object) -> bool:
        if not asked.is_set():
            asked.set()
            await may_go_on.wait()
        return each in still

    monkeypatch.setattr(others, "_looks_stuck", answer_later)
    look = asyncio.ensure_future(others.stuck(None, THEN))
    await asked.wait()
    still.add("second")
    await others.sweep(None, THEN)
    may_go_on.set()
    assert await look == ["first", "second"]


async def test_a_look_asks_so_many_again_in_turn(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(other_workflows, "ASKED_AGAIN", 2)
    stuck, asked = WatchList(), list[str]()

    async def stands_still(each: str) -> bool:
        asked.append(each)
        return each != "b"

    for each in "abcd":
        stuck.add(each)
    assert await stuck.ask_again(stands_still) == ["c", "d", "a"]
    assert "4 workflows are stuck, of which 2 are asked again" in caplog.text
    assert await stuck.ask_again(stands_still) == ["a", "c", "d"]
    assert asked == ["a", "b", "c", "d"]


async def test_a_list_is_cut_and_that_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(other_workflows, "MOST_LISTED", 2)
    client = MagicMock()
    client.list_workflows.return_value.__aiter__.return_value = [MagicMock(id="a"), MagicMock(id="b")]
    others: Any = OtherWorkflows(client, AsyncMock(), "queue")
    monkeypatch.setattr(others, "_in_sql", AsyncMock(return_value=NotOver({"c": True}, {})))
    monkeypatch.setattr(others, "_looks_stuck", asked := AsyncMock(return_value=False))
    await others.sweep(None, THEN)
    assert [each.args[0] for each in asked.await_args_list] == ["c", "a", "b"]
    assert {each.kwargs["limit"] for each in client.list_workflows.call_args_list} == {2}
    assert "2 workflows are looked at, and there may be more" in caplog.text


async def test_a_history_that_no_run_of_the_service_has_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = DescribeWorkflowExecutionResponse()
    found.workflow_execution_info.task_queue = "queue"
    found.workflow_execution_info.status = Status.WORKFLOW_EXECUTION_STATUS_RUNNING
    found.workflow_execution_info.history_size_bytes = other_workflows.LONGEST_HISTORY + 1
    monkeypatch.setattr(run_status, "describe_run", AsyncMock(return_value=found))
    monkeypatch.setattr(run_status, "read_events", read := MagicMock())
    others: Any = OtherWorkflows(MagicMock(), AsyncMock(), "queue")
    assert await others._looks_stuck("theirs", NotOver({}, {}))
    read.assert_not_called()
