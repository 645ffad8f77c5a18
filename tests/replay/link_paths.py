"""Further ways through a complaint's life: incidents, parts of other departments, money, an outage."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from temporalio.client import WorkflowHistory

import worker
from domain.case.actions.answer import Answer
from domain.case.actions.complete import Complete
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.return_ import Return
from domain.case.actions.sign_for import SignFor
from domain.case.actions.withdraw import Withdraw
from domain.case.automatic.internal_updates import Undelivered
from domain.case.lifecycle import State
from domain.incident.actions import Resolve
from tests.replay.paths import DONE, SATISFIED, TO_CREW, Play, ended, play
from tests.support.build import INCIDENT
from tests.support.causes import declare
from tests.support.hotline import Complaint, Hotline, until
from tests.workflows.test_host import at_rest
from workflows.complaint.workflow import ComplaintWorkflow

OVER = Resolve(result="已换管", message="已恢复供水")


async def moved_between_incidents(hotline: Hotline) -> Complaint:
    """Linked by hand, to another after that, and taken out: each incident is told."""
    one, other = [await declare(hotline, "minzhong") for _ in range(2)]
    complaint = await play(await hotline.start(), *TO_CREW, LinkIncident(incident=one.number))
    await one.waits_for(1)
    await play(complaint, LinkIncident(incident=other.number))
    await other.waits_for(1)
    await one.waits_for(0)
    await play(complaint, LinkIncident(incident=None))
    await other.waits_for(0)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


async def linked_to_an_incident_that_had_ended(hotline: Hotline) -> Complaint:
    """By hand, and it was over before it was told: the case takes itself out."""
    complaint = await play(await hotline.start(), *TO_CREW)
    await complaint.act(LinkIncident(incident=INCIDENT))
    view = await until(complaint.view, lambda view: view.incident is None)
    await complaint.published(view.version)
    return await ended(await play(complaint, Withdraw(reason="用户自行解决")), hours=73)


async def kept_when_its_incident_ended(hotline: Hotline) -> Complaint:
    """A further department is at work: the case stays open, and goes its own way."""
    cause = await declare(hotline, "gangkou")
    steps = (*TO_CREW, Involve(department="metering", task="检查水表"), LinkIncident(incident=cause.number))
    complaint = await play(await hotline.start(), *steps)
    await cause.waits_for(1)
    await cause.act(OVER)
    seen = await cause.in_state("resolved")
    assert seen.incident.closed_at is not None
    kept = await complaint.view()
    assert kept.state is State.IN_PROGRESS
    await complaint.published(kept.version)
    own = (SignFor(department="metering"), Complete(department="metering", result="水表正常"))
    return await ended(await play(complaint, *own, *DONE, SATISFIED), hours=73)


async def parts_returned_and_taken_over(hotline: Hotline) -> Complaint:
    """One part is returned and given to another department, one is taken over while it is at work."""
    complaint = await play(await hotline.start(), *TO_CREW)
    steps = (
        Involve(department="metering", task="检查水表"),
        Return(department="metering", reason="不属本部门"),
        Involve(department="network", task="检查支管", takes_over="metering"),
        SignFor(department="network"),
        Involve(department="secondary_supply", task="检查水箱", takes_over="network"),
        SignFor(department="secondary_supply"),
        Complete(department="secondary_supply", result="水箱正常"),
        *DONE,
        SATISFIED,
    )
    return await ended(await play(complaint, *steps), hours=73)


async def answered_before_its_incident_was_told(hotline: Hotline) -> Complaint:
    """The incident had ended, and the answer cannot be taken back: the case stays linked, and tells it once."""
    complaint = await hotline.start_with(Answer(message="管网抢修，今晚恢复"), incident=INCIDENT)
    await complaint.published(2)
    return await ended(await play(complaint, SATISFIED), hours=73)


async def rung_with_an_update_after_an_outage(hotline: Hotline) -> Complaint:
    """A timer fires while no worker is there. The update in the same task is handled first, and sets the next timer."""
    settings = hotline.settings.model_copy(update={"task_queue": "with-outages"})
    interrupted = Hotline(hotline.server, settings, hotline.engine, hotline.projection)
    async with worker.running(hotline.client, settings):
        complaint = await play(await interrupted.start(), Dispatch(department="repair"))
        await at_rest(complaint)
    # No time is skipped while a task waits for a worker: this ends when there is one.
    skipped = asyncio.create_task(hotline.server.fast_forward(complaint.handle, timedelta(minutes=6)))
    await until(complaint.handle.fetch_history, _rang)
    notification = Undelivered(key="a-notification", channel="sms", error="HTTP 503")
    told = asyncio.create_task(complaint.handle.execute_update(ComplaintWorkflow.undelivered, notification))
    async with worker.running(hotline.client, settings):
        await asyncio.gather(skipped, told)
        return await ended(await play(complaint, SignFor(), *DONE, SATISFIED), hours=73)


async def approved_by_any_manager(hotline: Hotline) -> Complaint:
    """Its catalogue names nobody who decides: so there is no turn."""
    terms = hotline.catalogue.terms("waiver", "west", datetime.now(UTC)).model_copy(update={"approvers": ()})
    asked = RequestApproval(subject="减免水费", amount=Decimal(90), kind="waiver", grounds="低保户")
    decided = DecideApproval(approved=True, reason="情况属实")
    steps = (*TO_CREW, asked, decided, *DONE, SATISFIED)
    return await ended(await play(await hotline.start("waiver", terms=terms), *steps), hours=73)


def _rang(history: WorkflowHistory) -> bool:
    return any(event.HasField("timer_fired_event_attributes") for event in history.events)


LINK_PATHS: dict[str, Play] = {
    path.__name__: path
    for path in (
        moved_between_incidents,
        linked_to_an_incident_that_had_ended,
        kept_when_its_incident_ended,
        parts_returned_and_taken_over,
        answered_before_its_incident_was_told,
        rung_with_an_update_after_an_outage,
        approved_by_any_manager,
    )
}
