"""decide_extension 延期审批: a supervisor grants the working days that were asked for, or does not."""

from domain.case.approvers import OWN_REQUEST, own_request
from domain.case.clocks import EXTENDED_CLOCKS
from domain.case.lifecycle import OPEN
from domain.case.state import Action, ActionBody, Actor, CaseState, Decision, Event, NotPossible, Role
from domain.shared.errors import ANOTHER_SUPERVISOR, ProblemType, Refused

EXTENSION_EXPIRED = ProblemType(
    "conflict", "extension_expired", "Extension granted after the expiry", "时限已过，不能再批准延期，只能不予批准"
)


class DecideExtension(ActionBody):
    """延期审批."""

    approved: bool

    def decide(self, case: CaseState, *_: object) -> Decision | NotPossible:
        clock = case.live_clock("resolve")
        if self.approved and clock and clock.missed_at:
            expired = f"resolve expired at {clock.missed_at.isoformat()}, and an extension moves nothing any more"
            return NotPossible(EXTENSION_EXPIRED, f"{expired}; it can be rejected (approved: false)")
        return Decision(ExtensionDecided.of(self, working_days=case.extension.working_days if case.extension else 0))


class ExtensionDecided(DecideExtension):
    """Decision, and the working days that were asked for."""

    working_days: int

    def evolve(self, case: CaseState, event: Event) -> None:
        case.extension = None
        if self.approved:
            case.extensions += 1
            case.extended_days += self.working_days
            case.add_flags("extended")
            days, calendar = self.working_days, case.calendar
            case.change_clocks(lambda clock: clock.extend(days, event.at, calendar), EXTENDED_CLOCKS)


def guard(case: CaseState, *_: object) -> str | None:
    return None if case.extension else f"it is {case.state}"


def forbidden(case: CaseState, actor: Actor) -> Refused | None:
    asked = case.extension
    mine = asked and asked.requested_by == actor.id and actor.role is not Role.ADMIN
    return own_request(actor, ANOTHER_SUPERVISOR) if mine else None


ACTION = Action(
    name="decide_extension",
    zh="延期审批",
    description="If granted, the owner's clocks get the days.",
    roles={Role.SUPERVISOR},
    sources=OPEN,
    example=DecideExtension(approved=True),
    problems=(OWN_REQUEST, EXTENSION_EXPIRED),
    data=ExtensionDecided,
    guard=guard,
    forbidden=forbidden,
    notifies=("department",),
)
