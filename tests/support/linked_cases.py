"""Cases that are linked to an incident, what links them, and what settles them."""

from domain.case.actions.link_incident import LinkIncident, Settlement
from domain.case.case import Case
from domain.case.lifecycle import Event, State
from tests.support.build import BODIES, DISPATCHER, INCIDENT, MONDAY, THEN, case_in, do, hours, registration

LINK = BODIES["link_incident"]
UNLINK = LinkIncident(incident=None)
OVER_NOW = Settlement(incident=INCIDENT, result="The main was replaced.", message="Water is back.")
LATER = MONDAY + hours(3)


def linked(state: State = State.REGISTERED) -> Case:
    """A case in this state, linked to the incident."""
    case = case_in(state)
    do(case, LINK, THEN, DISPATCHER)
    return case


def with_incident() -> tuple[Case, Event]:
    """A call that an open incident explains, as it is registered."""
    case, (event,) = Case.register(registration().model_copy(update={"incident": INCIDENT}))
    return case, event
