"""Histories into which somebody else's worker has written: every case comes back, and nobody stays uninformed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from pydantic_core import to_json
from sqlalchemy import Engine
from temporalio.api.command.v1 import Command as WorkflowCommand
from temporalio.api.command.v1 import UpsertWorkflowSearchAttributesCommandAttributes
from temporalio.api.common.v1 import Payload, Payloads, SearchAttributes
from temporalio.api.enums.v1 import CommandType
from temporalio.api.update.v1 import Outcome
from temporalio.client import WorkflowHandle, WorkflowUpdateStage
from temporalio.common import RawValue
from temporalio.converter import WorkflowSerializationContext
from temporalio.testing import WorkflowEnvironment

from activities.sealing.envelope import context_of
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.incident.actions import Inform
from domain.kit.event import Command
from hotline.cli.shared import show_table
from hotline.recovery.histories import chains
from hotline.recovery.payloads import WRITTEN
from hotline.recovery.rebuild import rebuild, repair_case, repair_incidents
from hotline.recovery.rebuild_workflows import RUNS, STARTED
from hotline.recovery.verify import verify
from readmodel.base.database import engine as engine_of
from tests.support.causes import declare, linked
from tests.support.causes import told as notified
from tests.support.hotline import ADMIN, Complaint, Hotline, running_hotline, until
from tests.support.lost import delete
from tests.support.rows import execute
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from tests.workflows.test_envelope import Stamped
from tests.workflows.test_hijacked_tasks import accept, argument, done, events, hijack, ours, outcome_in, schedule
from tests.workflows.test_late_others import rests
from tests.workflows.test_no_cases import nested, start_raw
from tests.workflows.test_pretender import PLAIN, asked, place_in, told
from tests.workflows.test_rebuild_workflows import again, rebuilder
from workflows.clients.upkeep import RECONCILER
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.workflow import IncidentWorkflow
from workflows.singletons import ReconcilerWorkflow

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


UNOPENED = Payload(metadata={"encoding": b"binary/sealed", "key": b"abababab", "for": b"[]"}, data=b"x")
"""Payload that names a key of the ring that nobody has had."""


async def shown(handle: WorkflowHandle[Any, Any]) -> SearchAttributes:
    """Return the search attributes of a workflow, as anybody can copy them."""
    found = (await handle.describe()).raw_info.search_attributes.indexed_fields
    own = {name: value for name, value in found.items() if not name.startswith(("Temporal", "BuildIds"))}
    return SearchAttributes(indexed_fields=own)


async def copied(hotline: Hotline, complaint: Complaint, what: str) -> Payload:
    """Return what anybody can copy from the history of the case, or sees elsewhere."""
    history = await events(complaint.handle)
    match what:
        case "argument":
            return await argument(complaint.handle, "publish")
        case "result":
            return next(
                each.activity_task_completed_event_attributes.result.payloads[0]
                for each in history
                if each.HasField("activity_task_completed_event_attributes")
            )
        case "answer":
            return next(each.success.payloads[0] for each in map(outcome_in, history) if each.HasField("success"))
        case "text":
            return history[0].user_metadata.summary
        case "null" | "object":  # a memo, or the answer to another update
            value = None if what == "null" else {"batch": "-"}
            return await sealed_here(hotline, complaint, Stamped("", "", "another"), value)
    return UNOPENED if what == "unknown key" else PLAIN


async def sealed_here(hotline: Hotline, complaint: Complaint, stamp: Stamped, value: object) -> Payload:
    place = WorkflowSerializationContext(hotline.client.namespace, complaint.handle.id)
    return (await stamp.seal(hotline.client, place, value)).payload


def on_queue(hotline: Hotline, queue: str) -> Hotline:
    """Return the hotline for workflows of another queue, on which nobody works yet."""
    settings = hotline.settings.model_copy(update={"task_queue": queue})
    return Hotline(hotline.server, settings, hotline.engine, hotline.projection, hotline.client)


async def request(hotline: Hotline, complaint: Complaint, *arguments: Payload) -> None:
    """Ask for the activity, as somebody else's worker."""
    await stranger(hotline.client).get_workflow_handle(complaint.handle.id).signal("publish")
    queue = hotline.settings.task_queue
    await hijack(hotline.client, queue, schedule(queue, "publish", 9, *arguments))


async def answer(
    hotline: Hotline, complaint: Complaint, sent: object, *answers: Payload, changed_at: datetime | None = None
) -> None:
    """Accept and answer an update, as somebody else's worker, who may say that it changed the case."""
    theirs = stranger(hotline.client).get_workflow_handle(complaint.handle.id)
    accepted = WorkflowUpdateStage.ACCEPTED
    sending = asyncio.ensure_future(theirs.start_update("comment", sent, id="x", wait_for_stage=accepted))
    attributes = await shown(complaint.handle)
    if changed_at:
        attributes.indexed_fields["ChangedAt"].data = to_json(changed_at)
    await accept(hotline, Outcome(success=Payloads(payloads=answers)), attributes)
    await sending


FORGERIES = [
    ("activity", ["plain"]),
    ("activity", []),
    ("activity", ["argument", "argument"]),
    ("activity", ["result"]),
    ("activity", ["unknown key"]),
    ("update", ["plain"]),
    ("update", ["answer", "answer"]),
    ("update", ["text"]),
    ("update", ["object"]),
    ("update", ["unknown key"]),
    ("unknown key", ["unknown key"]),
    ("command", ["plain"]),
    ("command", ["null"]),
    ("command", ["answer"]),
]
"""Kind of event that is written into the history, and the payloads in it. A command is sealed; its sender died. The
last update names an unknown key itself."""


@pytest.mark.parametrize(("what", "payloads"), FORGERIES)
async def test_a_case_comes_back_whatever_somebody_has_written_into_its_history(
    server: WorkflowEnvironment, tmp_path: Path, what: str, payloads: Sequence[str]
) -> None:
    """SQL gets what it lacked. A command that was carried out is known; one that was not, is not."""
    changes: dict[str, Any] = {"task_queue": f"forged-{what}-{'-'.join(payloads)}", "sandbox": False}
    async with running_hotline(server, tmp_path, **changes) as served:
        case = await served.start()
        await case.act(Comment(note="用户又来电"), key="done", digest="said", case_writes=True)
        await case.handle.signal("publish")
        await case.published(2)
        case.acknowledged = 2
        await case.act(Dispatch(department="repair"), unwritten=True)
    copies = [await copied(served, case, each) for each in payloads]
    if what == "activity":
        await request(served, case, *copies)
    else:
        command = Command(actor=ADMIN, body=Comment(note="-"), key="lost", digest="other")
        sealed = await sealed_here(served, case, Stamped("command", "comment", "x"), command)
        sent = {"command": RawValue(sealed), "unknown key": RawValue(UNOPENED)}.get(what, 1)
        await answer(served, case, sent, *copies)
    await case.handle.terminate()
    owner = engine_of(served.settings.database_url)
    assert await rebuilder(served, owner).one(case.number) == STARTED
    assert [row["status"] for row in await notified(case, "dispatch")] == ["due"]
    assert case.handle.id not in (await rebuild(served.client, owner)).failed
    owner.dispose()
    async with running_hotline(server, tmp_path, **changes) as served:
        back = again(served, case)
        done = await back.act(Comment(note="用户又来电"), key="done", digest="said")
        assert (done.action, done.version) == ("comment", 2)
        assert (await back.act(Comment(note="-"), key="lost", digest="other")).version == 4
    await back.handle.terminate()


ANSWERS = {
    "in clear": "due",
    "sealed with an unknown key": "due",
    "its argument": "due",
    "of another activity": "due",
    "of an earlier run": "due",
    "of the service": "sent",
}
"""Results of an activity, and what becomes of its notifications: nobody hears twice of what the service has told."""


async def answer_next(hotline: Hotline, name: str, result: str) -> None:
    """Take the next activity, which is of this type, and answer it."""
    task, client = await asked(hotline), hotline.client
    assert task.activity_type.name == name
    context = context_of(client.namespace, task.workflow_execution.workflow_id, WRITTEN[name][1], name)
    place, payload = place_in(client, context, task), PLAIN
    stamped = {
        "of another activity": Stamped("result", name, f"{place}0"),
        "of an earlier run": Stamped("result", name, place, ago=timedelta(hours=1)),
        "of the service": Stamped("result", name, place),
    }
    if result == "its argument":
        payload = task.input.payloads[0]
    elif result == "sealed with an unknown key":
        payload = UNOPENED
    elif stamp := stamped.get(result):
        payload = (await stamp.seal(client, context, None)).payload
    handle = client.get_workflow_handle(task.workflow_execution.workflow_id)
    before = await done(handle)
    await told(hotline, task.task_token, payload)
    await until(lambda: done(handle), (before + 1).__eq__)


@pytest.mark.parametrize(("result", "status"), ANSWERS.items())
async def test_people_hear_of_a_change_whose_publication_somebody_else_has_answered(
    hotline: Hotline, owner: Engine, result: str, status: str
) -> None:
    client, queue = hotline.client, f"publish-{result}"
    waiting = on_queue(hotline, queue)
    async with ours(client, queue, ComplaintWorkflow):
        case = await waiting.start()
        await case.act(Dispatch(department="repair"), unwritten=True)
        await case.handle.signal("publish")
        await answer_next(waiting, "publish", result)
    await case.handle.terminate()
    assert await rebuilder(waiting, owner).one(case.number) == STARTED
    assert {row["status"] for row in await notified(case, "dispatch")} == {status}
    assert [row["action"] for row in await case.rows()] == ["register", "dispatch"]
    await client.get_workflow_handle(case.handle.id).terminate()


async def test_a_start_that_somebody_has_copied_drops_no_change(hotline: Hotline, owner: Engine) -> None:
    """It is that of a rebuild a moment ago, so it looks like one of the service."""
    client, queue = hotline.client, "copied-start"
    waiting = on_queue(hotline, queue)
    async with ours(client, queue, ComplaintWorkflow):
        case = await waiting.start()
        await case.handle.terminate()
        assert await rebuilder(waiting, owner).one(case.number) == STARTED
        case = again(waiting, case)
        started = (await events(case.handle))[0].workflow_execution_started_event_attributes
        await case.act(Dispatch(department="repair"), unwritten=True)
    await case.handle.terminate()
    await (await start_raw(client, "ComplaintWorkflow", case.handle.id, queue, input=started.input)).terminate()
    assert await rebuilder(waiting, owner).one(case.number) == STARTED
    assert [row["action"] for row in await case.rows()] == ["register", "dispatch"]
    await client.get_workflow_handle(case.handle.id).terminate()


@pytest.mark.parametrize(("changed_at", "status"), [("earlier", "due"), ("none", "due"), ("same", "sent")])
async def test_people_hear_of_a_change_that_somebody_has_hidden_from_the_reconciler(
    hotline: Hotline, owner: Engine, changed_at: str, status: str
) -> None:
    """Otherwise SQL had every change until the instant that the reconciler tells, as before a restore."""
    client, queue = hotline.client, f"hidden-{changed_at}"
    waiting = on_queue(hotline, queue)
    async with ours(client, queue, ComplaintWorkflow):
        case = await waiting.start()
        before = await shown(case.handle)
        await case.act(Dispatch(department="repair"), unwritten=True)
        attributes = {"earlier": before, "same": await shown(case.handle)}.get(changed_at)
    if attributes is None:
        attributes = SearchAttributes(indexed_fields={"ChangedAt": Payload(metadata={"encoding": b"binary/null"})})
    upsert = WorkflowCommand(
        command_type=CommandType.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        upsert_workflow_search_attributes_command_attributes=UpsertWorkflowSearchAttributesCommandAttributes(
            search_attributes=attributes
        ),
    )
    await case.handle.signal("publish")
    await hijack(client, queue, upsert)
    await case.handle.terminate()
    latest = await case.handle.describe()
    assert await repair_case(client, owner, case.number, datetime.now(UTC), latest)
    assert {row["status"] for row in await notified(case, "dispatch")} == {status}


@pytest.mark.parametrize(("result", "status"), ANSWERS.items())
async def test_staff_hear_of_an_incident_whose_publication_somebody_else_has_answered(
    hotline: Hotline, owner: Engine, result: str, status: str
) -> None:
    client, queue = hotline.client, f"incident-{result}"
    waiting = on_queue(hotline, queue)
    async with ours(client, queue, IncidentWorkflow):
        cause = await declare(waiting, "xiaolan")
        await answer_next(waiting, "publish_incident", result)
    await cause.handle.terminate()
    assert await rebuilder(waiting, owner).one(cause.number) == STARTED
    assert [row["action"] for row in await cause.timeline()] == ["declare"]
    assert {row["status"] for row in await cause.messages()} == {status}
    await cause.handle.terminate()


@pytest.mark.parametrize(("result", "status"), ANSWERS.items())
async def test_callers_hear_the_news_that_somebody_else_has_said_were_told(
    hotline: Hotline, owner: Engine, result: str, status: str
) -> None:
    client, queue = hotline.client, f"inform-{result}"
    async with running_hotline(hotline.server, hotline.settings.data_dir, task_queue=queue, sandbox=False) as served:
        cause = await declare(served, "xiaolan")
        [case] = await linked(served, cause, 1)
        await cause.published("declare")
        await until(cause.handle.describe, rests)
    async with ours(client, queue, IncidentWorkflow):
        await cause.act(Inform(message="正在抢修"))
        await answer_next(served, "publish_incident", "of the service")
        await answer_next(served, "inform_callers", result)
    await cause.handle.terminate()
    assert await rebuilder(served, owner).one(cause.number) == STARTED
    assert [row["action"] for row in await cause.timeline()] == ["declare", "inform"]
    assert {row["status"] for row in await notified(case, "incident_inform")} == {status}
    for each in (case.handle, cause.handle):
        await client.get_workflow_handle(each.id).terminate()


@pytest.mark.parametrize("of", ["a case", "an incident", "the reconciler", "another type"])
async def test_a_failure_that_nests_too_deep_stops_no_rebuild(tmp_path: Path, of: str) -> None:
    """Of other workflows or, once it is terminated, of this one."""
    queue = "nested"
    async with await temporal_server() as server, running_hotline(server, tmp_path, task_queue="another") as elsewhere:
        settings, client = elsewhere.settings.model_copy(update={"task_queue": queue}), server.client
        waiting = Hotline(server, settings, elsewhere.engine, elsewhere.projection, client)
        owner = engine_of(settings.database_url)
        async with ours(client, queue, ComplaintWorkflow, IncidentWorkflow, ReconcilerWorkflow):
            other, case = await waiting.start(), await waiting.start()
            handle, number = case.handle, case.number
            match of:
                case "a case":
                    await handle.signal("publish")
                case "an incident":
                    cause = await declare(waiting, "xiaolan")
                    handle, number = cause.handle, cause.number
                    await answer_next(waiting, "publish_incident", "of the service")
                    await repair_incidents(client, owner)
                    await cause.act(Inform(message="正在抢修"))
                case "the reconciler":
                    handle = await RECONCILER.start(client, queue)
                case _:
                    await delete(client, handle.id)
                    handle = await start_raw(client, "X", handle.id, "nobody")
                    await hijack(client, "nobody", schedule(queue, "x", 1))
            task = await asked(waiting)
            assert task.workflow_execution.workflow_id == handle.id
            failure = nested(98)
            failure.application_failure_info.next_retry_delay.CopyFrom(Duration(seconds=3600))
            await told(waiting, task.task_token, failure)
        await other.handle.terminate()
        execute(owner, "UPDATE cases SET lost = 'reset'")
        assert (await rebuild(client, owner)).failed == {}
        found = await rebuilder(waiting, owner).all()
        assert (found.counts[STARTED], [*found.failed]) == (1, [number] if of == "another type" else [])
        await client.get_workflow_handle(handle.id).terminate()
        assert await rebuilder(waiting, owner).one(number) == (RUNS if of == "the reconciler" else STARTED)
        owner.dispose()


async def test_no_name_or_attribute_that_somebody_gives_stops_a_comparison(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with await temporal_server() as server, running_hotline(server, tmp_path) as hotline:
        client, queue = server.client, hotline.settings.task_queue
        state = Payload(metadata={"encoding": b"json/plain", "type": b"Keyword"}, data=rb'"[/x]\u001b[31m"')
        strange = {
            "search_attributes": SearchAttributes(indexed_fields={"State": state}),
            "workflow_start_delay": Duration(seconds=3600),
        }
        case = await hotline.start()
        await case.handle.terminate()
        await start_raw(client, "ComplaintWorkflow", case.handle.id, queue, **strange)
        for name in ("incident-i2611301", "incident-[/x]", "incident-i\0", "incident-"):
            await start_raw(client, "IncidentWorkflow", name, queue, **strange)
        await until(lambda: chains(client, IncidentWorkflow), lambda found: [*found] == ["incident-i2611301"])
        found = await verify(client, hotline.engine, queue)
        states = {each.number: each.in_temporal for each in found.differences if each.what in ("state", "incident")}
        assert states == {case.number: "[/x]?[31m", "i2611301": "[/x]?[31m"}
        show_table(("number", "what", "SQL", "Temporal"), found.differences)
        assert "[/x]?[31m" in capsys.readouterr().out
