"""Actions from the Temporal UI, where they are allowed: the role is that of the person named, and nobody checked it.

Whatever is wrong is answered in Chinese and English, with what is accepted, and without a stack trace.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowUpdateWithStartInput,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from activities.acting import Acting, PeopleFinder
from activities.internal_updates import SETTLE, UNDELIVERED
from activities.signatures import Signatures, SigningKey, Subject
from activities.unsigned import UnsignedCommands
from domain.case.actions import COMMANDS
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.supervise import Supervise
from domain.case.automatic.undelivered import Undelivered
from domain.incident.actions import INCIDENT_COMMANDS
from domain.shared.actors import Actor, Role
from domain.shared.command import Command
from hotline.temporal.converter import DATA_CONVERTER
from tests.support.causes import declare
from tests.support.directory import Directory
from tests.support.hotline import Complaint, Hotline, metadata, running_hotline
from tests.support.signing import KEY, OneKey, signatures_by, with_interceptors
from tests.support.wrong_arguments import WRONG
from tests.workflows.test_signatures import CONVERTER, FORGERY, KEPT, accepted, refused
from workflows.complaint import ComplaintWorkflow
from workflows.messages import ComplaintStart
from workflows.presentation.complaint import workflow_id
from workflows.presentation.details.timeline import UNVERIFIED

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIGNATURES = Signatures(OneKey(), CONVERTER, takes_unsigned=True)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def open_hotline(server: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    """A hotline that takes actions from the Temporal UI, and knows some people."""
    folder = tmp_path_factory.mktemp("from-the-ui")
    async with running_hotline(server, folder, SIGNATURES, task_queue="from-the-ui") as hotline:
        directory = Directory(hotline.settings.database_url)
        directory.enter("10031", Role.DISPATCHER, name="周敏")
        directory.enter("10032", Role.SUPERVISOR, name="许兰")
        directory.enter("10046", Role.CREW, "repair", name="梁伟")
        directory.enter("10047", Role.CREW, "billing", name="黄丽")
        directory.enter("10048", Role.CREW, "repair", name="黄丽")
        directory.enter("10050", Role.AGENT, name="陈静")
        directory.enter("10099", Role.AGENT, name="离职")
        directory.leave("10099")
        yield hotline


@pytest.fixture
def ui(open_hotline: Hotline) -> Client:
    """A client that signs nothing, as the Temporal UI."""
    return with_interceptors(open_hotline.client)


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


async def failed(client: Client, complaint: Complaint, name: str, argument: Any) -> str:
    """Send an update that fails; return why."""
    return await failure(client.get_workflow_handle(complaint.handle.id), name, argument)


@pytest.mark.parametrize(("name", "sent", "zh", "en"), WRONG)
async def test_a_wrong_argument_is_refused_with_what_is_accepted(
    open_hotline: Hotline, ui: Client, name: str, sent: list[Any], zh: str, en: str
) -> None:
    complaint = await open_hotline.start()
    message = await failure(ui.get_workflow_handle(complaint.handle.id), name, *sent)
    assert message.startswith("填写有误：")
    assert zh in message
    assert en in message
    assert '示例 Example: {"as": "10031", ' in message
    assert await accepted(complaint) == []


async def test_an_incident_takes_the_codes_of_the_catalogue_alone(open_hotline: Hotline, ui: Client) -> None:
    cause = await declare(open_hotline, "henglan")
    handle = ui.get_workflow_handle(cause.handle.id)
    message = await failure(handle, "confirm", {"as": "10031", "districts": ["west", "moon"]})
    assert "districts.1：没有这个区域代码，可填 " in message
    assert "districts.1: there is no such district; accepted: " in message
    await handle.execute_update("dispatch", {"as": "10031", "department": "repair"})
    assert (await cause.seen()).incident.department == "repair"
    message = await failure(handle, "sign_for", {"as": "10047"})
    assert "不归您所在的部门办理，有权办理：repair。The incident is with the department repair" in message


async def test_every_update_shows_an_example_that_is_accepted(open_hotline: Hotline, ui: Client) -> None:
    """Accepted as an argument: the next thing is the person, whom the directory lacks."""
    complaint, cause = await open_hotline.start(), await declare(open_hotline, "tanzhou")
    for handle, actions in ((complaint.handle, COMMANDS), (cause.handle, INCIDENT_COMMANDS)):
        shown = {each.name: each.description for each in (await metadata(handle)).definition.update_definitions}
        for name, action in actions.items():
            words, _, example = shown[name].partition(" 示例 Example: ")
            assert words == f"{action.zh}: {action.description}"
            sent = json.loads(example)
            assert sent["as"] == "10031"
            # In a correction, null takes a fact away.
            assert "null" not in example
            message = await failure(ui.get_workflow_handle(handle.id), name, sent | {"as": "nobody"})
            assert "as nobody 不在在岗人员名录中" in message, name


PEOPLE = [
    ("hand_over", {"as": "10032", "owner": "10500"}, "owner 10500 不在在岗人员名录中", "is nobody in the directory"),
    ("hand_over", {"as": "10032", "owner": "10099"}, "owner 10099 不在在岗人员名录中", "is nobody in the directory"),
    (
        "hand_over",
        {"as": "10032", "owner": "10046"},
        "是抢修人员，不能担任首问责任人",
        "is of a crew, which owns no case",
    ),
    (
        "dispatch",
        {"as": "10031", "department": "repair", "assignee": "10047"},
        "不是 repair 部门的人员",
        "is of billing",
    ),
    ("dispatch", {"as": "10031", "department": "repair", "assignee": "黄丽"}, "有多人同名", "of the ids 10047, 10048"),
    ("dispatch", {"as": "10031", "department": "repair", "assignee": "张三"}, "不在在岗人员名录中", "is nobody"),
    ("assign", {"as": "10031", "assignee": "10050"}, "请填该部门人员的工号", "10050 is of no department"),
    ("assign", {"as": "10031", "assignee": "10047"}, "", "billing has no part in the case"),
]


@pytest.mark.parametrize(("name", "sent", "zh", "en"), PEOPLE)
async def test_people_who_are_not_accepted_are_refused(
    open_hotline: Hotline, ui: Client, name: str, sent: dict[str, str], zh: str, en: str
) -> None:
    complaint = await open_hotline.start()
    message = await failed(ui, complaint, name, sent)
    assert zh in message
    assert en in message
    assert (await complaint.view()).version == 1


async def test_people_named_are_kept_by_id_with_their_names(open_hotline: Hotline, ui: Client) -> None:
    complaint = await open_hotline.start()
    handle = ui.get_workflow_handle(complaint.handle.id)
    await handle.execute_update("hand_over", {"as": "10032", "owner": "陈静"})
    await handle.execute_update("dispatch", {"as": "10031", "department": "repair", "assignee": "10046"})
    view = await complaint.view()
    assert (view.owner, view.assignee) == ("10050", "10046")
    rows = await complaint.published(3)
    assert [json.loads(row["people"]) for row in rows[1:]] == [
        {"10032": "许兰", "10050": "陈静"},
        {"10031": "周敏", "10046": "梁伟"},
    ]


class SignsStarts(Interceptor, OutboundInterceptor):
    """Interceptor of a client that signs the start of a workflow, and not the update that comes with it."""

    def __init__(self) -> None:
        """Wait for `intercept_client`."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        self.next = next
        return self

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002 - as above
    ) -> WorkflowUpdateHandle[Any]:
        SIGNATURES.sign(input.start_workflow_input, Subject(input.start_workflow_input.id))
        return await super().start_update_with_start_workflow(input)


async def test_an_action_in_the_first_task_is_taken(open_hotline: Hotline) -> None:
    """It asks for people before the workflow runs."""
    registration = open_hotline.registration()
    start = WithStartWorkflowOperation(
        ComplaintWorkflow.run,
        ComplaintStart(source=registration),
        id=workflow_id(registration.number),
        task_queue=open_hotline.settings.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    client = with_interceptors(open_hotline.client, SignsStarts())
    await client.execute_update_with_start_workflow(
        "dispatch", {"as": "10031", "department": "repair"}, start_workflow_operation=start
    )
    complaint = Complaint(open_hotline, registration.number, await start.workflow_handle())
    assert (await complaint.published(2))[-1]["actor"] == "10031"


async def test_an_assignee_of_no_directory_is_taken_where_that_is_allowed(open_hotline: Hotline) -> None:
    finder = PeopleFinder(open_hotline.engine, takes_unknown=True)
    found = await finder.find_actor(Acting(person="10031", assignee="王师傅", department="repair"))
    assert (found.actor.id, found.changes, found.people) == ("10031", {}, {})
    with pytest.raises(ApplicationError, match="离职 不在在岗人员名录中"):
        await finder.find_actor(Acting(person="10031", assignee="离职", department="repair"))


async def test_an_unknown_update_is_refused_without_a_stack_trace(open_hotline: Hotline, ui: Client) -> None:
    complaint = await open_hotline.start()
    message = await failed(ui, complaint, "dispach", {"as": "10031"})
    assert message.startswith("没有这个操作，请从列表中选择。")
    assert "internal_" not in message
    assert "known updates: [answer arrive assign comment" in message


async def test_a_refusal_of_the_case_is_in_both_languages(open_hotline: Hotline, ui: Client) -> None:
    """The same refusal of a signed command, for the API, is in English alone; neither has a stack trace."""
    complaint = await open_hotline.start()
    message = await failed(ui, complaint, "sign_for", {"as": "10046"})
    assert "不归您所在的部门办理" in message
    message = await failed(ui, complaint, "supervise", {"as": "10031"})
    assert message.startswith(
        "您的角色无权办理此事项，有权办理：manager（审批领导）、supervisor（班长）。supervise is not for"
    )
    message = await failed(ui, complaint, "reject_return", {"as": "10031", "reason": "?"})
    assert message.startswith("当前状态不能办理此事项，现可办理：dispatch（派单）")
    assert "You may: dispatch" in message
    sent = {"as": "10031", "department": "repair"}
    await ui.get_workflow_handle(complaint.handle.id).execute_update("dispatch", sent)
    message = await failed(ui, complaint, "dispatch", sent)
    assert message.startswith("部门和经办人均未变更。The case ")
    assert message.endswith("Accepted: another department, another assignee in repair.")
    signed = Command(actor=Actor(id="10031", role=Role.DISPATCHER), body=Supervise())
    message = await failure(complaint.handle, "supervise", signed)
    assert message.startswith("supervise is not for")


async def test_a_replay_looks_at_no_catalogue_and_asks_no_directory(open_hotline: Hotline, ui: Client) -> None:
    """A department that a later catalogue lacks was accepted in its time, and who it was stands in the history."""
    complaint = await open_hotline.start()
    await ui.get_workflow_handle(complaint.handle.id).execute_update(
        "dispatch", {"as": "10031", "department": "repair"}
    )
    await failed(ui, complaint, "supervise", {"as": "10031"})
    history = await complaint.handle.fetch_history()
    asked = list[tuple[str, str]]()

    def find(kind: str, code: str) -> str:
        asked.append((kind, code))
        raise AssertionError

    replayer = Replayer(
        workflows=[ComplaintWorkflow],
        interceptors=[SIGNATURES, UnsignedCommands(find)],
        data_converter=DATA_CONVERTER,
    )
    await replayer.replay_workflow(history)
    assert asked == []


async def test_a_signed_command_may_have_a_code_of_an_earlier_catalogue(open_hotline: Hotline) -> None:
    """The API has checked it; a retry must not depend on the catalogue of the worker."""
    complaint = await open_hotline.start()
    await complaint.act(Dispatch(department="plumbers"))
    assert (await complaint.view()).department == "plumbers"


async def test_what_comes_from_the_temporal_ui_is_taken_on_request_and_marked(
    open_hotline: Hotline, ui: Client
) -> None:
    hotline = open_hotline
    complaint = await hotline.start()
    await complaint.act(Comment(note="已签名"))
    directory = Directory(hotline.settings.database_url)
    directory.enter("10034", Role.DISPATCHER, name="周敏")
    unsigned = ui.get_workflow_handle(complaint.handle.id)
    # Whoever sends it is not asked for the role: it is that of the directory.
    pretended = Actor(id="10034", role=Role.SUPERVISOR)
    assert "it takes manager or supervisor" in await failed(
        ui, complaint, "supervise", Command(actor=pretended, body=Supervise())
    )
    assert "is nobody in the directory" in await failed(ui, complaint, "comment", {"as": "99", "note": "?"})
    await unsigned.execute_update("dispatch", {"as": "10034", "department": "repair"})
    rows = await complaint.published(3)
    assert [bool(row["unverified"]) for row in rows] == [False, False, True]
    assert [(row["actor"], row["role"]) for row in rows][-1] == ("10034", "dispatcher")
    assert f"周敏{UNVERIFIED}" in (await metadata(complaint.handle)).current_details
    # Nor are a key, names, and what SQL is said to have, believed.
    told = Command(actor=pretended, body=Comment(note="?"), key="of-another", people={"10034": "?"}, acknowledged=3)
    await unsigned.execute_update("comment", told)
    [*_, last] = await complaint.published(4)
    assert (last["action"], last["people"]) == ("comment", '{"10034":"周敏"}')
    assert await complaint.handle.query("done", args=["of-another", pretended]) is None
    # The workflow knows no catalogue, and takes none from there; all else can be corrected.
    service = {"as": "10034", "reason": "?", "service_code": "leak"}
    terms = hotline.catalogue.terms("leak", "west", await complaint.now())
    in_force = {"terms": terms.model_dump(mode="json"), "edition": {"digest": "0", "name": "0", "name_zh": "0"}}
    over_http = f"POST /v1/complaints/{complaint.number}/actions/correct"
    assert over_http in await failed(ui, complaint, "correct", service)
    believed = service | {"in_force": in_force | {"district": "west"}}
    assert "unknown field" in await failed(ui, complaint, "correct", believed)
    # Whom a dispatcher sees masked over HTTP is corrected by none here either.
    caller = {"as": "10034", "reason": "?", "caller": {"phone": "88237777"}}
    assert "The caller is masked for the role dispatcher" in await failed(ui, complaint, "correct", caller)
    place = {"as": "10034", "reason": "?", "location": {"address": "莲塘路 8 号"}}
    await unsigned.execute_update("correct", place)
    await complaint.published(5)
    view = await complaint.view()
    assert (view.location.address, view.location.district) == ("莲塘路 8 号", "west")
    directory.leave("10034")
    assert "is nobody in the directory" in await failed(ui, complaint, "comment", {"as": "10034", "note": "?"})
    # The service itself sends these alone.
    own = Undelivered(key="a-notification", channel="sms", error="HTTP 503")
    assert "not signed" in await refused(ui, complaint, UNDELIVERED, own)
    # Its form takes anything; the answer is one sentence, without frames.
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await ui.get_workflow_handle(complaint.handle.id).execute_update(SETTLE, {"as": "10031"})
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert "只有本系统可以发送" in str(cause)
    assert (cause.failure is None or cause.failure.stack_trace, cause.cause) == ("", None)
    forged = with_interceptors(hotline.client, signatures_by(SigningKey(KEY.id, b"guessed")))
    assert FORGERY in await refused(forged, complaint, "comment", KEPT)
