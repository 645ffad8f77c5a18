"""Ways of a month's assessment, and the end of a day on which nothing is due."""

from temporalio.client import WorkflowHistory

from domain.assessment.actions import DecideObjection, Inspect, Object
from domain.catalogue.figures import Subject
from domain.shared.actors import Actor, Role
from tests.support.hotline import OWNER, Hotline
from tests.support.months import RunningMonth
from workflows.singletons import PeriodEndWorkflow

SUPERVISOR, MANAGER = Actor(id="40001", role=Role.SUPERVISOR), Actor(id="50001", role=Role.MANAGER)
FULL = {"greeting": 20, "understanding": 25, "record": 25, "handling": 30}
OBJECTION = Object(by=Subject.AGENT, subject=OWNER, figure="cases", reason="试拨电话，不应计入")


async def assessment(hotline: Hotline) -> WorkflowHistory:
    """Inspected in part, published when the time is over, objected to, excluded from, and final."""
    for complaint in [await hotline.start() for _ in range(2)]:
        await complaint.published(1)
    month = await RunningMonth.begin(hotline, "2025-01", sample_per_agent=2)
    await month.reaches("open", "compute", "draw_sample")
    drawn = await month.in_sql()
    assert drawn
    await month.act(Inspect(complaint=drawn.sample[0].complaint, scores=FULL), SUPERVISOR)
    await month.reaches("inspect")
    await month.past("inspections")
    await month.reaches("publish")
    await month.act(OBJECTION, SUPERVISOR)
    await month.act(OBJECTION.model_copy(update={"figure": "thanks"}), SUPERVISOR)
    await month.act(DecideObjection(objection=1, accepted=True, reason="属实"), MANAGER)
    await month.reaches("compute")
    await month.act(DecideObjection(objection=2, accepted=False, reason="不属实"), MANAGER)
    await month.handle.signal("recompute")
    await month.reaches("compute")
    await month.handle.cancel()
    await month.reaches("cancellation_requested")
    await month.ahead(days=16)
    await month.handle.result()
    return await month.handle.fetch_history()


async def assessment_without_inspections(hotline: Hotline) -> WorkflowHistory:
    month = await RunningMonth.begin(hotline, "2025-02", sample_per_agent=0)
    await month.reaches("publish")
    await month.ahead(days=16)
    await month.handle.result()
    return await month.handle.fetch_history()


async def period_end(hotline: Hotline) -> WorkflowHistory:
    """Begun by hand, as the Schedule begins it."""
    queue = hotline.settings.task_queue
    await hotline.client.start_workflow(PeriodEndWorkflow.run, id="period-end", task_queue=queue)
    handle = hotline.client.get_workflow_handle("period-end")
    await handle.result()
    return await handle.fetch_history()
