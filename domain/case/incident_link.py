"""Link of a case to an incident (并案): it waits with the others, and is settled with them."""

from domain.case.events import Event, OfIncident
from domain.case.lifecycle import BEFORE_REPLY
from domain.case.state import CaseState

SETTLED, KEPT, OVER = "settled", "kept", "over"
"""Results for a case: completed and replied to; kept open for what it has of its own; replied to long before."""
OWN_CAUSE = "own_cause"
"""The flag of a case that somebody took out of an incident (另有原因): it is not gathered again."""


def wait(case: CaseState, event: Event) -> None:
    """Let the department's clocks stand still while the case waits: the incident's dispatch stands for its own.

    A case that is kept waits no longer. Neither does one that is replied to or ends by itself; it goes its own way if
    it is reopened.
    """
    if isinstance(event.data, OfIncident) and event.data.settled:
        case.settled = event.data.settled
        if case.settled == KEPT:
            case.resume_department(event.at)
    elif case.incident and not case.settled:
        if event.to_state in BEFORE_REPLY:
            case.pause_department(event.at)
        else:
            case.settled = OVER
