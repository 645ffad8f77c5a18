"""The assessment of a month on a real server: computed, inspected, published for objections, final."""

from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ActivityError, ApplicationError

from domain.assessment.actions import OBJECTION_TOO_LATE, OBJECTIONS, OWN_OBJECTION, DecideObjection, Inspect, Object
from domain.assessment.assessment import INSPECTIONS
from domain.assessment.state import AssessmentState
from domain.catalogue.figures import Subject
from domain.shared.actors import Actor, Role
from readmodel.assessments import months
from readmodel.assessments.computation import figure_entries
from readmodel.assessments.months import assessment_events
from readmodel.base.database import read_in_thread
from tests.support.hotline import OWNER, Hotline, metadata
from tests.support.months import RunningMonth, present_month
from workflows.assessment.messages import AssessmentStart
from workflows.assessment.workflow import AssessmentWorkflow
from workflows.kit.words import CatalogueNames

pytestmark = pytest.mark.asyncio(loop_scope="session")
SUPERVISOR, MANAGER = Actor(id="40001", role=Role.SUPERVISOR), Actor(id="50001", role=Role.MANAGER)
AGENT = Actor(id=OWNER, role=Role.AGENT)
FULL = {"greeting": 20, "understanding": 25, "record": 25, "handling": 30}
OBJECTION = Object(by=Subject.AGENT, subject=OWNER, figure="cases", reason="One of them was a test call.")


async def refusal(act: Any) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await act
    assert isinstance(failed.value.cause, ApplicationError)
    return str(failed.value.cause.type)


async def test_a_month_is_computed_inspected_published_and_final(hotline: Hotline) -> None:
    complaint = await hotline.start()
    month = await RunningMonth.begin(hotline, "2026-01", sample_per_agent=200)
    await month.reaches("open", "compute", "draw_sample")
    drawn = await month.in_sql()
    assert drawn
    assert complaint.number in {each.complaint for each in drawn.sample}
    for each in drawn.sample:
        await month.act(Inspect(complaint=each.complaint, scores=FULL), SUPERVISOR)
    await month.reaches("inspect", "publish")
    published = await month.in_sql()
    assert published
    assert published.state is AssessmentState.OBJECTIONS
    assert published.computed
    serial = published.computed.serial
    found = await read_in_thread(hotline.engine, lambda sql: months.items(sql, month.number, serial, Subject.AGENT))
    [item] = [each for each in found if each.subject == OWNER]
    assert item.figures["quality"].value == 100
    await month.ahead(days=16)
    await month.handle.result()
    final = await month.in_sql()
    assert final
    assert final.state is AssessmentState.FINAL


async def test_an_objection_is_decided_by_neither_author_nor_subject(hotline: Hotline) -> None:
    await hotline.start()
    month = await RunningMonth.begin(hotline, "2026-02", sample_per_agent=0)
    await month.reaches("open", "compute", "publish")
    outcome = await month.act(OBJECTION, SUPERVISOR)
    assert outcome.assessment.undecided
    decision = DecideObjection(objection=1, accepted=True, reason="It was a test call.")
    assert await refusal(month.act(decision, SUPERVISOR)) == OWN_OBJECTION.error_type
    subject = Actor(id=OWNER, role=Role.SUPERVISOR)
    assert await refusal(month.act(decision, subject)) == OWN_OBJECTION.error_type
    await month.act(decision, MANAGER)
    await month.reaches("decide_objection", "compute")


async def test_an_objection_after_its_time_is_refused(hotline: Hotline) -> None:
    await hotline.start()
    month = await RunningMonth.begin(hotline, "2026-03", sample_per_agent=0)
    await month.reaches("open", "compute", "publish")
    await month.act(OBJECTION, AGENT)
    await month.ahead(days=16)
    late = OBJECTION.model_copy(update={"figure": "thanks"})
    assert await refusal(month.act(late, AGENT)) == OBJECTION_TOO_LATE.error_type


async def test_the_month_waits_for_a_late_decision_and_people_are_told(hotline: Hotline) -> None:
    await hotline.start()
    month = await RunningMonth.begin(hotline, "2026-04", sample_per_agent=0)
    await month.reaches("open", "compute", "publish")
    await month.act(OBJECTION, AGENT)
    await month.ahead(days=30)
    seen = await month.reaches(*["remind"] * 8)
    assert seen.count("remind") == 8  # three of the objections, five of the decision
    waiting = await month.in_sql()
    assert waiting
    assert waiting.state is AssessmentState.OBJECTIONS
    await month.act(DecideObjection(objection=1, accepted=False, reason="It was a call."), MANAGER)
    await month.handle.result()
    assert (await month.reaches("decide_objection", "finish"))[-1] == "finish"


async def test_every_step_before_a_limit_is_told_in_its_turn(hotline: Hotline) -> None:
    await hotline.start()
    month = await RunningMonth.begin(hotline, "2026-09", sample_per_agent=1)
    await month.reaches("open", "compute", "draw_sample")
    await month.past("inspections")
    await month.reaches("publish")
    await month.past("objections")
    await month.handle.result()
    await month.reaches("finish")
    table = assessment_events.c
    told = table.action, table.data["limit"].as_string(), table.data["percent"].as_integer()
    wanted = select(*told).where(table.number == month.number).order_by(table.seq)
    seen = await read_in_thread(hotline.engine, lambda sql: sql.execute(wanted).all())
    steps = [(limit, percent) if action == "remind" else action for action, limit, percent in seen]
    inspections, objections = ([(limit, percent) for percent in (50, 75, 100)] for limit in (INSPECTIONS, OBJECTIONS))
    assert steps == ["open", "compute", "draw_sample", *inspections, "publish", *objections, "finish"]


async def test_an_action_that_is_sent_again_is_done_once(hotline: Hotline) -> None:
    await hotline.start()
    month = await RunningMonth.begin(hotline, "2026-05", sample_per_agent=0)
    await month.reaches("open", "compute", "publish")
    await month.act(OBJECTION, AGENT, key="the-same")
    again = await month.act(OBJECTION, AGENT, key="the-same")
    assert len(again.assessment.objections) == 1


async def test_a_month_whose_workflow_was_terminated_goes_on_from_sql(hotline: Hotline) -> None:
    month = await RunningMonth.begin(hotline, "2026-08", sample_per_agent=0)
    await month.reaches("open", "compute", "publish")
    await month.act(OBJECTION, AGENT)
    await month.reaches("object")
    await month.handle.terminate()
    assert await month.resume()
    assert not await month.resume()
    await month.reaches("object", "compute")
    await month.act(DecideObjection(objection=1, accepted=False, reason="It was none."), MANAGER)
    await month.ahead(days=16)
    await month.handle.result()
    final = await month.in_sql()
    assert final
    assert final.state is AssessmentState.FINAL


async def test_a_month_that_is_started_again_replaces_no_figure(hotline: Hotline) -> None:
    """Its first computation would forget all others."""
    await hotline.start()
    month = await RunningMonth.begin(hotline, "2026-12", sample_per_agent=0)
    await month.reaches("open", "compute", "publish")
    await month.act(OBJECTION, AGENT)
    await month.act(DecideObjection(objection=1, accepted=True, reason="A test call."), MANAGER)
    await month.reaches("decide_objection", "compute")
    await month.ahead(days=16)
    await month.handle.result()
    entries = select(figure_entries).where(figure_entries.c.month == month.number)

    async def found() -> Any:
        return await month.in_sql(), await read_in_thread(hotline.engine, lambda sql: sql.execute(entries).all())

    before = await found()
    assert before[1]
    start = AssessmentStart(
        source=present_month(month.number, sample_per_agent=0), names=CatalogueNames.of(hotline.catalogue)
    )
    again = await hotline.client.start_workflow(
        AssessmentWorkflow.run, start, id=month.handle.id, task_queue=hotline.settings.task_queue
    )
    with pytest.raises(WorkflowFailureError) as ended:
        await again.result()
    assert isinstance(ended.value.cause, ActivityError)
    assert "it was reset, or started again" in str(ended.value.cause.cause)
    assert await found() == before


async def test_the_details_show_scores_and_objections(hotline: Hotline) -> None:
    await hotline.start()
    month = await RunningMonth.begin(hotline, "2026-06", sample_per_agent=0)
    await month.reaches("open", "compute", "publish")
    await month.act(OBJECTION, AGENT)
    assert await (await month.handle.describe()).static_summary() == "月度考核 assessment 2026-06"
    details = (await metadata(month.handle)).current_details
    assert "申诉期截止" in details
    assert OBJECTION.reason in details.replace("\\", "")
    assert "话务员得分" in details


async def test_a_signal_has_the_figures_computed_anew(hotline: Hotline) -> None:
    month = await RunningMonth.begin(hotline, "2026-07", sample_per_agent=0)
    await month.reaches("open", "compute", "publish")
    await hotline.start()
    await month.handle.signal("recompute")
    await month.reaches("publish", "compute")
