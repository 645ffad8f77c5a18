"""Updates of the list in the Temporal UI, and what is said to whoever sends one past the service."""

import json
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.names import ACTIONS, SETTLE, UNDELIVERED
from activities.sealing.keys import Key
from domain.case.actions.dispatch import Dispatch
from domain.case.automatic.internal_updates import Undelivered
from domain.kit.event import AnyAction
from tests.support.causes import declare
from tests.support.hotline import Hotline, metadata
from tests.support.sealing import KEY, stranger
from tests.workflows.test_envelope import FORGERY, accepted, refused, sealed_by

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def cli(hotline: Hotline) -> Client:
    """A client that seals nothing, as Temporal's own command line and another UI."""
    return stranger(hotline.client)


async def failure(handle: WorkflowHandle[Any, Any], name: str, *arguments: Any) -> str:
    """Send an update that fails, in words alone; return them."""
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await handle.execute_update(name, args=arguments)
    cause = refusal.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.failure is not None
    assert (cause.failure.stack_trace, cause.failure.HasField("cause")) == ("", False)
    assert "\n" not in cause.message
    return cause.message


async def test_every_action_shows_an_example_that_is_a_body_of_it(hotline: Hotline) -> None:
    complaint, cause = await hotline.start(), await declare(hotline, "tanzhou")
    shown = list[tuple[AnyAction, str]]()
    for handle, kind in ((complaint.handle, "ComplaintWorkflow"), (cause.handle, "IncidentWorkflow")):
        listed = {each.name: each.description for each in (await metadata(handle)).definition.update_definitions}
        shown += [(action, listed[name]) for name, action in ACTIONS[kind].items()]
    for action, description in shown:
        words, _, example = description.partition(" 示例 Example: ")
        assert words == f"{action.zh}: {action.description}"
        sent = json.loads(example)
        action.body.model_validate(sent)
        assert "as" not in sent
        # In a correction, null takes a fact away.
        assert "null" not in example


@pytest.mark.parametrize(
    "sent",
    [[{"department": "repair"}], [{"as": "10031", "department": "repair"}], [], [{}, {}], ["repair"], [None]],
)
async def test_an_action_past_the_service_is_told_where_to_act(hotline: Hotline, cli: Client, sent: list[Any]) -> None:
    complaint, cause = await hotline.start(), await declare(hotline, "henglan")
    for handle, path in ((complaint.handle, "/v1/complaints"), (cause.handle, "/v1/incidents")):
        message = await failure(cli.get_workflow_handle(handle.id), "dispatch", *sent)
        route = f"POST {path}/NUMBER/actions/dispatch"
        assert message == (
            "未办理：不是本系统封装的内容，请登录本系统，在其 Temporal 界面 /temporal/ 办理，"
            f"或通过 HTTP 接口办理（{route}）。"
            "Not accepted: the service has not sealed it. Sign in to the service and act in its Temporal UI,"
            f" /temporal/, or over the HTTP API: {route}."
        )
    assert await accepted(complaint) == []


async def test_an_unknown_update_is_refused_without_a_stack_trace(hotline: Hotline, cli: Client) -> None:
    complaint = await hotline.start()
    message = await failure(cli.get_workflow_handle(complaint.handle.id), "dispach", {})
    assert message.startswith("没有这个操作。")
    assert "internal_" not in message
    assert "known updates: [answer arrive assign comment" in message


async def test_internal_updates_and_forged_ones_are_refused(hotline: Hotline, cli: Client) -> None:
    complaint = await hotline.start()
    own = Undelivered(key="a-notification", channel="sms", error="HTTP 503")
    assert "只有本系统可以发送" in await refused(cli, complaint, UNDELIVERED, own)
    # Its form takes anything; the answer is one sentence, without frames.
    assert "只有本系统可以发送" in await failure(cli.get_workflow_handle(complaint.handle.id), SETTLE, {"x": 1})
    forged = await sealed_by(hotline, Key(KEY.id, b"guessed"), complaint)
    assert FORGERY in await refused(cli, complaint, "comment", forged, id="known")


async def test_a_sealed_command_may_have_a_code_of_an_earlier_catalogue(hotline: Hotline) -> None:
    """The API has checked it; a retry must not depend on the catalogue of the worker."""
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="plumbers"))
    assert (await complaint.view()).department == "plumbers"
