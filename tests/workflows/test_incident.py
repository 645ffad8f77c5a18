"""The incident on a real server: cases tell it of themselves, and it does what it is told."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.names import ABSORB
from domain.case.actions.answer import Answer
from domain.case.actions.comment import Comment
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.reinstate import Reinstate
from domain.case.actions.withdraw import Withdraw
from domain.incident.actions import (
    INCIDENT_COMMANDS,
    Confirm,
    Dismiss,
    DispatchIncident,
    Inform,
    Merge,
    SignForIncident,
)
from domain.incident.incident import IncidentBatch
from domain.shared.actors import SYSTEM
from hotline.recovery.payloads import Origin
from readmodel.base.database import engine as engine_of
from readmodel.writer import GroupWriter
from tests.support.build import INCIDENT
from tests.support.causes import OVER, Cause, actions, count_of, declare, linked, replied, told
from tests.support.hotline import ADMIN, Complaint, Hotline, metadata, running_hotline, until
from tests.support.lost import reset
from tests.support.temporal import temporal_server
from workflows.incident.messages import IncidentOutcome
from workflows.kit import search_attributes as keys

pytestmark = pytest.mark.asyncio(loop_scope="session")


class TestLinks:
    async def test_a_case_registered_with_an_incident_tells_it_so(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "shiqi")
        complaint, _ = await linked(hotline, cause, 2)
        assert (await complaint.view()).incident == cause.number
        shown = (await complaint.handle.describe()).typed_search_attributes
        assert shown[keys.INCIDENT] == cause.number

    async def test_a_case_that_is_taken_out_tells_it_so(self, hotline: Hotline) -> None:
        cause, other = await declare(hotline, "wuguishan"), await declare(hotline, "wuguishan")
        one, two = await linked(hotline, cause, 2)
        await one.act(LinkIncident(incident=None))
        await cause.waits_for(1)
        await two.act(LinkIncident(incident=other.number))
        await other.waits_for(1)
        await cause.waits_for(0)

    async def test_a_case_takes_itself_out_of_an_incident_that_has_ended_and_says_so(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "shenwan")
        await cause.act(Dismiss(reason="误报"))
        await cause.handle.result()
        # The answer of the incident and that of SQL come in either order: so there are many.
        complaints = [await hotline.start(incident=cause.number) for _ in range(20)]
        await asyncio.gather(*map(leaves, complaints))
        # Linked to it again, as somebody may who has not seen the end, it leaves again.
        await complaints[0].act(LinkIncident(incident=cause.number))
        await until(complaints[0].view, lambda view: view.incident is None)

    async def test_a_case_that_was_answered_meanwhile_tells_an_incident_that_has_ended_once(
        self, hotline: Hotline
    ) -> None:
        """It was answered before it could hear so: then there is nothing to take it out of."""
        complaint = await hotline.start_with(Answer(message="管网抢修，今晚恢复"), incident=INCIDENT)
        told = EventType.EVENT_TYPE_MARKER_RECORDED
        await until(partial(count_of, complaint, told), (1).__eq__)
        await complaint.act(Comment(note="补充"))
        assert await actions(complaint) == ["register", "answer", "comment"]
        assert (await complaint.view()).incident == INCIDENT
        assert await count_of(complaint, told) == 1

    async def test_cases_of_its_scope_that_are_there_already_are_linked(self, hotline: Hotline) -> None:
        before = await hotline.start(district="banfu")
        elsewhere = await hotline.start(district="gangkou")
        await asyncio.gather(before.published(1), elsewhere.published(1))
        registered_at = (await before.view()).registered_at
        cause = await declare(hotline, "banfu", since=registered_at)
        await cause.waits_for(1)
        assert (await before.view()).incident == cause.number
        assert (await elsewhere.view()).incident is None

    async def test_a_reinstated_case_is_linked_again_by_the_next_search(self, hotline: Hotline) -> None:
        complaint = await hotline.start(district="banfu")
        await complaint.published(1)
        cause = await declare(hotline, "banfu", since=(await complaint.view()).registered_at)
        await cause.waits_for(1)
        await complaint.act(Withdraw(reason="误操作"))
        await complaint.act(Reinstate(reason="撤销有误"))
        assert (await complaint.view()).incident is None
        await cause.waits_for(0)
        other = await declare(hotline, "gangkou")
        await other.act(Merge(into=cause.number))
        await until(complaint.view, lambda view: view.incident == cause.number)
        await cause.act(Dismiss(reason="误报"))

    async def test_the_second_look_finds_what_sql_did_not_show_at_the_first(self, hotline: Hotline) -> None:
        complaint = await hotline.start(district="minzhong")
        database = engine_of(hotline.settings.database_url)
        await complaint.published(1)
        with database.begin() as connection:
            connection.exec_driver_sql("UPDATE cases SET incident = 'hidden' WHERE number = ?", (complaint.number,))
        cause = await declare(hotline, "minzhong", since=(await complaint.view()).registered_at)
        await until(partial(completed, cause, "gather_cases"), lambda looks: looks == 1)
        with database.begin() as connection:
            connection.exec_driver_sql("UPDATE cases SET incident = NULL WHERE number = ?", (complaint.number,))
        database.dispose()
        await hotline.server.fast_forward(cause.handle, timedelta(seconds=16))
        await cause.waits_for(1)
        assert (await complaint.view()).incident == cause.number


class TestPublication:
    async def test_a_run_that_sql_is_ahead_of_looks_for_no_case(self, hotline: Hotline) -> None:
        """It was reset: SQL has more of the incident than what it publishes."""
        cause = await declare(hotline, "minzhong")
        await cause.act(Inform(message="正在抢修"))
        await cause.published("declare", "inform")
        await reset(hotline.client, cause.handle.id)
        await until(partial(completed, cause, "publish_incident"), bool)
        await until(partial(rests, cause), bool)
        assert await completed(cause, "gather_cases") == 0
        await cause.handle.terminate()

    async def test_a_batch_carries_the_incident_as_its_events_left_it(self, hotline: Hotline) -> None:
        """With no case to act on, the incident ends in the very task that publishes the action."""
        cause = await declare(hotline, "wuguishan")
        await until(partial(completed, cause, "gather_cases"), lambda searches: searches == 1)
        await cause.act(Dismiss(reason="误报"))
        await cause.handle.result()
        scheduled = [
            event.activity_task_scheduled_event_attributes for event in (await cause.handle.fetch_history()).events
        ]
        payloads = [each.input.payloads for each in scheduled if each.activity_type.name == "publish_incident"]
        place = Origin(hotline.client.data_converter, hotline.client.namespace, cause.handle.id)
        converter = place.of("IncidentWorkflow", "publish_incident")
        batches = [(await converter.decode(each, [IncidentBatch]))[0] for each in payloads]
        assert [(batch.incident.version, batch.events[-1].action) for batch in batches] == [
            (1, "declare"),
            (2, "dismiss"),
            (3, "finish"),
        ]


async def leaves(complaint: Complaint) -> None:
    """The case takes itself out of its incident, tells the dispatcher, and shows that."""
    assert (await until(complaint.view, lambda view: view.version == 2)).incident is None
    left = (await complaint.published(2))[1]
    assert (left["action"], left["actor"]) == ("link_incident", SYSTEM.id)
    [notice] = await complaint.rows("notifications")
    assert (notice["recipient"], notice["kind"]) == ("dispatcher", "link_incident")
    await until(partial(shown_incident, complaint), lambda incident: incident is None)


async def shown_incident(complaint: Complaint) -> str | None:
    shown = (await complaint.handle.describe()).typed_search_attributes
    return shown.get(keys.INCIDENT)


async def rests(cause: Cause) -> bool:
    """Return True if nothing is under way."""
    described = (await cause.handle.describe()).raw_description
    return not (described.pending_activities or described.HasField("pending_workflow_task"))


async def completed(cause: Cause, name: str, run: str | None = None) -> int:
    """Count these activities that are done in a run, the present one unless it is named."""
    handle = cause.handle if run is None else cause.run(run)
    history = (await handle.fetch_history()).events
    mine = {e.event_id for e in history if e.activity_task_scheduled_event_attributes.activity_type.name == name}
    return sum(e.activity_task_completed_event_attributes.scheduled_event_id in mine for e in history)


class TestActing:
    async def test_a_refusal_says_what_would_be_accepted(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "henglan")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await cause.act(SignForIncident())
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "conflict:out_of_turn"
        assert refused.value.cause.details[0]["accepted"] == ["dismiss", "merge", "dispatch", "inform", "resolve"]

    async def test_a_repeated_key_does_nothing_twice(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "henglan")
        body = DispatchIncident(department="repair")
        first = await cause.act(body, key="k1", digest="d1")
        await cause.act(SignForIncident())
        again = await cause.act(body, key="k1", digest="d1")
        assert (first.version, again.version, again.digest) == (2, 2, "d1")
        assert (await cause.seen()).incident.state == "in_progress"
        await cause.published("declare", "dispatch", "sign_for")

    async def test_a_repeated_suspicion_begins_one_incident(self, hotline: Hotline) -> None:
        once, again = [await declare(hotline, "fusha", known_by="no_water/fusha/") for _ in range(2)]
        other = await declare(hotline, "fusha", known_by="no_water/fusha/later")
        assert once.number == again.number != other.number

    async def test_a_named_case_that_refused_the_link_is_not_waiting(
        self, hotline: Hotline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its caller withdrew after the dispatcher had named it."""
        # A case that does not say in time that it is not linked stays until the end. A heartbeat is due after 30 s.
        monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 25.0)
        gone, mine = await hotline.start(district="banfu"), await hotline.start(district="banfu")
        await gone.act(Withdraw(reason="已自行解决"))
        cause = await declare(hotline, "nanlang", actor=SYSTEM, calls=11)
        await cause.act(Confirm(cases=(gone.number, mine.number)))
        await until(mine.view, lambda view: view.incident == cause.number)
        await until(partial(completed, cause, "find_unlinked_cases"), (1).__eq__)
        await cause.waits_for(1)
        await cause.act(OVER)
        last = (await cause.published("suspect", "confirm", "resolve", "finish"))[-1]
        assert last["data"] == '{"settled":1}'

    async def test_who_withdrew_hears_no_more_of_it(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "nantou")
        gone, waits = await linked(hotline, cause, 2)
        await gone.act(Withdraw(reason="用户自行解决"))
        await cause.act(Inform(message="正在抢修"))
        await until(partial(told, waits, "incident_inform"), lambda rows: len(rows) == 1)
        assert await told(gone, "incident_inform") == []

    async def test_news_reach_each_caller_once_though_they_are_written_twice(
        self, server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first try dies after the first message was committed."""
        monkeypatch.setattr("activities.incidents.SLICE", 1)
        tries = fail_once(monkeypatch, lambda work: getattr(work, "keywords", {}).get("news"))
        async with running_hotline(server, tmp_path, task_queue="news") as hotline:
            cause = await declare(hotline, "gangkou")
            complaints = await linked(hotline, cause, 3)
            expected_at = datetime(2036, 1, 1, 10, tzinfo=UTC)
            await cause.act(Inform(message="正在抢修", message_en="At work.", expected_at=expected_at))
            for complaint in complaints:
                rows = await until(partial(told, complaint, "incident_inform"), lambda rows: len(rows) > 0)
                assert [row["text_zh"] for row in rows] == ["正在抢修 预计2036-01-01 18:00恢复。"]
            await until(partial(completed, cause, "inform_callers"), lambda done: done == 1)
        assert len(tries) == 4


def fail_once(monkeypatch: pytest.MonkeyPatch, concerned: Callable[[Any], object]) -> list[Any]:
    """The first of these writes is committed, and its activity fails all the same. What was written, in order."""
    written: list[Any] = []
    write = GroupWriter.run

    async def failing(self: GroupWriter, work: Any) -> Any:
        result = await write(self, work)
        if concerned(work):
            written.append(work)
            if len(written) == 1:
                raise RuntimeError("died after the commit")
        return result

    monkeypatch.setattr(GroupWriter, "run", failing)
    return written


@pytest.mark.slow
class TestLongLife:
    async def test_continue_as_new_carries_everything(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A low suggestion limit changes runs while it is open, and between the portions when it ends."""
        monkeypatch.setattr("activities.incidents.BATCH", 1)
        limit = "limit.historyCount.suggestContinueAsNew=25"
        async with await temporal_server(limit) as server, running_hotline(server, tmp_path) as hotline:
            cause = await declare(hotline, "west")
            await cause.act(DispatchIncident(department="repair"), key="first", digest="d")
            complaints = await linked(hotline, cause, 8)
            first = await run_of(cause)
            for turn in itertools.count(1):
                await cause.act(Inform(message=f"第{turn}次"))
                await until(partial(news_of, complaints[-1]), turn.__eq__)
                if await run_of(cause) != first:
                    break
            seen = await cause.seen()
            assert (seen.waiting, seen.incident.department) == (8, "repair")
            asked = [
                await cause.handle.query("done", args=[key, ADMIN], result_type=IncidentOutcome)
                for key in ("first", "other")
            ]
            assert [each and each.version for each in asked] == [2, None]
            again = await cause.act(DispatchIncident(department="repair"), key="first", digest="d")
            assert (again.action, again.digest, again.version) == ("dispatch", "d", 2)
            shown = (await cause.handle.describe()).typed_search_attributes
            assert (shown[keys.STATE], shown[keys.DEPARTMENT]) == ("dispatched", "repair")
            assert "Linked cases\N{EN SPACE}| 8 |" in (await metadata(cause.handle)).current_details

            before = await run_of(cause)
            await cause.act(OVER)
            for complaint in complaints:
                await replied(complaint)
            last = (await cause.published("declare", "dispatch", *["inform"] * turn, "resolve", "finish"))[-1]
            assert last["data"] == '{"settled":8}'
            assert await completed(cause, "settle_cases", before) < len(complaints)


async def news_of(complaint: Complaint) -> int:
    return len(await told(complaint, "incident_inform"))


async def run_of(cause: Cause) -> str | None:
    return (await cause.handle.describe()).run_id


class TestWhatStaffSee:
    async def test_a_linked_case_names_its_incident_and_its_district(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "nanlang")
        [complaint] = await linked(hotline, cause, 1)
        shown = await until(
            lambda: metadata(complaint.handle), lambda shown: f"- {cause.number} · 爆管" in shown.current_details
        )
        assert "南朗街道 Nanlang `nanlang`" in shown.current_details

    async def test_summary_attributes_details_and_how_far_it_is(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "nanlang")
        await linked(hotline, cause, 2)
        described = await cause.handle.describe()
        where = "停水/无水 no_water · 南朗街道 nanlang"
        assert await described.static_summary() == f"突发事件 incident {cause.number} · {where}"
        shown = described.typed_search_attributes
        assert (shown[keys.STATE], shown[keys.SERVICE], shown[keys.DISTRICT]) == ("confirmed", "no_water", "nanlang")
        assert shown[keys.INCIDENT] == cause.number
        for words in (
            "爆管 burst main",
            "已确认 confirmed",
            f"| 范围\N{EN SPACE}| Scope\N{EN SPACE}| {where} |",
            "Linked cases\N{EN SPACE}| 2 |",
            "Seen to\N{EN SPACE}| 0 (0 %) |",
            "`resolve`",
        ):
            assert words in (await metadata(cause.handle)).current_details
        await cause.act(DispatchIncident(department="repair"))
        await cause.act(OVER)
        await cause.in_state("resolved")
        shown = (await cause.handle.describe()).typed_search_attributes
        assert (shown[keys.STATE], shown[keys.DEPARTMENT]) == ("resolved", "repair")
        details = (await metadata(cause.handle)).current_details
        for words in (
            "已解决 resolved",
            "| 处理部门\N{EN SPACE}| Department\N{EN SPACE}| 抢修队 repair |",
            "Seen to\N{EN SPACE}| 2 (100 %) |",
            "随事件办结 Completed and replied to\N{EN SPACE}| 2 |",
            "无 nothing",
        ):
            assert words in details

    async def test_every_update_query_signal_timer_and_activity_says_what_it_is(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "sanxiang")
        await linked(hotline, cause, 1)
        described = (await metadata(cause.handle)).definition
        updates = {each.name: each.description for each in described.update_definitions}
        assert set(updates) == {*INCIDENT_COMMANDS, ABSORB}
        assert all(updates.values())
        others = [*described.query_definitions, *described.signal_definitions]
        assert all(each.description for each in others if not each.name.startswith("__"))
        await cause.act(OVER)
        await cause.in_state("resolved")
        kinds = (EventType.EVENT_TYPE_TIMER_STARTED, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        noted = [event for event in (await cause.handle.fetch_history()).events if event.event_type in kinds]
        assert {event.event_type for event in noted} == set(kinds)
        assert all(event.user_metadata.summary.data for event in noted)
