"""Whoever reaches Temporal's port acts in nobody's name: only what the service has sealed, for this, is taken."""

import re
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.update.v1 import Input
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.common import RawValue
from temporalio.converter import SerializationContext, WorkflowSerializationContext
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.names import RECOGNISE, SETTLE, UNDELIVERED, UNSEALED
from activities.sealing.envelope import SEALED
from activities.sealing.keys import Key
from domain.case.actions.comment import Comment
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.link_incident import Settlement
from domain.case.automatic.internal_updates import Recognised, Undelivered
from domain.case.intake import IntakeFlag
from domain.case.views import Outcome
from domain.kit.event import Command
from domain.shared.actors import Actor, Role
from hotline.temporal.converter import sealing
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.sealing import KEY, OneKey, sealing_by, stranger, with_options
from workflows.complaint.messages import ComplaintStart

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORGERY = "the service has not sealed it"
ELSE = "it was sealed for something else than this"
KEPT = Command(actor=Actor(id="nobody", role=Role.FOLLOW_UP), body=Comment(note="结案"), key="known")
OLD = timedelta(minutes=6)


async def refused(client: Client, complaint: Complaint, name: str, argument: Any, **options: Any) -> str:
    """Send an update that is refused and leaves nothing in the history; return why."""
    handle = client.get_workflow_handle(complaint.handle.id)
    before = await accepted(complaint)
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await handle.execute_update(name, argument, **options)
    assert await accepted(complaint) == before
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == UNSEALED
    return cause.message


async def accepted(complaint: Complaint) -> list[Input]:
    """Return the updates in the history."""
    events = (await complaint.handle.fetch_history()).events
    found = [event.workflow_execution_update_accepted_event_attributes.accepted_request.input for event in events]
    return [each for each in found if each.name]


async def rejected(handle: WorkflowHandle[Any, Any]) -> str:
    """Wait until the workflow has failed in its first task, and asked for nothing before; return why."""
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    kinds = [event.event_type for event in (await handle.fetch_history()).events]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds
    assert kinds[-3:] == [
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
    ]
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == UNSEALED
    return cause.message


async def start_of(handle: WorkflowHandle[Any, Any]) -> Payload:
    """Return the start message, as the history shows it."""
    first, *_ = (await handle.fetch_history()).events
    return first.workflow_execution_started_event_attributes.input.payloads[0]


class Stamped(NamedTuple):
    """Stamp of what the service may have sealed in another run, or for something else."""

    kind: str
    name: str
    id: str = ""
    ago: timedelta = timedelta(0)

    async def seal(self, client: Client, place: SerializationContext, value: Any) -> RawValue:
        """Return the value as it stands in a history."""
        [payload] = client.data_converter.payload_converter.to_payloads([value])
        at = int((time.time() - self.ago.total_seconds()) * 1000)
        for part, text in {"kind": self.kind, "name": self.name, "id": self.id, "at": str(at)}.items():
            payload.metadata[part] = text.encode()
        codec = client.data_converter.with_context(place).payload_codec
        assert codec
        return RawValue((await codec.encode([payload]))[0])


async def sealed_by(hotline: Hotline, key: Key, complaint: Complaint, ago: timedelta = timedelta(0)) -> RawValue:
    """Return the command as a process with this key alone seals it."""
    client = with_options(hotline.client, **sealing_by(key))
    place = WorkflowSerializationContext(client.namespace, complaint.handle.id)
    return await Stamped("command", "comment", "known", ago).seal(client, place, KEPT)


class TestCommands:
    @pytest.mark.parametrize(
        ("key", "off", "why"),
        [
            (Key(KEY.id, b"guessed"), timedelta(0), FORGERY),
            (KEY, -OLD, r"sealed 3[67]\d s before it came, and lasts 300 s"),
            (KEY, OLD, "sealed -3"),
        ],
    )
    async def test_one_that_the_service_has_not_sealed_now_is_refused(
        self, hotline: Hotline, key: Key, off: timedelta, why: str
    ) -> None:
        complaint = await hotline.start()
        sent = await sealed_by(hotline, key, complaint, -off)
        message = await refused(stranger(hotline.client), complaint, "comment", sent, id="known")
        assert re.search(why, message)
        assert "POST /v1/complaints/NUMBER/actions/comment" in message

    @pytest.mark.parametrize(
        ("name", "argument"),
        [
            ("comment", KEPT),
            ("follow_up", Command(actor=KEPT.actor, body=FollowUp(outcome="satisfied"))),
            (UNDELIVERED, Undelivered(key="a-notification", channel="sms", error="HTTP 503")),
            (RECOGNISE, Recognised(flags=(IntakeFlag.REPEAT_CALLER,))),
            (SETTLE, Settlement(incident="i26112700015", result="已修复", message="已恢复供水")),
        ],
    )
    async def test_one_in_clear_is_refused(self, hotline: Hotline, name: str, argument: Any) -> None:
        complaint = await hotline.start()
        assert FORGERY in await refused(stranger(hotline.client), complaint, name, argument)

    @pytest.mark.usefixtures("accepted_within")
    @pytest.mark.parametrize("off", [timedelta(minutes=-16), timedelta(minutes=16)])
    async def test_one_that_no_replay_would_take_is_refused(
        self, hotline: Hotline, monkeypatch: pytest.MonkeyPatch, off: timedelta
    ) -> None:
        """Sender and worker agree on the time, and Temporal has another."""
        complaint, client = await hotline.start(), with_options(hotline.client, **sealing_by(KEY, off))
        clock = SimpleNamespace(time=lambda: time.time() + off.total_seconds())
        monkeypatch.setattr("activities.sealing.stamps.time", clock)
        message = await refused(client, complaint, "comment", KEPT)
        assert re.search(r"by Temporal's clock, it was sealed -?9[56]\d s before it came, and lasts 900 s", message)

    async def test_one_of_an_unknown_key_is_refused(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        sent = await sealed_by(hotline, Key(b"othr", KEY.secret), complaint)
        message = await refused(stranger(hotline.client), complaint, "comment", sent, id="known")
        assert "which this process does not have" in message

    async def test_one_is_good_for_no_other(self, hotline: Hotline) -> None:
        """Of another case, under another id, by another name; nor is a start."""
        complaint, other = await hotline.start(), await hotline.start()
        await complaint.act(KEPT.body, KEPT.actor, key="known")
        copied, client = RawValue((await accepted(complaint))[-1].args.payloads[0]), stranger(hotline.client)
        assert FORGERY in await refused(client, other, "comment", copied, id="known")
        assert "for another update" in await refused(client, complaint, "comment", copied, id="another")
        assert ELSE in await refused(client, complaint, "urge", copied, id="known-too")
        started = RawValue(await start_of(complaint.handle))
        assert ELSE in await refused(client, complaint, "comment", started, id="a-start")

    async def test_one_that_is_sent_again_is_not_done_twice(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        done = await complaint.act(KEPT.body, KEPT.actor, key="known")
        copied = RawValue((await accepted(complaint))[-1].args.payloads[0])
        handle = stranger(hotline.client).get_workflow_handle(complaint.handle.id)
        again = await handle.start_update("comment", copied, id="known", wait_for_stage=WorkflowUpdateStage.COMPLETED)
        sent = hotline.client.get_workflow_handle(complaint.handle.id).get_update_handle(again.id, result_type=Outcome)
        assert ((await sent.result()).version, done.version) == (2, 2)
        assert (await complaint.view()).version == 2


class TestStarts:
    @pytest.mark.parametrize(
        ("stamped", "why"),
        [
            (Stamped("start", "IncidentWorkflow"), ELSE),
            (Stamped("command", "ComplaintWorkflow"), ELSE),
            (Stamped("result", "ComplaintWorkflow"), ELSE),
            (Stamped("start", "ComplaintWorkflow", ago=OLD), "sealed 360 s before it came"),
            (Stamped("start", "ComplaintWorkflow", id="the run before"), "sealed for another run"),
        ],
    )
    async def test_what_was_sealed_for_something_else_starts_nothing(
        self, hotline: Hotline, stamped: Stamped, why: str
    ) -> None:
        """Under the id of a case that was ended, which is free again."""
        complaint = await hotline.start()
        await complaint.handle.terminate()
        before = await complaint.rows()
        start = ComplaintStart(source=hotline.registration(number=complaint.number), sender_version=1)
        place = WorkflowSerializationContext(hotline.client.namespace, complaint.handle.id)
        sealed = await stamped.seal(hotline.client, place, start)
        for arguments in ([sealed], [sealed, sealed]):
            assert why in await rejected(await started(hotline, complaint.handle.id, *arguments))
        assert await complaint.rows() == before

    async def test_one_is_good_for_no_other_case(self, hotline: Hotline) -> None:
        complaint, other = await hotline.start(), await hotline.start()
        await other.handle.terminate()
        copied = RawValue(await start_of(complaint.handle))
        assert FORGERY in await rejected(await started(hotline, other.handle.id, copied))

    @pytest.mark.slow
    async def test_the_later_runs_of_a_cron_are_refused_as_well(self, hotline: Hotline) -> None:
        """Temporal starts them itself, with the message of the case in whose place they are."""
        complaint = await hotline.start()
        await complaint.handle.terminate()
        before, copied = await complaint.rows(), RawValue(await start_of(complaint.handle))
        options: dict[str, Any] = {"cron_schedule": "@every 1s", "run_timeout": timedelta(seconds=2)}
        first = await started(hotline, complaint.handle.id, copied, **options)
        handle = hotline.client.get_workflow_handle(complaint.handle.id)
        later = await until(handle.describe, lambda found: found.run_id != first.first_execution_run_id)
        run = hotline.client.get_workflow_handle(handle.id, run_id=later.run_id)
        events = await until(run.fetch_history, lambda found: len(found.events) >= 5)
        await handle.terminate()
        assert not any(each.HasField("activity_task_scheduled_event_attributes") for each in events.events)
        assert await complaint.rows() == before

    async def test_a_workflow_of_an_unknown_type_fails_unless_the_service_has_started_it(
        self, hotline: Hotline
    ) -> None:
        """A newer release may have the type: then the workflow waits for its worker."""
        forged, newer = [
            await client.start_workflow(
                "NoSuchWorkflow",
                {"x": 1},
                id=f"no-such-{client is hotline.client}-{time.time_ns()}",
                task_queue=hotline.settings.task_queue,
            )
            for client in (stranger(hotline.client), hotline.client)
        ]
        assert FORGERY in await rejected(forged)
        await waits(newer)
        await newer.terminate()

    @pytest.mark.parametrize(("kind", "signal"), [("ComplaintWorkflow", "publish"), ("IncidentWorkflow", "linked")])
    async def test_a_signal_that_comes_with_a_forged_start_does_not_hide_the_reason(
        self, hotline: Hotline, kind: str, signal: str
    ) -> None:
        for arguments in ([{"x": 1}], []):
            options: dict[str, Any] = {"start_signal": signal, "start_signal_args": [["2608034711004"]]}
            handle = await started(hotline, f"forged-{time.time_ns()}", *arguments, kind=kind, **options)
            assert FORGERY in await rejected(handle)


async def started(
    hotline: Hotline, name: str, *arguments: Any, kind: str = "ComplaintWorkflow", **options: Any
) -> WorkflowHandle[Any, Any]:
    """Start a workflow on the queue of the service, past it."""
    queue = hotline.settings.task_queue
    client = stranger(hotline.client)
    begun = await client.start_workflow(kind, args=arguments, id=name, task_queue=queue, **options)
    return hotline.client.get_workflow_handle(
        begun.id, run_id=begun.first_execution_run_id, first_execution_run_id=begun.first_execution_run_id
    )


async def waits(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until a task has failed: the workflow runs, and goes on when the task can be done."""

    async def causes() -> set[int]:
        events = (await handle.fetch_history()).events
        return {event.workflow_task_failed_event_attributes.cause for event in events}

    # A reset leaves a failed task as well.
    others = {0, WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW}
    await until(causes, lambda found: bool(found - others))
    assert (await handle.describe()).close_time is None


class Forgetful(OneKey):
    """Keys of a worker that does not find those that `lost` names for a while."""

    def __init__(self, *more: Key) -> None:
        super().__init__()
        self._all = {each.id: each for each in (KEY, *more)}
        self.lost: set[bytes] = set()

    def find(self, key_id: bytes) -> Key | None:
        return None if key_id in self.lost else self._all.get(key_id)


LATER_KEY = Key(b"next", b"the next secret of the tests")


@pytest.mark.parametrize("lost", [KEY, LATER_KEY], ids=["of the start", "of an update"])
async def test_a_case_waits_while_its_worker_does_not_have_the_key(
    server: WorkflowEnvironment, tmp_path: Path, lost: Key
) -> None:
    """The start, or an accepted update, cannot be opened at replay: nothing ends, and all goes on with the key."""
    keys = Forgetful(LATER_KEY)
    options: dict[str, Any] = {"task_queue": f"forgetful-{lost.id.decode()}", "max_cached_workflows": 0}
    async with running_hotline(server, tmp_path, sealing(keys), **options) as hotline:
        complaint = await hotline.start(unwritten=True)
        keys.key = LATER_KEY
        await complaint.act(KEPT.body, KEPT.actor, unwritten=True)
        keys.lost.add(lost.id)
        await complaint.handle.signal("publish")
        await waits(complaint.handle)
        assert await complaint.rows() == []
        keys.lost.clear()
        assert [row["action"] for row in await complaint.published(2)] == ["register", "comment"]


async def test_what_a_query_answers_is_sealed(hotline: Hotline) -> None:
    complaint = await hotline.start()
    await complaint.view()
    client = stranger(hotline.client)
    for name in ("case", "__temporal_workflow_metadata", "__stack_trace"):
        told = await client.get_workflow_handle(complaint.handle.id).query(name, result_type=RawValue)
        assert told.payload.metadata["encoding"] == SEALED
