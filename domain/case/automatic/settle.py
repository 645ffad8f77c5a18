"""settle: the incident that a case is linked to has ended; the case is completed and replied to with the others."""

from datetime import datetime

from domain.case.actions import comment, complete, reply, resume
from domain.case.actions.link_incident import KEPT, OVER, SETTLED, has_own_work
from domain.case.lifecycle import BEFORE_REPLY
from domain.case.state import Action, BatchAnswer, CaseState, Decision, State
from domain.shared.value import Immutable, omit_default

_STEPS = {action.ACTION.name for action in (resume, complete, reply)}
"""Kinds of the events that settle a case; if one would have made it invalid, the case goes on by itself."""


class Settlement(Immutable):
    """End of an incident for a case: what was done, what the caller is told, and if the case is followed up."""

    incident: str
    result: str
    message: str
    follow_up: bool = True
    acknowledged: int = omit_default(0, "The version that SQL has: the answer holds what came after it.")


class Settled(BatchAnswer):
    """Answer of a case: the outcome, and the batch of its events for the incident to write."""

    outcome: str


def outcome(case: CaseState, incident: str) -> str:
    """Return the result of this incident's settlement for the case. Asked again, it answers the same."""
    if case.incident != incident:
        return OVER
    if case.settled:
        return case.settled
    if case.state not in BEFORE_REPLY:
        return OVER
    return KEPT if has_own_work(case) or not _STEPS.isdisjoint(case.left_out) else SETTLED


def next_step(case: CaseState, settlement: Settlement, at: datetime, *, keeps: bool) -> tuple[Action, Decision] | None:
    """Return what happens next to bring the case to its reply; None if nothing is left to do.

    `keeps` is set if the case had work of its own before the first step.

    A case with work of its own, as an arrival, a result, a part or an approval, goes on with its department, and its
    owner is told why the others are done.
    """
    incident = settlement.incident
    if case.settled or case.incident != incident or case.state not in BEFORE_REPLY:
        return None
    if keeps:
        kept = comment.Commented(incident=incident, note=settlement.result, settled=KEPT)
        return comment.ACTION, Decision(kept)
    if case.state is State.SUSPENDED:
        return resume.ACTION, Decision(resume.Resumed(incident=incident), State.IN_PROGRESS)
    if not case.completed:
        done = complete.Completed(incident=incident, result=settlement.result)
        return complete.ACTION, Decision(done, State.PENDING_REPLY)
    state = State.PENDING_FOLLOW_UP if settlement.follow_up else State.CLOSED
    ends_at = None if settlement.follow_up else case.window_ends_at(at)
    replied = reply.Replied(incident=incident, message=settlement.message, settled=SETTLED, reopen_ends_at=ends_at)
    return reply.ACTION, Decision(replied, state)
