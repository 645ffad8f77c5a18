"""Bodies that people may send to a case, those with the best chance, and their senders in every capacity."""

from typing import Any

from domain.case.actions.assign import Assign
from domain.case.actions.correct import Correct
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.hand_over import HandOver
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.request_extension import RequestExtension
from domain.case.intake import Location
from domain.case.state import CaseState
from domain.kit.event import ActionBody
from domain.shared.actors import Actor, Role
from tests.support.build import ACTORS, BODIES, CREW, INCIDENT, OTHER_CREW, OWNER, PART_TABLE

STRANGER = Actor(id="Deng Yan", role=Role.CREW, department="billing")
ANY_CREW = Actor(id="Ma Li", role=Role.CREW)
DEPARTMENTS = ("repair", "metering", "billing")
"""Of the case, of a part where it has one, and of neither."""

PEOPLE = (
    *ACTORS.values(),
    OTHER_CREW,
    STRANGER,
    ANY_CREW,
    *(
        Actor(id=OWNER.id, role=Role.CREW, department=crew.department)
        for crew in (CREW, OTHER_CREW, STRANGER, ANY_CREW)
    ),
)
"""Every role, crews of every department and of none, and the owner of the case with the keys of such crews."""


def bodies(case: CaseState) -> list[ActionBody]:
    """For each action the bodies with the best chance, one for each department that they may name."""
    best: dict[str, ActionBody] = BODIES | {
        "dispatch": Dispatch(department="network"),
        "request_extension": RequestExtension(working_days=1, reason="x"),
        "correct": Correct(reason="x", location=Location(address=f"not {case.intake.location.address}")),
        "hand_over": HandOver(owner=f"not {case.owner}"),
        "assign": Assign(assignee="nobody's"),
        "decide_approval": DecideApproval(approved=True, reason="x"),
        "decide_extension": DecideExtension(approved=False),
        "involve": Involve(department="network", task="x"),
        "link_incident": LinkIncident(incident=None if case.incident else INCIDENT),
    }
    waiting = [DecideCredit(credit=owed.serial, approved=True) for owed in case.undecided_credits]
    named = [_naming(best[action], department) for action in PART_TABLE for department in DEPARTMENTS]
    return [*best.values(), *waiting, *named]


def _naming(body: Any, department: str) -> ActionBody:
    named: ActionBody = body.model_copy(update={"department": department})
    return named
