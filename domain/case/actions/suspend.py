"""suspend 挂起: the case waits for the caller, until its wake date at the latest."""

from datetime import datetime, timedelta

from domain.case.state import Action, Actor, CaseState, Decision, Event, Reasoned, Role, State
from domain.shared.errors import ProblemType, Refused
from domain.shared.value import Instant

WAKE_AT_PAST = ProblemType("invalid", "wake_at_past", "Wake date not in the future", "恢复时间应晚于当前时间，或不填")
WAKE_AT_TOO_FAR = ProblemType("invalid", "wake_at_too_far", "Wake date too far ahead", "恢复时间应在一年以内，或不填")
LONGEST_WAIT = timedelta(days=366)
"""Longest time until a wake date. Inferred: a slip in the year must not put a case to sleep for good."""
_ACCEPTED = (("一年以内的时间", "a time within a year"), ("不填恢复时间", "no wake date"))


class Suspend(Reasoned):
    """挂起: we wait for the caller, until `wake_at` at the latest where one is given; any offset, kept in UTC."""

    wake_at: Instant | None = None

    def decide(self, _: CaseState, __: Actor, at: datetime) -> Decision:
        wake_at = self.wake_at
        if wake_at is not None and wake_at <= at:
            message = f"wake_at {wake_at.isoformat()} is not in the future; it is now {at.isoformat()}."
            raise Refused(WAKE_AT_PAST, message, _ACCEPTED)
        if wake_at is not None and wake_at > at + LONGEST_WAIT:
            days = LONGEST_WAIT.days
            message = f"wake_at {wake_at.isoformat()} is more than {days} days ahead; suspend again when it comes."
            raise Refused(WAKE_AT_TOO_FAR, message, _ACCEPTED)
        return Decision(Suspend.of(self), State.SUSPENDED)

    def evolve(self, case: CaseState, _: Event) -> None:
        case.suspended_for = self.reason


ACTION = Action(
    name="suspend",
    zh="挂起",
    description="The case waits for the caller; every clock pauses.",
    roles={Role.CREW, Role.OWNER},
    sources={State.IN_PROGRESS},
    targets=(State.SUSPENDED,),
    # Without `wake_at`: any date written here is past or too far ahead at some time.
    example=Suspend(reason="The caller buys a valve and calls again."),
    problems=(WAKE_AT_PAST, WAKE_AT_TOO_FAR),
    sets=("wake_at",),
    notifies=("owner",),
)
