"""What people may send to a case: the bodies with the best chance, and who sends them in which capacity."""

from typing import Any

from domain.case import commands as c
from domain.case.intake import Actor
from domain.case.lifecycle import Action, Role
from domain.case.parts import PART_TABLE
from domain.case.state import Record
from tests.support.build import ACTORS, BODIES, CREW, INCIDENT, OTHER_CREW, OWNER

STRANGER = Actor(name="Deng Yan", role=Role.CREW, department="billing")
ANY_CREW = Actor(name="Ma Li", role=Role.CREW)
DEPARTMENTS = ("repair", "metering", "billing")
"""Of the case, of a part where it has one, and of neither."""

PEOPLE = (
    *ACTORS.values(),
    OTHER_CREW,
    STRANGER,
    ANY_CREW,
    *(
        Actor(name=OWNER.name, role=Role.CREW, department=crew.department)
        for crew in (CREW, OTHER_CREW, STRANGER, ANY_CREW)
    ),
)
"""Every role, crews of every department and of none, and the owner of the case with the keys of such crews."""


def bodies(case: Record) -> list[c.Body]:
    """For each action the bodies with the best chance, one for each department that they may name."""
    best: dict[Action, c.Body] = BODIES | {
        Action.DISPATCH: c.Dispatch(department="network"),
        Action.REQUEST_EXTENSION: c.RequestExtension(working_days=1, reason="x"),
        Action.HAND_OVER: c.HandOver(owner=f"not {case.owner}"),
        Action.DECIDE_APPROVAL: c.DecideApproval(approved=True, reason="x"),
        Action.DECIDE_EXTENSION: c.DecideExtension(approved=False),
        Action.INVOLVE: c.Involve(department="network", task="x"),
        Action.LINK_INCIDENT: c.LinkIncident(incident=None if case.incident else INCIDENT),
    }
    waiting = [c.DecideCredit(credit=owed.serial, approved=True) for owed in case.credits_waiting]
    named = [_naming(best[action], department) for action in PART_TABLE for department in DEPARTMENTS]
    return [*best.values(), *waiting, *named]


def _naming(body: Any, department: str) -> c.Body:
    named: c.Body = body.model_copy(update={"department": department})
    return named
