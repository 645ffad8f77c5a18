"""Link of a case to an incident (并案): it waits with the others, and is settled with them unless it has own work."""

from collections.abc import Iterator

from domain.case.events import Event, OfIncident
from domain.case.lifecycle import BEFORE_REPLY, UNSIGNED
from domain.case.progress import Progress
from domain.case.state import CaseState
from domain.shared.value import NamedCode, complete

SETTLED, KEPT, OVER = "settled", "kept", "over"
"""Results for a case: completed and replied to; kept open for its own work; replied to long before."""
OWN_CAUSE = "own_cause"
"""The flag of a case that somebody took out of an incident (另有原因): it is not gathered again."""


class OwnMatter(NamedCode):
    """Reason why an incident does not take a case by itself; a person may link it by name."""

    REWORK = "rework", "重办"
    SIGNED_FOR = "signed_for", "已签收"
    WORK_DONE = "work_done", "已有处理结果"
    PART = "part", "有协办任务"
    APPROVAL = "approval", "有审批事项"
    CREDIT = "credit", "有补偿事项"
    OWN_CAUSE = OWN_CAUSE, "另有原因"


_OWN_WORK = frozenset({OwnMatter.REWORK, OwnMatter.WORK_DONE, OwnMatter.PART, OwnMatter.APPROVAL})
"""Matters that keep a case open when its incident ends."""
complete("_OWN_WORK, or no work", OwnMatter, _OWN_WORK | {OwnMatter.SIGNED_FOR, OwnMatter.CREDIT, OwnMatter.OWN_CAUSE})


def own_matters(case: Progress) -> tuple[OwnMatter, ...]:
    """Return the reasons why an incident does not take the case by itself; empty if it does."""
    return tuple(_own_matters(case))


def _own_matters(case: Progress) -> Iterator[OwnMatter]:
    if case.cycle > 1:
        yield OwnMatter.REWORK
    if case.signed_for or case.state not in UNSIGNED:
        yield OwnMatter.SIGNED_FOR
    if case.completed or case.result is not None or case.arrived_at is not None:
        yield OwnMatter.WORK_DONE
    if case.parts:
        yield OwnMatter.PART
    if case.approval or any(not each.of_credit for each in case.decisions):
        yield OwnMatter.APPROVAL
    if case.credits:
        yield OwnMatter.CREDIT
    if OWN_CAUSE in case.flags:
        yield OwnMatter.OWN_CAUSE


def has_own_work(case: CaseState) -> bool:
    """Return True if the case goes on with its department when its incident ends: somebody has worked on it."""
    return case.needs_decision or not _OWN_WORK.isdisjoint(own_matters(case))


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
