"""The end of an incident on a real server: each of its cases hears of it once, whatever dies."""

import asyncio
import threading
from datetime import timedelta
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

import worker
from activities.cases import CaseUpdates, FanOut, Projection
from activities.names import SETTLE, complaint_id
from domain.case.actions.follow_up import FollowUp
from domain.case.lifecycle import State
from domain.incident.actions import Confirm, DispatchIncident, Inform, Merge
from domain.incident.incident import Gathering
from domain.shared.actors import SYSTEM
from readmodel.base.database import ReadConnection
from readmodel.base.database import engine as engine_of
from readmodel.incidents import unclaimed
from tests.support.causes import OVER, Cause, actions, count_of, count_timers, declare, linked, replied, told
from tests.support.hotline import PATIENCE_SECONDS, Hotline, running_hotline, until
from tests.support.outage import down
from tests.workflows.test_incident import completed
from workflows.complaint.messages import ComplaintStart
from workflows.complaint.workflow import ComplaintWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETTLED = ["register", "complete", "reply"]


class TestEnds:
    async def test_every_linked_case_is_settled_and_the_counts_are_told(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "xiaolan")
        one, other, gone = await linked(hotline, cause, 3)
        await gone.handle.terminate("its workflow is no more")
        await cause.act(OVER)
        for complaint in (one, other):
            assert (await replied(complaint)).incident == cause.number
            assert await actions(complaint) == SETTLED
            assert await complaint.returned() == [["register"], ["complete", "reply"]]
        assert (await cause.in_state("resolved")).waiting == 0
        last = (await cause.published("declare", "resolve", "finish"))[-1]
        assert last["data"] == '{"settled":2,"over":1}'
        assert [row["recipient"] for row in await cause.messages()][-2:] == ["dispatcher", "supervisor"]
        await asyncio.wait_for(cause.handle.result(), PATIENCE_SECONDS)

    async def test_nobody_is_asked_how_it_went_where_the_sample_is_empty(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "dongfeng", follow_up_percent=0)
        [complaint] = await linked(hotline, cause, 1)
        await cause.act(OVER)
        await until(complaint.view, lambda view: view.state is State.CLOSED)
        assert await actions(complaint) == SETTLED

    async def test_it_is_not_merged_into_one_that_has_ended_meanwhile(self, hotline: Hotline) -> None:
        ended, cause = await declare(hotline, "huangpu"), await declare(hotline, "huangpu")
        [complaint] = await linked(hotline, cause, 1)
        await ended.act(OVER)
        await ended.handle.result()
        await cause.act(DispatchIncident(department="repair"))
        await cause.act(Merge(into=ended.number))
        await cause.published("declare", "dispatch", "merge", "merge_failed")
        seen = await cause.seen()
        assert (seen.incident.state, seen.incident.into, seen.waiting) == ("dispatched", None, 1)
        assert [row["kind"] for row in await cause.messages()][-1] == "incident_merge_failed"
        await cause.act(OVER)
        await replied(complaint)

    async def test_merged_its_cases_and_its_scope_go_over(self, hotline: Hotline) -> None:
        cause, other = await declare(hotline, "guzhen"), await declare(hotline, "sanjiao")
        complaints = await linked(hotline, other, 2)
        await other.act(Merge(into=cause.number))
        await cause.waits_for(2)
        assert (await other.in_state("merged")).incident.into == cause.number
        assert (await cause.seen()).incident.scope.districts == ("guzhen", "sanjiao")
        assert {(await each.view()).incident for each in complaints} == {cause.number}
        await cause.act(OVER)
        for complaint in complaints:
            await replied(complaint)
            assert await actions(complaint) == ["register", "link_incident", "complete", "reply"]

    async def test_a_scope_that_grows_while_it_is_searched_is_searched_again_at_once(
        self, server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not by the second search alone, which comes a day later here."""
        monkeypatch.setattr("workflows.incident.workflow.SECOND_SEARCH", timedelta(days=1))
        begun, may_end = threading.Event(), threading.Event()

        def slow(connection: ReadConnection, gathering: Gathering, limit: int) -> list[str]:
            if gathering.scope.districts == ("guzhen",):
                begun.set()
                may_end.wait(PATIENCE_SECONDS)
            return unclaimed(connection, gathering, limit)

        monkeypatch.setattr("activities.incidents.unclaimed", slow)
        async with running_hotline(server, tmp_path, task_queue="grows", sandbox=False) as hotline:
            cause = await declare(hotline, "guzhen")
            assert await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)
            other = await declare(hotline, "sanjiao")
            await other.act(Merge(into=cause.number))
            await cause.published("declare", "absorb")
            may_end.set()
            await until(partial(completed, cause, "gather_cases"), (2).__eq__)
            await cause.handle.terminate()

    async def test_a_suspicion_takes_cases_of_a_merged_scope_when_it_is_confirmed(self, hotline: Hotline) -> None:
        waits = await hotline.start(district="gangkou")
        await waits.published(1)
        since = (await waits.view()).registered_at
        cause, other = [
            await declare(hotline, each, actor=SYSTEM, calls=11, since=since) for each in ("fusha", "gangkou")
        ]
        await other.act(Merge(into=cause.number))
        await cause.published("suspect", "absorb")
        await hotline.server.fast_forward(cause.handle, timedelta(seconds=16))
        assert await completed(cause, "gather_cases") == 0
        await cause.act(Confirm())
        await cause.waits_for(1)
        assert (await waits.view()).incident == cause.number


class Freeze:
    """A batch that freezes at its case number `at`: nothing is heard of it until `thaw` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.thaw = asyncio.Event()
        self.frozen = asyncio.Event()
        self.asked: list[str] = []
        send = CaseUpdates.send

        async def freezing(cases: CaseUpdates, number: str, name: str, *rest: Any) -> Any:
            if name == SETTLE:
                self.asked.append(number)
                if len(self.asked) == at:
                    self.frozen.set()
                    await self.thaw.wait()
            return await send(cases, number, name, *rest)

        one_by_one = partialmethod(CaseUpdates.ask_all, fan_out=FanOut(concurrency=1, checkpoint=1))
        monkeypatch.setattr(CaseUpdates, "send", freezing)
        monkeypatch.setattr(CaseUpdates, "ask_all", one_by_one)


class TestFailure:
    @pytest.mark.slow
    async def test_a_fresh_worker_goes_on_from_where_the_last_one_got_to(
        self, server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The worker ends in the middle of a batch: who was seen to is not asked again."""
        monkeypatch.setattr(worker, "GRACE", timedelta(seconds=0.1))
        freeze = Freeze(monkeypatch, at=4)
        async with running_hotline(server, tmp_path, task_queue="two-workers") as hotline:
            cause = await declare(hotline, "west")
            complaints = await linked(hotline, cause, 6)
            await cause.act(OVER)
            await freeze.frozen.wait()
        async with running_hotline(server, tmp_path, task_queue="two-workers") as hotline:
            for complaint in complaints:
                await replied(complaint)
                assert await actions(complaint) == SETTLED
            await cause.published("declare", "resolve", "finish")
        # In the order of linking: the fourth was asked when the worker ended, and again by the next.
        assert freeze.asked[3] == freeze.asked[4]
        assert sorted({*freeze.asked}) == sorted(complaint.number for complaint in complaints)
        # The fourth may be asked once more: Temporal refuses an update that the new worker was given before the case.
        others = [number for number in freeze.asked if number != freeze.asked[3]]
        assert len(others) == len(complaints) - 1

    @pytest.mark.slow
    async def test_nobody_is_settled_twice_by_a_worker_that_was_frozen_and_comes_back(
        self, server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("workflows.kit.entity.HEARTBEAT_TIMEOUT", timedelta(seconds=1))
        freeze = Freeze(monkeypatch, at=3)
        async with running_hotline(server, tmp_path, task_queue="frozen", sandbox=False) as hotline:
            cause = await declare(hotline, "west")
            complaints = await linked(hotline, cause, 5)
            await cause.act(OVER)
            for complaint in complaints:
                await replied(complaint)
            freeze.thaw.set()
            last = (await cause.published("declare", "resolve", "finish"))[-1]
            assert last["data"] == '{"settled":5}'
            assert len(freeze.asked) > len(complaints)
            for complaint in complaints:
                assert await actions(complaint) == SETTLED

    async def test_with_sql_down_cases_are_settled_all_the_same_and_sql_catches_up(
        self, server: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        """Even where news are still to be written and cases to be looked for."""
        async with running_hotline(server, tmp_path, task_queue="no-sql") as hotline:
            cause = await declare(hotline, "west")
            complaints = await linked(hotline, cause, 3)
            await cause.published("declare")
            database = engine_of(hotline.settings.database_url)
            with down(database):
                await cause.act(Inform(message="正在抢修"))
                await cause.act(OVER)
                for complaint in complaints:
                    await replied(complaint)
            database.dispose()
            await cause.published("declare", "inform", "resolve", "finish")
            for complaint in complaints:
                assert await actions(complaint) == SETTLED
                assert len(await told(complaint, "incident_inform")) == 1

    async def test_what_a_batch_could_not_write_the_case_writes_with_what_happens_next(
        self, server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One is followed up, the other ends with its window: neither leaves anything to a batch that died."""
        monkeypatch.setattr(Projection, "write_all", _lost)
        async with running_hotline(server, tmp_path, task_queue="lost") as hotline:
            cause = await declare(hotline, "west")
            [one] = await linked(hotline, cause, 1)
            await cause.act(OVER)
            await replied(one)
            await cause.published("declare", "resolve", "finish")
            assert [row["action"] for row in await one.rows()] == ["register"]
            await one.act(FollowUp(outcome="satisfied"))
            assert await actions(one) == [*SETTLED, "follow_up"]
            cause = await declare(hotline, "west", follow_up_percent=0)
            [other] = await linked(hotline, cause, 1)
            await cause.act(OVER)
            await until(other.view, lambda view: view.state is State.CLOSED)
            await hotline.server.fast_forward(other.handle, timedelta(hours=73))
            await other.closed()
            assert [row["action"] for row in await other.published(3)] == SETTLED

    async def test_a_settled_case_costs_no_activity_of_its_own(self, hotline: Hotline) -> None:
        cause = await declare(hotline, "nanlang")
        complaints = await linked(hotline, cause, 3)
        for complaint in complaints:
            await complaint.published(1)  # else the settlement would bring the registration as well
        await cause.act(OVER)
        for complaint in complaints:
            await replied(complaint)
            assert await actions(complaint) == SETTLED
            scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
            assert await count_of(complaint, scheduled) == 0

    @pytest.mark.slow
    @pytest.mark.parametrize(("batch", "silent"), [(200, 1), (1, 2)])
    async def test_cases_that_do_not_answer_keep_nobody_waiting_and_are_asked_again_later(
        self, server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, silent: int
    ) -> None:
        """Their workflows have no worker that could compute them. Each was asked in three tries before the pause."""
        monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 0.5)
        monkeypatch.setattr("workflows.incident.workflow.BATCH", batch)  # which the sandbox would not see
        async with running_hotline(server, tmp_path, task_queue=f"silent-{batch}", sandbox=False) as hotline:
            cause = await declare(hotline, "west")
            stuck = [await self._stuck(hotline, cause) for _ in range(silent)]
            complaints = await linked(hotline, cause, 3)
            await cause.act(OVER)
            for complaint in complaints:
                await replied(complaint)
            seen = await until(cause.seen, lambda seen: seen.waiting == silent)
            assert seen.incident.state == "settling"
            await until(partial(count_timers, cause), lambda timers: timers == 2)  # beside that of the second search
            for handle in stuck:
                await handle.terminate("it will not come back")
            await hotline.server.fast_forward(cause.handle, timedelta(minutes=6))
            last = (await cause.published("declare", "resolve", "finish"))[-1]
            assert last["data"] == f'{{"settled":3,"over":{silent}}}'

    @staticmethod
    async def _stuck(hotline: Hotline, cause: Cause) -> WorkflowHandle[Any, Any]:
        registration = hotline.registration(incident=cause.number)
        handle = await hotline.client.start_workflow(
            ComplaintWorkflow.run,
            ComplaintStart(source=registration),
            id=complaint_id(registration.number),
            task_queue="nobody-polls-it",
        )
        await cause.handle.signal("linked", [registration.number])
        return handle


async def _lost(_: Projection, __: object) -> None:
    """The activity died before it could write."""
