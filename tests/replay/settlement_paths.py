"""Further ways through a complaint's life: settled with its incident, or taken out of it before."""

from datetime import UTC, datetime

from activities.names import SETTLE, incident_id
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.link_incident import OVER, SETTLED, LinkIncident, Settled, Settlement
from domain.case.actions.reopen import Reopen
from domain.case.actions.resume import Resume
from domain.case.actions.suspend import Suspend
from domain.case.lifecycle import State
from domain.incident.actions import INCIDENT_ACTION_OF, Resolve
from domain.incident.incident import Incident
from domain.incident.state import Opening, Scope
from domain.kit.event import ActionBody, Command
from tests.replay.paths import DONE, SATISFIED, TO_CREW, Play, ended, play
from tests.support.build import INCIDENT
from tests.support.hotline import ADMIN, Complaint, Hotline, until
from workflows.clients.incidents import start_incident
from workflows.clients.start import Request
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.messages import IncidentOutcome
from workflows.kit.words import CatalogueNames


async def incident(hotline: Hotline, district: str) -> Incident:
    """An incident that was declared for leaks in a district."""
    scope = Scope(services=("leak",), districts=(district,))
    at = datetime.now(UTC)
    opening = Opening(at=at, actor=ADMIN, title="爆管 burst main", scope=scope, since=at)
    begun = await start_incident(
        hotline.client, hotline.settings.task_queue, opening, Request(key=district), CatalogueNames()
    )
    return begun.incident


async def direct(hotline: Hotline, number: str, *bodies: ActionBody) -> None:
    """Take these actions on an incident, in turn."""
    handle = hotline.client.get_workflow_handle(incident_id(number))
    for body in bodies:
        await handle.execute_update(
            INCIDENT_ACTION_OF[type(body)].name, Command(actor=ADMIN, body=body), result_type=IncidentOutcome
        )


async def settled_with_an_incident(hotline: Hotline) -> Complaint:
    cause = await incident(hotline, "shiqi")
    complaint = await play(await hotline.start(), Dispatch(department="repair"), LinkIncident(incident=cause.number))
    await direct(hotline, cause.number, Resolve(result="已换管", message="已恢复供水"))
    await until(complaint.view, lambda view: view.state is State.PENDING_FOLLOW_UP)
    return await ended(await play(complaint, SATISFIED), hours=73)


async def linked_at_intake(hotline: Hotline) -> Complaint:
    cause = await incident(hotline, "torch")
    complaint = await hotline.start(incident=cause.number)
    await complaint.published(1)
    await direct(hotline, cause.number, Resolve(result="已换管", message="已恢复供水"))
    await until(complaint.view, lambda view: view.state is State.PENDING_FOLLOW_UP)
    return await ended(await play(complaint, SATISFIED), hours=73)


async def closed_with_an_incident(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start(), *TO_CREW, Suspend(reason="等用户"), LinkIncident(incident=INCIDENT))
    settlement = Settlement(incident=INCIDENT, result="已换管", message="已恢复供水", follow_up=False)
    # No such incident runs: the case is told so, and goes its own way; an incident that does not know that is refused.
    await until(complaint.view, lambda view: view.incident is None)
    answer: Settled = await complaint.handle.execute_update(SETTLE, settlement, result_type=Settled)
    assert answer.outcome == OVER
    cause = await incident(hotline, "wuguishan")
    await play(complaint, LinkIncident(incident=cause.number))
    settlement = settlement.model_copy(update={"incident": cause.number})
    answer = await complaint.handle.execute_update(SETTLE, settlement, id="again", result_type=Settled)
    assert answer.outcome == SETTLED
    return await ended(complaint, hours=73)


async def asked_in_order(hotline: Hotline) -> Complaint:
    """Timers, an incident that is told, search attributes and publications, in their order."""
    cause = await incident(hotline, "nantou")
    complaint = await play(
        await hotline.start(), *TO_CREW, Suspend(reason="等用户"), LinkIncident(incident=cause.number)
    )
    await play(complaint, LinkIncident(incident=None), Resume(note="用户来电"))
    await complaint.ahead(hours=5)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


async def lent_to_its_incident(hotline: Hotline) -> Complaint:
    """Nobody writes the batch that it returns, and it says so; then its window ends."""
    cause = await incident(hotline, "dayong")
    complaint = await play(await hotline.start(), Dispatch(department="repair"), LinkIncident(incident=cause.number))
    settlement = Settlement(incident=cause.number, result="已换管", message="已恢复供水", follow_up=False)
    await complaint.handle.execute_update(SETTLE, settlement, result_type=Settled)
    await complaint.handle.signal(ComplaintWorkflow.publish)
    await complaint.published(5)
    await play(complaint, Reopen(reason="又没水"), *TO_CREW[1:], *DONE)
    return await ended(await play(complaint, SATISFIED), hours=73)


SETTLEMENT_PATHS: dict[str, Play] = {
    path.__name__: path
    for path in (
        settled_with_an_incident,
        linked_at_intake,
        closed_with_an_incident,
        asked_in_order,
        lent_to_its_incident,
    )
}
