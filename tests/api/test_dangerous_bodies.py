"""Bodies of dangerous requests: what the Temporal UI does not send is refused before it can be confirmed."""

from typing import Any

import pytest

from api.edge.problems import ProblemError
from api.temporal_ui.dangerous import GRANT
from api.temporal_ui.rules import API
from tests.support.api import Api
from tests.support.dangerous import (
    BATCH,
    BY_QUERY,
    REASON,
    RESET,
    THREE,
    WORKFLOW,
    Browser,
    granted,
    matched,
    refused,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    "batch",
    [
        {"termination_operation": {}, "visibilityQuery": "x"},
        {"terminationOperation": {}, "visibility_query": "x"},
        {**BY_QUERY, "visibility_query": "x"},
        {**BY_QUERY, "resetOperation": {}},
        {**BY_QUERY, "executions": THREE["executions"]},
        {**BY_QUERY, "maxOperationsPerSecond": 1},
        {"deletionOperation": {}, "visibilityQuery": "x"},
        {"resetOperation": {"postResetOperations": [{}]}, "visibilityQuery": "x"},
        {"terminationOperation": {}},
        {"terminationOperation": {}, "executions": ["complaint-1"]},
        {"terminationOperation": {}, "executions": [{"workflow_id": "complaint-1"}]},
        {"terminationOperation": {}, "executions": 3},
        {"terminationOperation": {}, "visibilityQuery": ["x"]},
        {"terminationOperation": {}, "visibilityQuery": "\ud800"},
        {"visibilityQuery": "x"},
        *({**BY_QUERY, "terminationOperation": each} for each in (5, None, "x", [1])),
    ],
    ids=str,
)
async def test_a_batch_is_refused_that_the_ui_does_not_send(on_sqlite: Api, batch: dict[str, Any]) -> None:
    said = refused(await Browser(on_sqlite).press(BATCH, batch))
    assert (GRANT in said, "terminationOperation" in said, "either executions or visibilityQuery" in said) == (
        False,
        True,
        True,
    )


@pytest.mark.parametrize("name", ["postResetOperations", "post_reset_operations", "workflow_execution"])
async def test_a_reset_does_nothing_that_the_page_does_not_show(on_sqlite: Api, name: str) -> None:
    browser, path = Browser(on_sqlite), f"{WORKFLOW.format('2608034711004')}/reset?execution.runId=r"
    said = refused(await browser.press(path, {**RESET, name: []}))
    assert (GRANT in said, "postResetOperations" in said) == (False, True)
    refused(await browser.press(path, RESET))
    await browser.page(REASON)
    refused(await browser.press(path, {**RESET, name: []}))
    assert granted(await browser.press(path, RESET)) == {**RESET, "identity": "chief", "reason": REASON}


@pytest.mark.parametrize("execution", [None, 5, {}, {"workflow_id": "courier"}, {"workflowId": 5}], ids=str)
async def test_a_command_to_an_activity_names_its_workflow(on_sqlite: Api, execution: Any) -> None:
    path = f"{API}/namespaces/default/activities-deprecated/pause"
    assert "execution.workflowId" in refused(await Browser(on_sqlite).press(path, {"execution": execution, "id": "1"}))


@pytest.mark.parametrize("body", [b"[]", b"1", b"{", b'"x"', b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(on_sqlite: Api, body: bytes) -> None:
    browser = Browser(on_sqlite)
    assert browser.session
    request = browser.request("POST", f"{WORKFLOW.format('2608034711004')}/terminate", body)
    assert "no JSON object" in refused(
        await on_sqlite.backend.dangerous.confirm(request, browser.session, matched(request))
    )


async def test_a_body_that_names_something_twice_is_refused(on_sqlite: Api) -> None:
    browser = Browser(on_sqlite)
    assert browser.session
    twice = b'{"firstExecutionRunId": "a", "firstExecutionRunId": "b"}'
    request = browser.request("POST", f"{WORKFLOW.format('2608034711004')}/terminate", twice)
    with pytest.raises(ProblemError, match="several times in one object"):
        await on_sqlite.backend.dangerous.confirm(request, browser.session, matched(request))
