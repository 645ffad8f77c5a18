"""Workers of somebody else: what they ask of activities is not done, whatever they have copied."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RawValue, RetryPolicy
from temporalio.converter import SerializationContext
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.bulk import CasesOfHandover, TermsChange
from activities.cases import Projection
from activities.names import UNSEALED
from activities.sealing.envelope import context_of
from domain.case.actions.comment import Comment
from domain.case.bulk import Handover
from domain.case.case import Case
from domain.case.state import ProjectionBatch
from domain.catalogue.terms import Edition
from domain.kit.event import Command
from readmodel.base.database import engine
from readmodel.writer import GroupWriter
from tests.support.hotline import ADMIN, Hotline
from tests.support.sealing import stranger
from tests.workflows.test_envelope import Stamped, start_of
from tests.workflows.test_pretender import asked, fails_after

pytestmark = pytest.mark.asyncio(loop_scope="session")
FORGER_QUEUE = "somebody-elses"


@workflow.defn(name="ComplaintWorkflow", sandboxed=False)
class Forger:
    """Workflow of somebody else's worker, which has an activity of the service do what it was given."""

    def __init__(self) -> None:
        self._given: RawValue | None = None

    @workflow.signal
    def give(self, given: RawValue) -> None:
        """Take the argument of the activity."""
        self._given = given

    @workflow.run
    async def run(self, activity: str, queue: str, tries: int = 1) -> None:
        """Run the activity, so many times at most."""
        await workflow.wait_condition(lambda: self._given is not None)
        await workflow.execute_activity(
            activity,
            self._given,
            task_queue=queue,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=tries),
            result_type=RawValue,
        )


def batch_of(hotline: Hotline, number: str) -> ProjectionBatch:
    case, events = Case.register(hotline.registration(number=number))
    forged = case.apply(Command(actor=ADMIN, body=Comment(note="伪造")), datetime.now(UTC))
    return ProjectionBatch.of(case, (*events, *forged), datetime.now(UTC))


def page_of(_: Hotline, number: str) -> CasesOfHandover:
    handover = Handover(id="0" * 32, previous_owner="chen", owner="10099", reason="离职", actor=ADMIN)
    return CasesOfHandover(handover=handover, numbers=[number])


def change_of(_: Hotline, number: str) -> TermsChange:
    return TermsChange(edition=Edition(digest="0" * 12, name="x", name_zh="x"), serial=1, numbers=[number])


FORGED: dict[str, Callable[[Hotline, str], Any]] = {
    "publish": batch_of,
    "hand_over_cases": page_of,
    "change_catalogue": change_of,
}


async def ask(
    hotline: Hotline, name: str, activity: str, give: Callable[[str], Awaitable[Any]]
) -> ApplicationError | None:
    """Have a forger ask for an activity, with an argument that may be made for its run; return why that failed."""
    handle = await stranger(hotline.client).start_workflow(
        "ComplaintWorkflow", args=[activity, hotline.settings.task_queue], id=name, task_queue=FORGER_QUEUE
    )
    await handle.signal("give", await give(handle.first_execution_run_id or ""))
    try:
        await handle.result()
    except WorkflowFailureError as failed:
        cause = failed.cause.__cause__
        return cause if isinstance(cause, ApplicationError) else ApplicationError("another failure")
    return None


@pytest.mark.parametrize("activity", FORGED)
async def test_no_activity_of_the_service_does_what_a_workflow_of_somebody_else_asks_for(
    hotline: Hotline, activity: str
) -> None:
    """Under the id and type of a case that has ended, with all that may stand in its history."""
    complaint, client = await hotline.start(unwritten=True), hotline.client
    await complaint.handle.terminate()
    name, ended, value = complaint.handle.id, complaint.handle.first_execution_run_id, FORGED[activity]
    here, elsewhere = [
        context_of(client.namespace, name, "ComplaintWorkflow", each) for each in (activity, "publish_incident")
    ]
    made = value(hotline, complaint.number)

    async def stolen(run_id: str, stamped: Stamped, place: SerializationContext = here) -> RawValue:
        return await stamped._replace(id=stamped.id.replace("RUN", run_id)).seal(client, place, made)

    async def as_it_is(_: str, given: Any) -> Any:
        return given

    ours = Stamped("activity", activity, "RUN/1")
    tries: list[Callable[[str], Awaitable[Any]]] = [
        partial(as_it_is, given=made),
        partial(as_it_is, given=RawValue(await start_of(complaint.handle))),
        partial(stolen, stamped=ours, place=elsewhere),
        partial(stolen, stamped=ours._replace(id=f"{ended}/1")),
        partial(stolen, stamped=ours._replace(id="RUN/2")),
        partial(stolen, stamped=ours._replace(kind="result")),
        partial(stolen, stamped=ours._replace(name="publish_incident")),
    ]
    async with Worker(stranger(client), task_queue=FORGER_QUEUE, workflows=[Forger]):
        causes = [await ask(hotline, name, activity, each) for each in tries]
        assert all(causes)
        assert [cause.type for cause in causes[3:] if cause] == [UNSEALED] * 4
        assert await complaint.rows() == []
        if activity == "publish":  # sealed for the run that asks, it is done: nothing else has stopped the rest
            assert await ask(hotline, name, activity, partial(stolen, stamped=ours)) is None
            assert [row["action"] for row in await complaint.rows()] == ["register", "comment"]


async def test_an_argument_is_not_taken_for_the_run_that_a_heartbeat_was_sealed_for(
    hotline: Hotline,
) -> None:
    """An old argument, whose first try fails after a heartbeat that is a copied argument of the run that asks."""
    complaint, client, queue = await hotline.start(unwritten=True), hotline.client, "of-activities"
    settings = hotline.settings.model_copy(update={"task_queue": queue})
    without_worker = Hotline(hotline.server, settings, hotline.engine, hotline.projection, client)
    await complaint.handle.terminate()
    name, ended = complaint.handle.id, str(complaint.handle.first_execution_run_id)
    here = context_of(client.namespace, name, "ComplaintWorkflow", "publish")
    ours, made = Stamped("activity", "publish", f"{ended}/1"), batch_of(hotline, complaint.number)
    theirs = stranger(client)
    async with Worker(theirs, task_queue=FORGER_QUEUE, workflows=[Forger]):
        handle = await theirs.start_workflow(
            "ComplaintWorkflow", args=["publish", queue, 2], id=name, task_queue=FORGER_QUEUE
        )
        await handle.signal("give", await ours.seal(client, here, made))
        copied = await ours._replace(id=f"{handle.first_execution_run_id}/1").seal(client, here, made)
        await fails_after(without_worker, (await asked(without_worker)).task_token, copied.payload)
        writing = engine(hotline.settings.database_url)
        async with (
            GroupWriter(writing) as writer,
            Worker(client, task_queue=queue, activities=[Projection(writer, client, 5.0).publish]),
        ):
            with pytest.raises(WorkflowFailureError) as failed:
                await handle.result()
        writing.dispose()
    assert isinstance(cause := failed.value.cause.__cause__, ApplicationError)
    assert cause.type == UNSEALED
    assert await complaint.rows() == []
