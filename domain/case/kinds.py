"""Every kind of event of a complaint, and what one does to its case."""

from domain.case import incident_link, urging
from domain.case.actions import ACTIONS
from domain.case.automatic import AUTOMATIC, left_out
from domain.case.closing import close
from domain.case.events import Event
from domain.case.kind import Action, EventKind
from domain.case.lifecycle import ENDED
from domain.case.parts import PartData
from domain.case.state import CaseState

CASE_KINDS: dict[str, EventKind] = {kind.name: kind for kind in (*ACTIONS, *AUTOMATIC)}


def evolve(case: CaseState, event: Event) -> None:
    """Bring the case from version `seq - 1` to `seq`. Raises ValueError for an event out of order."""
    if event.seq != case.version + 1:
        raise ValueError(f"event {event.seq} cannot follow version {case.version} of case {case.number}")
    case.version = event.seq
    if event.people:
        case.people = {**case.people, **event.people}
    kind, data = CASE_KINDS[event.action], event.data
    if kind is left_out.KIND:  # no rule beyond its own, as any may be the one that fails
        kind.change(case, event)
        return
    if isinstance(kind, Action):
        case.left_out = ()
    if isinstance(kind, Action) and kind.part and isinstance(data, PartData) and data.part:
        kind.part.evolve(case, case.parts[data.part - 1], data, event)
    else:
        kind.change(case, event)
    if case.terms.credits and not kind.by_time:
        case.acted_at = event.at
    incident_link.wait(case, event)
    if event.to_state in ENDED and case.state not in ENDED:
        close(case, event)
    case.state = event.to_state
    case.note_standstill(event.at)
    urging.run_countdown(case, event.at)
