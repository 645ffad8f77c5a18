"""Additions of the host to the case: updates and refusals, what the UI shows, publication, and long lives."""

import asyncio
import inspect
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.names import CATALOGUE_CHANGE, RECOGNISE, SETTLE, UNDELIVERED
from domain.case.actions import COMMANDS
from domain.case.actions.arrive import Arrive
from domain.case.actions.comment import Comment
from domain.case.actions.complete import Complete
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.reply import Reply
from domain.case.actions.sign_for import SignFor
from domain.case.actions.withdraw import Withdraw
from domain.case.lifecycle import State
from domain.case.views import Outcome
from domain.catalogue.terms import Promise
from domain.shared.actors import Actor, Role
from readmodel.base.database import engine as engine_of
from tests.support.hotline import ADMIN, Complaint, Hotline, metadata, running_hotline, until
from tests.support.temporal import temporal_server
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.kit import search_attributes as keys

pytestmark = pytest.mark.asyncio(loop_scope="session")

STRAIGHT = (
    Dispatch(department="repair"),
    SignFor(),
    Arrive(),
    Complete(result="阀芯已复位"),
    Reply(message="已恢复供水"),
    FollowUp(outcome="satisfied"),
)


async def events_of(complaint: Complaint, kind: EventType.ValueType | None = None) -> list[HistoryEvent]:
    history = await complaint.handle.fetch_history()
    return [event for event in history.events if kind is None or event.event_type == kind]


async def at_rest(complaint: Complaint) -> None:
    """Everything is published, and the workflow knows it."""

    async def look() -> tuple[int, bool]:
        described = (await complaint.handle.describe()).raw_description
        return len(described.pending_activities), described.HasField("pending_workflow_task")

    view = await complaint.view()
    await complaint.published(view.version)
    await until(look, lambda pending: pending == (0, False))


async def refusal(complaint: Complaint, body: Any, **by: Any) -> ApplicationError:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await complaint.act(body, **by)
    assert isinstance(refused.value.cause, ApplicationError)
    return refused.value.cause


class TestUpdates:
    async def test_each_action_is_an_update_with_a_description(self, hotline: Hotline) -> None:
        described = (await metadata((await hotline.start()).handle)).definition
        updates = {each.name: each.description for each in described.update_definitions}
        # The others are no action of anybody's: a new catalogue, an incident that is over, a caller known late ...
        own = {CATALOGUE_CHANGE, SETTLE, RECOGNISE, UNDELIVERED}
        assert set(updates) == {*(action for action in COMMANDS)} | own
        others = [*described.query_definitions, *described.signal_definitions]
        assert all(updates.values())
        assert all(each.description for each in others if not each.name.startswith("__"))
        # The Temporal UI lists names with descriptions, in the order of the names.
        assert own == {name for name in updates if name.startswith("internal_")}
        signals = [each.description for each in described.signal_definitions if not each.name.startswith("__")]
        assert all(each.startswith("内部 Internal: ") for each in [*signals, *map(updates.__getitem__, own)])

    async def test_a_refusal_says_what_would_be_accepted_and_leaves_no_trace(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        await at_rest(complaint)
        before = len(await events_of(complaint))
        cause = await refusal(complaint, SignFor())
        assert cause.type == "conflict:out_of_turn"
        assert cause.details[0]["state"] == "registered"
        assert "dispatch" in cause.details[0]["accepted"]
        crew = Actor(id="wu", role=Role.CREW)
        assert (await refusal(complaint, Dispatch(department="repair"), by=crew)).type == "forbidden:wrong_role"
        assert len(await events_of(complaint)) == before

    async def test_two_at_once_one_wins(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        both = [complaint.act(Dispatch(department="repair")) for _ in range(2)]
        results = await asyncio.gather(*both, return_exceptions=True)
        lost = [each for each in results if isinstance(each, WorkflowUpdateFailedError)]
        assert len(lost) == 1
        assert isinstance(lost[0].cause, ApplicationError)
        assert lost[0].cause.details[0]["state"] == "dispatched"
        assert [row["action"] for row in await complaint.published(2)] == ["register", "dispatch"]

    async def test_a_repeated_key_does_nothing_twice(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        first = await complaint.act(Comment(note="一次"), key="k1", digest="d1")
        again = await complaint.act(Comment(note="一次"), key="k1", digest="d1")
        assert (first.version, again.version, again.digest) == (2, 2, "d1")


class TestWhatStaffSee:
    async def test_summary_attributes_and_details(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        await complaint.act(Dispatch(department="repair"))
        described = await complaint.handle.describe()
        assert await described.static_summary() == f"P2 停水/无水 No water · west · {complaint.number}"
        shown = described.typed_search_attributes
        assert (shown[keys.STATE], shown[keys.DEPARTMENT], shown[keys.SLA]) == ("dispatched", "repair", "on_time")
        assert (shown[keys.OWNER], shown[keys.PRIORITY], shown[keys.DISTRICT]) == ("chen", "P2", "west")
        assert shown[keys.HEADLINE] == "待签收 · 停水/无水 · 西区街道"
        due = [clock.due_at for clock in (await complaint.view()).clocks if clock.due_at]
        assert abs(shown[keys.NEXT_DUE_AT] - min(due)) < timedelta(milliseconds=1)
        details = (await metadata(complaint.handle)).current_details
        for words in ("待签收", "dispatched", "签收 acknowledge", "到场 arrive", "回复 reply", "可办理", "`sign_for`"):
            assert words in details

    async def test_timers_and_activities_have_summaries(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        await complaint.act(Dispatch(department="repair"), case_writes=True)
        await complaint.published(2)
        kinds = (EventType.EVENT_TYPE_TIMER_STARTED, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        for kind in kinds:
            events = await events_of(complaint, kind)
            assert events
            assert all(event.user_metadata.summary.data for event in events)

    async def test_no_personal_data_in_search_attributes_and_summary(self, hotline: Hotline) -> None:
        spoken = {"name": "李婆婆", "phone": "13900001111", "account_no": "A-778"}
        where = {"district": "west", "address": "下闸新村3号"}
        intake = {"service_code": "no_water", "description": "没水", "caller": spoken, "location": where}
        complaint = await hotline.start(intake=intake)
        await complaint.act(Dispatch(department="repair"))
        described = await complaint.handle.describe()
        public = f"{described.typed_search_attributes} {await described.static_summary()} {described.id}"
        for secret in (*spoken.values(), where["address"]):
            assert secret not in public


class TestCost:
    async def test_the_straight_path_stays_within_its_budget(self, hotline: Hotline) -> None:
        """At most 45 events, 15 billable actions and 2 timers, and no activity: the sender writes every batch."""
        complaint = await hotline.start()
        for body in STRAIGHT:
            await at_rest(complaint)
            answer = await complaint.act(body)
            # Each thing once: the sender computes its answer from the batch.
            assert (answer.batch is None, answer.case) == (False, None)
        await at_rest(complaint)
        assert len(await events_of(complaint)) <= 45
        timers = len(await events_of(complaint, EventType.EVENT_TYPE_TIMER_STARTED))
        activities = len(await events_of(complaint, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED))
        upserts = len(await events_of(complaint, EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES))
        updates = len(await events_of(complaint, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED))
        assert (activities, updates) == (0, 6)
        assert timers <= 2
        assert 1 + timers + activities + upserts + updates <= 15

    async def test_a_comment_starts_no_timer_and_changes_one_search_attribute(self, hotline: Hotline) -> None:
        complaint = await hotline.start()
        await complaint.published(1)
        for version in range(2, 7):
            await complaint.act(Comment(note=f"第{version}次"))
        assert len(await events_of(complaint, EventType.EVENT_TYPE_TIMER_STARTED)) == 1
        upserts = await events_of(complaint, EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES)
        changed = [each.upsert_workflow_search_attributes_event_attributes.search_attributes for each in upserts]
        assert [[*attributes.indexed_fields] for attributes in changed] == [["ChangedAt"]] * 5

    async def test_the_host_is_thin(self) -> None:
        assert len(inspect.getsource(ComplaintWorkflow.run).splitlines()) <= 40


class TestPublication:
    async def test_what_sql_refuses_is_tried_again_until_it_takes_it(self, hotline: Hotline) -> None:
        """SQL is away while the case goes on; then everything appears, each event once."""
        complaint = await hotline.start()
        await complaint.published(1)
        with without_events(hotline):
            for body in STRAIGHT[:3]:
                await complaint.act(body)
            assert (await complaint.view()).state is State.IN_PROGRESS
            scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
            await until(lambda: events_of(complaint, scheduled), lambda events: len(events) == 1)
            await until(lambda: _attempts(complaint), lambda attempts: attempts >= 2)
        rows = await complaint.published(4)
        assert [row["seq"] for row in rows] == [1, 2, 3, 4]

    @pytest.mark.slow
    async def test_a_clock_rings_while_sql_is_away(self, hotline: Hotline) -> None:
        """The server skips no time while an activity is open, so this promise is short: two real seconds."""
        terms = hotline.catalogue.terms("no_water", "west", datetime.now(UTC))
        promise = Promise(name="acknowledge", calendar="always", budget_seconds=2, starts="dispatch")
        complaint = await hotline.start(terms=terms.model_copy(update={"promises": (promise,)}))
        await complaint.published(1)
        with without_events(hotline):
            await complaint.act(Dispatch(department="repair"))
            assert (await until(complaint.view, lambda view: view.sla == "missed")).version == 5
        rows = await complaint.published(5)
        assert [row["action"] for row in rows][:5] == ["register", "dispatch", *["escalate"] * 3]


@contextmanager
def without_events(hotline: Hotline) -> Iterator[None]:
    """The table that every publication needs is away."""
    owner = engine_of(hotline.settings.database_url)
    try:
        with owner.begin() as connection:
            connection.execute(text("ALTER TABLE events RENAME TO events_away"))
        yield
    finally:
        with owner.begin() as connection:
            connection.execute(text("ALTER TABLE events_away RENAME TO events"))
        owner.dispose()


async def _attempts(complaint: Complaint) -> int:
    described = await complaint.handle.describe()
    return max((each.attempt for each in described.raw_description.pending_activities), default=0)


class TestLongLife:
    @pytest.mark.slow
    async def test_continue_as_new_carries_everything(self, tmp_path: Path) -> None:
        """A low suggestion limit makes a case change runs again and again; nobody notices."""
        limit = "limit.historyCount.suggestContinueAsNew=25"
        async with await temporal_server(limit) as server, running_hotline(server, tmp_path) as hotline:
            complaint = await hotline.start()
            first = (await complaint.handle.describe()).run_id
            await complaint.act(Dispatch(department="repair"), key="first", digest="d")
            for version in itertools.count(3):
                await complaint.published(version - 1)
                if (await complaint.handle.describe()).run_id != first:
                    break
                await complaint.act(Comment(note=f"第{version}次"))
            view = await complaint.view()
            sent = ("first", "other")
            asked = [await complaint.handle.query("done", args=[key, ADMIN], result_type=Outcome) for key in sent]
            assert [each and each.version for each in asked] == [2, None]
            again = await complaint.act(Dispatch(department="repair"), key="first", digest="d")
            assert (again.action, again.digest, again.version) == ("dispatch", "d", 2)
            described = await complaint.handle.describe()
            assert described.typed_search_attributes[keys.STATE] == "dispatched"
            details = (await metadata(complaint.handle)).current_details
            assert f"{complaint.number} · 停水/无水 No water (P2)" in details
            assert "待签收" in details
            entries = [found[1] for found in re.finditer(r"^- .+ · \S+ `(\w+)` · ", details, re.MULTILINE)]
            actions = [row["action"] for row in await complaint.published(view.version)]
            assert entries == list(reversed(actions))[:10]
            escalation = await complaint.ahead(minutes=11)
            assert escalation.sla == "missed"
            assert escalation.version == view.version + 3
            await complaint.act(Withdraw(reason="用户撤销"))
            await complaint.ahead(hours=73)
            await complaint.closed()
            rows = await complaint.published(escalation.version + 1)
            assert [row["seq"] for row in rows] == list(range(1, escalation.version + 2))
