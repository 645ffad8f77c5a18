"""link_incident 并案: the case is one of many with one cause (突发事件), or not any more.

It waits with the others, and is settled with them when the incident ends, unless it has own work.
"""

from datetime import datetime

from domain.case.actions import comment, reply, resume
from domain.case.actions import complete as completion
from domain.case.clocks import DEPARTMENT_CLOCKS
from domain.case.lifecycle import BEFORE_REPLY, UNSIGNED, Event, OfIncident, State, text_of
from domain.case.progress import Progress
from domain.case.state import Action, ActionBody, Actor, Addressees, BatchAnswer, CaseState, Decision, NotPossible, Role
from domain.shared.errors import ANOTHER_INCIDENT, NO_INCIDENT, OPEN_INCIDENT, OUT_OF_TURN, SAME_INCIDENT, Refused
from domain.shared.value import Immutable, IncidentNumber, NamedCode, Phrase, exhaustive, omit_default

SETTLED, KEPT, OVER = "settled", "kept", "over"
"""Results for a case: completed and replied to; kept open for its own work; replied to long before."""
UNLINK: Phrase = ("退出并案", "unlink")
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
exhaustive("_OWN_WORK, or not", OwnMatter, _OWN_WORK | {OwnMatter.SIGNED_FOR, OwnMatter.CREDIT, OwnMatter.OWN_CAUSE})


class LinkIncident(ActionBody):
    """并案 with an incident; null takes the case out of it again (撤销并案)."""

    incident: IncidentNumber | None

    def decide(self, case: CaseState, *_: object) -> Decision:
        incident = self.incident
        if incident == case.incident:
            what = f"linked to {incident} already" if incident else "linked to no incident"
            accepted = (ANOTHER_INCIDENT, NO_INCIDENT) if incident else (OPEN_INCIDENT,)
            raise Refused(SAME_INCIDENT, f"The case {case.number} is {what}.", accepted)
        return Decision(Linked.of(self, incident=incident, previous_incident=case.incident))


class Linked(LinkIncident):
    """Incident that the case belongs to from now on, and the one before; None for none."""

    previous_incident: str | None = None

    def evolve(self, case: CaseState, event: Event) -> None:
        case.incident = self.incident
        case.settled = None
        if case.incident:
            return
        if event.role is not Role.SYSTEM:
            case.add_flags(OWN_CAUSE)
        case.resume_department(event.at)

    def done(self, _: Event) -> Phrase | None:
        return UNLINK if self.incident is None and self.previous_incident else None

    def text(self, number: str, event: Event) -> tuple[str, str] | None:
        left = self.previous_incident
        if self.incident or left is None:
            return None
        return text_of(number, event, f"退出并案 {left}", f"unlinked from {left}")

    def notifies(self, case: CaseState, _: Event) -> Addressees:
        if case.department:
            return ("department",)
        return () if self.incident else ("dispatcher",)


def guard(case: CaseState, actor: Actor, *_: object) -> NotPossible | None:
    """Refuse that an incident takes by itself a case with its own matters.

    The system moves a linked case to another incident whatever it has: somebody may have linked it by name.
    """
    if actor.role is Role.SYSTEM and not case.incident and (own := own_matters(case)):
        return NotPossible(OUT_OF_TURN, f"it is linked by name only: {', '.join(own)}")
    return None


def unlinked(case: CaseState, ended: str | None) -> Linked | None:
    """Make the data of taking the case out of an incident that had ended before it knew of the case.

    None if the case is not linked to it (any more), or has been replied to without it.
    """
    if ended is None or ended != case.incident or case.state not in BEFORE_REPLY:
        return None
    return Linked(incident=None, previous_incident=case.incident)


def own_matters(case: Progress) -> tuple[OwnMatter, ...]:
    """Reasons why an incident does not take the case by itself; empty if it does."""
    matters = {
        OwnMatter.REWORK: case.cycle > 1,
        OwnMatter.SIGNED_FOR: case.signed_for or case.state not in UNSIGNED,
        OwnMatter.WORK_DONE: case.completed or case.result is not None or case.arrived_at is not None,
        OwnMatter.PART: case.parts,
        OwnMatter.APPROVAL: case.approval or any(not each.of_credit for each in case.decisions),
        OwnMatter.CREDIT: case.credits,
        OwnMatter.OWN_CAUSE: OWN_CAUSE in case.flags,
    }
    return tuple(matter for matter, is_so in matters.items() if is_so)


def has_own_work(case: CaseState) -> bool:
    """Return True if somebody has worked on the case: it goes on with its department when its incident ends."""
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
            case.change_clocks(lambda clock: clock.pause(event.at, case.calendar), DEPARTMENT_CLOCKS)
        else:
            case.settled = OVER


ACTION = Action(
    name="link_incident",
    zh="并案",
    description="The case is one of many with one cause (突发事件); without own work, it is replied to with them.",
    roles={Role.DISPATCHER, Role.SUPERVISOR, Role.OWNER, Role.SYSTEM},
    sources=BEFORE_REPLY,
    guard=guard,
    example=LinkIncident(incident="i26080347119"),
    problems=(SAME_INCIDENT,),
    data=Linked,
)


_STEPS = {action.ACTION.name for action in (resume, completion, reply)}
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
    """`settled`, `kept` or `over`, for the settlement of this incident. Asked again, the case answers the same."""
    if case.incident != incident:
        return OVER
    if case.settled:
        return case.settled
    if case.state not in BEFORE_REPLY:
        return OVER
    return KEPT if has_own_work(case) or not _STEPS.isdisjoint(case.left_out) else SETTLED


def next_step(case: CaseState, settlement: Settlement, at: datetime, *, keeps: bool) -> tuple[Action, Decision] | None:
    """Next step that brings the case to its reply; None if nothing is left to do.

    `keeps` is set if the case had work of its own before the first step, as an arrival, a result, a part or an
    approval. It goes on with its department, and its owner is told why the others are done.
    """
    incident = settlement.incident
    if case.settled or case.incident != incident or case.state not in BEFORE_REPLY:
        return None
    if keeps:
        return comment.ACTION, Decision(comment.Commented(incident=incident, note=settlement.result, settled=KEPT))
    if case.state in resume.ACTION.sources:
        return resume.ACTION, Decision(resume.Resumed(incident=incident), State.IN_PROGRESS)
    if not case.completed:
        done = completion.Completed(incident=incident, result=settlement.result)
        return completion.ACTION, Decision(done, State.PENDING_REPLY)
    state = State.PENDING_FOLLOW_UP if settlement.follow_up else State.CLOSED
    ends_at = None if settlement.follow_up else case.window_ends_at(at)
    replied = reply.Replied(incident=incident, message=settlement.message, settled=SETTLED, reopen_ends_at=ends_at)
    return reply.ACTION, Decision(replied, state)
