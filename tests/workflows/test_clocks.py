"""Every clock takes every escalation step once, on time, in a real workflow whose time is skipped."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain.case.actions.arrive import Arrive
from domain.case.actions.comment import Comment
from domain.case.actions.complete import Complete
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.resume import Resume
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.clocks import Clock, ClockStatus
from domain.case.lifecycle import State
from domain.kit.event import ActionBody
from tests.support.build import written
from tests.support.hotline import Complaint, Hotline

pytestmark = pytest.mark.asyncio(loop_scope="session")

TO_CREW: tuple[ActionBody, ...] = (Dispatch(department="repair"), SignFor())
TO_REPLY: tuple[ActionBody, ...] = (*TO_CREW, Arrive(), Complete(result="好了"))
BEFORE: dict[str, tuple[ActionBody, ...]] = {
    "acknowledge": (Dispatch(department="repair"),),
    "arrive": TO_CREW,
    "resolve": (),
    "reply": TO_REPLY,
    "follow_up": (*TO_REPLY, Reply(message="已修好")),
}


async def brought_to(hotline: Hotline, steps: tuple[ActionBody, ...]) -> Complaint:
    complaint = await hotline.start()
    for body in steps:
        await complaint.act(body)
    return complaint


def escalations(rows: list[dict[str, Any]], clock: str, data: Any) -> list[int]:
    return [data(row)["percent"] for row in rows if row["action"] == "escalate" and data(row)["clock"] == clock]


def data_of(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row["data"])
    return found


@pytest.mark.parametrize("clock", BEFORE)
async def test_every_escalation_of_every_clock_happens_once_on_time(hotline: Hotline, clock: str) -> None:
    complaint = await brought_to(hotline, BEFORE[clock])
    ladder = [step.percent for step in hotline.catalogue.terms("no_water", "west", await complaint.now()).ladder]
    watched = next(each for each in (await complaint.view()).clocks if each.name == clock)
    assert watched.status is ClockStatus.RUNNING
    last = timedelta(seconds=watched.budget_seconds * ladder[-1] / 100)
    view = await complaint.ahead(seconds=(last - (await complaint.now() - started(watched))).total_seconds() + 2)
    rows = await complaint.published(view.version)
    assert escalations(rows, clock, data_of) == ladder
    for row in rows:
        if row["action"] == "escalate" and data_of(row)["clock"] == clock:
            due = started(watched) + timedelta(seconds=watched.budget_seconds * data_of(row)["percent"] / 100)
            assert data_of(row)["fell_at"] == written(due)
    missed = next(each for each in view.clocks if each.name == clock)
    assert missed.status is ClockStatus.MISSED
    assert missed.missed_at == started(watched) + timedelta(seconds=watched.budget_seconds)


def started(clock: Any) -> Any:
    assert clock.started_at is not None
    return clock.started_at


async def test_a_kept_promise_rings_nothing_later(hotline: Hotline) -> None:
    complaint = await brought_to(hotline, TO_REPLY)
    await complaint.act(Reply(message="已修好"))
    await complaint.act(FollowUp(outcome="satisfied"))
    view = await complaint.ahead(hours=71)
    assert (view.state, view.version, view.sla) == (State.CLOSED, 7, "on_time")


async def test_suspended_pauses_every_clock_until_the_wake_date(hotline: Hotline) -> None:
    complaint = await brought_to(hotline, TO_CREW)
    await complaint.act(Suspend(reason="等用户买阀门", wake_at=await complaint.now() + timedelta(days=3)))
    before = await complaint.view()
    asleep = await complaint.ahead(days=2, hours=23)
    assert (asleep.state, asleep.version, asleep.sla) == (State.SUSPENDED, before.version, "paused")
    assert all(clock.paused for clock in asleep.clocks if clock.status is ClockStatus.PAUSED)
    awake = await complaint.ahead(hours=1, seconds=1)
    assert awake.state is State.IN_PROGRESS
    arrive = next(clock for clock in awake.clocks if clock.name == "arrive")
    assert arrive.elapsed_seconds < 60
    assert arrive.due_at is not None


async def test_suspended_without_a_date_waits_for_the_caller(hotline: Hotline) -> None:
    complaint = await brought_to(hotline, (*TO_CREW, Suspend(reason="等用户")))
    view = await complaint.ahead(days=60)
    assert view.state is State.SUSPENDED
    await complaint.act(Resume(note="用户来电"))
    assert (await complaint.view()).state is State.IN_PROGRESS


@pytest.mark.slow
async def test_approval_pauses_the_department_only(hotline: Hotline) -> None:
    complaint = await brought_to(hotline, (*TO_CREW, RequestApproval(subject="更换管道", amount=Decimal("860.00"))))
    view = await complaint.ahead(hours=30)
    status = {clock.name: clock.status for clock in view.clocks}
    assert status["arrive"] is ClockStatus.PAUSED
    assert status["resolve"] is ClockStatus.MISSED
    await complaint.act(DecideApproval(approved=True))
    decided = await complaint.view()
    assert {clock.name: clock.status for clock in decided.clocks}["arrive"] is ClockStatus.RUNNING


async def test_a_rule_that_breaks_a_case_stops_no_workflow(hotline: Hotline, monkeypatch: pytest.MonkeyPatch) -> None:
    """An action is refused and leaves nothing in the history; a timer leaves out what it brings, and tells so."""
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    with monkeypatch.context() as wrong:
        wrong.setattr(Clock, "stop", lambda clock, *_: clock.model_copy(update={"budget_seconds": -86400.0}))
        wrong.setattr(Clock, "escalate", lambda clock, *_: clock.model_copy(update={"budget_seconds": -86400.0}))
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await complaint.act(SignFor())
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "conflict:invalid_result"
        assert (await complaint.view()).version == 2
        view = await complaint.ahead(minutes=11)
        assert (view.version, view.flags) == (3, ("left_out",))
    await complaint.published(3)
    await complaint.act(Comment(note="已查"))
    assert [row["action"] for row in await complaint.published(5)][2:5] == ["left_out", "comment", "escalate"]


async def test_a_comment_moves_no_deadline(hotline: Hotline) -> None:
    complaint = await brought_to(hotline, BEFORE["acknowledge"])
    before = await complaint.view()
    await complaint.ahead(minutes=2)
    await complaint.act(Comment(note="用户又来电"))
    after = await complaint.view()
    assert [clock.due_at for clock in after.clocks] == [clock.due_at for clock in before.clocks]


async def test_three_attempts_on_following_days_then_closed_and_flagged(hotline: Hotline) -> None:
    complaint = await brought_to(hotline, BEFORE["follow_up"])
    for attempt in (1, 2):
        await complaint.act(FollowUp(outcome="unreachable"))
        view = await complaint.view()
        assert (view.state, view.follow_up_attempts) == (State.PENDING_FOLLOW_UP, attempt)
        await complaint.ahead(hours=25)
    await complaint.act(FollowUp(outcome="unreachable"))
    view = await complaint.view()
    assert view.state is State.CLOSED
    assert "unreachable" in view.flags


async def test_the_workflow_ends_with_the_reopen_window(hotline: Hotline) -> None:
    complaint = await brought_to(hotline, BEFORE["follow_up"])
    await complaint.act(FollowUp(outcome="satisfied"))
    closed = await complaint.view()
    assert closed.reopen_ends_at is not None
    await complaint.ahead(hours=73)
    await complaint.closed()
