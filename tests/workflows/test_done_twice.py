"""Activities that are done again with the arguments of their first time, after the world moved on: nothing happens.

Somebody else's worker can have it so. The cases of these tests have forgotten meanwhile what they were asked before:
Temporal knows the ids of updates as long as a run, and a case the keys of commands for two days.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor, Worker

import worker
from activities.bulk import CasesOfHandover, OwnedQuery
from domain.assessment.actions import DecideObjection
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.link_incident import LinkIncident
from domain.incident.actions import Confirm, Inform, Merge
from domain.incident.incident import Relinking
from domain.shared.actors import SYSTEM
from readmodel.base.database import read_in_thread
from readmodel.cases.queries import get_case
from readmodel.incidents import get as get_incident
from readmodel.migrate import metadata
from tests.support.batches import call, project, published
from tests.support.build import INCIDENT, OTHER_INCIDENT
from tests.support.bulk import order_handover, put_in_force
from tests.support.causes import OVER, Cause, declare, linked, replied
from tests.support.hotline import OWNER, Complaint, Hotline, running_hotline, until
from tests.support.months import RunningMonth
from tests.workflows.test_assessment import AGENT, MANAGER, OBJECTION
from tests.workflows.test_catalogue_rollout import slower
from tests.workflows.test_incident import completed
from tests.workflows.test_report import AT, made
from workflows.clients.bulk import start_rollout
from workflows.clients.incidents import incident_options
from workflows.complaint.messages import start_from
from workflows.incident.messages import IncidentStart
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.words import CatalogueNames

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


class Noted(Interceptor, ActivityInboundInterceptor):
    """Record of what the activities of a worker were asked for; it knows them by their names."""

    def __init__(self) -> None:
        self.known: dict[str, Callable[..., Any]] = {}
        self.asked: list[tuple[str, Sequence[Any]]] = []

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        self.next = next
        return self

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - as above
        self.asked.append((activity.info().activity_type, input.args))
        return await self.next.execute_activity(input)

    async def do(self, name: str, argument: Any) -> Any:
        """Do an activity with an argument of the test."""
        self.asked.append((name, [argument]))
        return await ActivityEnvironment().run(self.known[name], argument)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    found = Noted()

    def made(*arguments: Any, activities: Sequence[Any], interceptors: Sequence[Any], **options: Any) -> Worker:
        found.known = {each.__temporal_activity_definition.name: each for each in activities}
        return Worker(*arguments, activities=activities, interceptors=[*interceptors, found], **options)

    monkeypatch.setattr(worker, "Worker", made)
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def hotline(server: WorkflowEnvironment, tmp_path: Path, noted: Noted) -> AsyncIterator[Hotline]:  # noqa: ARG001 - it comes first
    async with running_hotline(server, tmp_path, task_queue=f"twice-{tmp_path.name}") as running:
        yield running


async def forget(hotline: Hotline, complaint: Complaint) -> Complaint:
    """Bring the case back without the keys and ids that it knew."""
    await complaint.published((await complaint.view()).version)
    await complaint.handle.terminate()
    case = await read_in_thread(hotline.engine, lambda sql: get_case(sql, complaint.number))
    assert case
    start = start_from(case, (), await complaint.changed_at(), {})
    found = await hotline.begin(start.model_copy(update={"linked_incident": case.incident}), case)
    found.acknowledged = case.version
    return found


async def in_sql(cause: Cause) -> None:
    """Wait until SQL has the events of the incident."""
    seen = await cause.seen()
    await until(cause.timeline, lambda rows: len(rows) == seen.version)


async def forget_cause(hotline: Hotline, cause: Cause) -> None:
    await in_sql(cause)
    await cause.handle.terminate()
    incident = await read_in_thread(hotline.engine, lambda sql: get_incident(sql, cause.number))
    assert incident
    names = CatalogueNames.of(hotline.catalogue)
    start = IncidentStart(source=incident, names=names, sender_version=incident.version, changed_at=incident.opened_at)
    options = incident_options(incident, names)
    await hotline.client.start_workflow(IncidentWorkflow.run, start, task_queue=hotline.settings.task_queue, **options)


Entities = Sequence[Complaint | Cause]
Scene = Callable[[Hotline, Noted], Awaitable[Entities]]


async def named(hotline: Hotline, _: Noted) -> Entities:
    """Callers are told; then each case was taken out, by somebody who knew better, or moved to another incident."""
    gathered = await hotline.start(district="tanzhou")
    out, moved = [await hotline.start(district="west") for _ in range(2)]
    since = (await gathered.view()).registered_at
    cause = await declare(hotline, "tanzhou", actor=SYSTEM, calls=11, since=since)
    other = await declare(hotline, "gangkou")
    await cause.act(Confirm(cases=(out.number, moved.number)))
    await cause.waits_for(3)
    await cause.act(Inform(message="正在抢修"))
    await until(lambda: completed(cause, "inform_callers"), bool)
    for complaint, incident in ((gathered, None), (out, None), (moved, other.number)):
        await complaint.published((await complaint.view()).version)
        complaint.acknowledged = (await complaint.view()).version
        await complaint.act(LinkIncident(incident=incident))
    await cause.waits_for(0)
    await other.waits_for(1)
    await asyncio.gather(in_sql(cause), in_sql(other))
    return [*[await forget(hotline, each) for each in (gathered, out, moved)], cause, other]


async def merged(hotline: Hotline, _: Noted) -> Entities:
    """The case was taken out of the incident into which its own was merged, and that was confirmed for one street."""
    cause, other = await declare(hotline, "guzhen", actor=SYSTEM, calls=11), await declare(hotline, "sanjiao")
    [complaint] = await linked(hotline, other, 1)
    await other.act(Merge(into=cause.number))
    await cause.waits_for(1)
    await other.handle.result()
    await cause.act(Confirm(streets=("富华道",)))
    complaint.acknowledged = (await complaint.view()).version
    await complaint.published(complaint.acknowledged)
    await complaint.act(LinkIncident(incident=None))
    await cause.waits_for(0)
    await forget_cause(hotline, cause)
    return [await forget(hotline, complaint), cause]


async def settled(hotline: Hotline, _: Noted) -> Entities:
    """The caller was not satisfied: the case is done again, by itself."""
    cause = await declare(hotline, "west")
    [complaint] = await linked(hotline, cause, 1)
    complaint = await forget(hotline, complaint)
    await cause.act(OVER)
    complaint.acknowledged = (await replied(complaint)).version
    await cause.handle.result()
    await complaint.published(complaint.acknowledged)
    await complaint.act(FollowUp(outcome="dissatisfied"))
    return [await forget(hotline, complaint)]


async def handed_over(hotline: Hotline, noted: Noted) -> Entities:
    """While others of the handover are still to be asked, one case was given back, and another to somebody else."""
    complaints = [await hotline.start(), await hotline.start()]
    order = (await order_handover(hotline, "3" * 32)).progress.handover
    query = OwnedQuery(handover_id=order.id, owner=OWNER, after="", limit=10)
    numbers = await noted.do("list_owned_cases", query)
    assert (await noted.do("hand_over_cases", CasesOfHandover(handover=order, numbers=numbers))).handed_over == 2
    for complaint, owner in zip(complaints, (OWNER, "wu"), strict=True):
        complaint.acknowledged = (await complaint.view()).version
        await complaint.act(HandOver(owner=owner))
    return [await forget(hotline, each) for each in complaints]


async def rolled_out(hotline: Hotline, _: Noted) -> Entities:
    complaint = await hotline.start()
    start = put_in_force(hotline, slower(hotline.catalogue))
    assert await (await start_rollout(hotline.client, hotline.settings.task_queue, start)).result() == {"changed": 1}
    complaint.acknowledged = (await complaint.view()).version
    await complaint.act(Dispatch(department="repair"))
    return [await forget(hotline, complaint)]


async def assessed(hotline: Hotline, _: Noted) -> Entities:
    """A case was registered, and a figure objected to."""
    complaint = await hotline.start()
    month = await RunningMonth.begin(hotline, "2026-11")
    await month.reaches("open", "compute", "draw_sample")
    await month.past("inspections")
    await month.reaches("publish")
    await month.act(OBJECTION, AGENT)
    await month.act(DecideObjection(objection=1, accepted=True, reason="A test call."), MANAGER)
    await month.reaches("decide_objection", "compute")
    return [complaint, await hotline.start()]


async def reported(hotline: Hotline, _: Noted) -> Entities:
    """A call of that day was reported late."""
    for place in (1, 2):
        project(hotline.settings.database_url, published(call(place, AT), ("dispatch",)))
        await made(hotline)
    return []


async def published_by_itself(hotline: Hotline, _: Noted) -> Entities:
    complaint = await hotline.start(unwritten=True)
    await complaint.handle.signal("publish")
    await complaint.published(1)
    complaint.acknowledged = 1
    await complaint.act(Comment(note="-"))
    return [complaint]


SCENES: dict[Scene, set[str]] = {
    published_by_itself: {"publish"},
    named: {
        "gather_cases",
        "link_named_cases",
        "inform_callers",
        "publish_incident",
        "find_unlinked_cases",
        "tell_incident",
    },
    merged: {"merge_incident", "relink_cases"},
    settled: {"settle_cases"},
    handed_over: {"list_owned_cases", "hand_over_cases"},
    rolled_out: {"list_open_cases", "change_catalogue"},
    assessed: {"publish_assessment", "compute_figures", "draw_sample"},
    reported: {"make_report"},
}
"""Scenes: something is done, and then more happens; with the activities that are done again."""
WHAT_IS_DUE = {"reconcile"}
"""Its argument tells what it knew before: it compares both stores as they are, and `test_reconciler.py` shows it."""


async def rows(hotline: Hotline) -> dict[str, set[Any]]:
    """Return all rows in SQL."""

    def read(sql: Any) -> dict[str, set[Any]]:
        return {name: {*map(repr, sql.execute(table.select()))} for name, table in metadata.tables.items()}

    return await read_in_thread(hotline.engine, read)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_an_activity_that_is_done_again_later_changes_nothing(
    hotline: Hotline, noted: Noted, scene: Scene
) -> None:
    entities = await scene(hotline, noted)
    assert SCENES[scene] <= {name for name, _ in noted.asked}

    async def state() -> Any:
        seen = [await each.view() if isinstance(each, Complaint) else (await each.seen()).incident for each in entities]
        return [each.version for each in seen], await rows(hotline)

    before, refusals = await state(), set()
    for name, arguments in [*noted.asked]:
        try:
            await ActivityEnvironment().run(noted.known[name], *arguments)
        except ApplicationError:
            refusals.add(name)
        assert await state() == before, name
    assert refusals <= {"compute_figures"}  # which has a number


async def test_a_case_that_does_not_say_where_it_is_linked_is_left(
    hotline: Hotline, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's worker may answer in its place: it would be linked again, though it was taken out."""
    monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 0.3)
    settings = hotline.settings.model_copy(update={"task_queue": "nobody-polls-it"})
    unheard = Hotline(hotline.server, settings, hotline.engine, hotline.projection, hotline.client)
    complaint = await unheard.start(incident=INCIDENT)
    found = await noted.do("relink_cases", Relinking(incident=INCIDENT, to=OTHER_INCIDENT, numbers=(complaint.number,)))
    assert (found.silent, found.counts) == ((complaint.number,), {})
    await complaint.handle.terminate()


async def test_each_activity_that_takes_an_argument_is_done_again(hotline: Hotline, noted: Noted) -> None:  # noqa: ARG001 - its worker
    takes = {name for name, each in noted.known.items() if signature(each).parameters}
    assert takes == WHAT_IS_DUE.union(*SCENES.values())
