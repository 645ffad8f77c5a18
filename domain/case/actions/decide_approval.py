"""decide_approval 审批: management approves (批准) or rejects (驳回) what it was asked for, in turn."""

from domain.case.actions.request_approval import open_turn
from domain.case.approvers import APPROVER_REFUSALS, OWN_REQUEST, TurnDecided, check_reason, own_request, result
from domain.case.clocks import APPROVE
from domain.case.state import Action, ActionBody, Actor, CaseState, Decision, Event, Role, State
from domain.catalogue.terms import USUAL_CURRENCY
from domain.shared.errors import ANOTHER_MANAGER, Refused
from domain.shared.value import Text


class DecideApproval(ActionBody):
    """批准 or 驳回. What was asked for with a kind is decided on with a reason, or a note that gives it."""

    approved: bool
    reason: Text | None = None

    def decide(self, case: CaseState, *_: object) -> Decision:
        approval = case.approval
        assert approval is not None  # noqa: S101 - what the state says
        if approval.kind:
            check_reason(self.reason, self.note)
        asked = approval.model_dump(include={"subject", "amount", "kind", "requested_by"}, exclude_none=True)
        currency = {} if case.terms.currency == USUAL_CURRENCY else {"currency": case.terms.currency}
        decided = ApprovalDecided.of(self, **asked, **currency, turn=len(approval.approved_by) + 1)
        final = approval.is_final(approved=self.approved)
        return Decision(decided, State.IN_PROGRESS if final else State.AWAITING_APPROVAL)


class ApprovalDecided(TurnDecided, DecideApproval):
    """Decision of one approver on a request."""

    def evolve(self, case: CaseState, event: Event) -> None:
        approval = case.approval
        assert approval is not None  # noqa: S101 - what the state says
        case.change_clocks(lambda clock: clock.stop(event.at, case.calendar), [APPROVE])
        if event.to_state is State.AWAITING_APPROVAL:
            case.approval = approval.approve(event.actor)
            open_turn(case, event.at)
            return
        case.approval = None
        case.decisions += (result(self, event, approval.approved_by, approval.grounds),)
        case.remove_flags("approved", "approval_rejected")
        case.add_flags("approved" if self.approved else "approval_rejected")
        case.start_clocks(event.at, "decision")


def forbidden(case: CaseState, actor: Actor) -> Refused | None:
    """Refuse the person who has asked for it, and whoever is not the next approver.

    The administrator may act in every role, for emergencies; the record says that it was the administrator.
    """
    approval = case.approval
    if approval is None or actor.role is Role.ADMIN:
        return None
    if actor.id == approval.requested_by:
        return own_request(actor, ANOTHER_MANAGER)
    lapsed = any(clock.name == APPROVE and clock.live and clock.missed_at for clock in case.clocks)
    return approval.forbidden(actor, lapsed=lapsed)


ACTION = Action(
    name="decide_approval",
    zh="审批",
    description="Management approves (批准) or rejects (驳回); where several decide in turn, it waits for the next.",
    roles={Role.MANAGER},
    sources={State.AWAITING_APPROVAL},
    targets=(State.IN_PROGRESS, State.AWAITING_APPROVAL),
    example=DecideApproval(approved=True, reason="Hardship household."),
    problems=(OWN_REQUEST, *APPROVER_REFUSALS),
    data=ApprovalDecided,
    forbidden=forbidden,
    notifies={State.AWAITING_APPROVAL: ("manager",), State.IN_PROGRESS: ("department", "owner")},
)
