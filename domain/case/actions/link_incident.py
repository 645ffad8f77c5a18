"""link_incident 并案: the case is one of many with one cause (突发事件), or not any more."""

from domain.case.incident_link import OWN_CAUSE, own_matters
from domain.case.kind import Action, ActionBody, Actor, CaseState, Decision, Event, NotPossible, Role
from domain.case.lifecycle import BEFORE_REPLY
from domain.kit.event import Addressees
from domain.shared.errors import OUT_OF_TURN, SAME_INCIDENT, Refused
from domain.shared.text import IncidentNumber


class LinkIncident(ActionBody):
    """并案 with an incident; null takes the case out of it again (撤销并案)."""

    incident: IncidentNumber | None


class Linked(LinkIncident):
    """Incident that the case belongs to from now on, and the one before; None for none."""

    previous_incident: str | None = None


def guard(case: CaseState, actor: Actor, *_: object) -> NotPossible | None:
    """Refuse that an incident takes by itself a case with its own matters.

    The system moves a linked case to another incident whatever it has: somebody may have linked it by name.
    """
    if actor.role is Role.SYSTEM and not case.incident and (own := own_matters(case)):
        return NotPossible(OUT_OF_TURN, f"it is linked by name only: {', '.join(own)}")
    return None


def decide(case: CaseState, body: LinkIncident, *_: object) -> Decision:
    """Refuse the incident that the case belongs to."""
    incident = body.incident
    if incident == case.incident:
        what = f"linked to {incident} already" if incident else "linked to no incident"
        accepted = ("another incident", "null, to take it out") if incident else ("the number of an open incident",)
        raise Refused(SAME_INCIDENT, f"The case {case.number} is {what}.", accepted)
    return Decision(Linked.of(body, incident=incident, previous_incident=case.incident))


def unlinked(case: CaseState, ended: str | None) -> Linked | None:
    """Return the data of taking the case out of an incident that had ended before it knew of the case.

    None if the case is not linked to it (any more), or has been replied to without it.
    """
    if ended is None or ended != case.incident or case.state not in BEFORE_REPLY:
        return None
    return Linked(incident=None, previous_incident=case.incident)


def evolve(case: CaseState, data: Linked, event: Event) -> None:
    case.incident = data.incident
    case.settled = None
    if case.incident:
        return
    if event.role is not Role.SYSTEM:
        case.add_flags(OWN_CAUSE)
    case.resume_department(event.at)


def notifies(case: CaseState, data: Linked, _: Event) -> Addressees:
    if case.department:
        return ("department",)
    return () if data.incident else ("dispatcher",)


ACTION = Action(
    name="link_incident",
    zh="并案",
    description="The case is one of many with one cause (突发事件); without own work, it is replied to with them.",
    roles={Role.DISPATCHER, Role.SUPERVISOR, Role.OWNER, Role.SYSTEM},
    sources=BEFORE_REPLY,
    body=LinkIncident,
    guard=guard,
    example=LinkIncident(incident="i26080347119"),
    problems=(SAME_INCIDENT,),
    data=Linked,
    decide=decide,
    evolve=evolve,
    notifies=notifies,
)
