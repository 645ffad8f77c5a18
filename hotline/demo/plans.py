"""Plans of cases, and the table of those of a day: plans that end a case, and plans that leave it open."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from domain.case.lifecycle import State
from domain.catalogue.terms import ClockName
from hotline.demo.offers import Offer
from hotline.demo.steps import LINK, Move, RungWait, Step, Wake, moves

SLOW_SECONDS = 300
"""From this budget on there is time to ask for an extension."""
LASTING_SECONDS = 7200
"""A case whose owner has promised nothing for as long is not late while a newcomer looks around."""


@dataclass(frozen=True)
class Plan:
    """Way of a case by the names of its moves, and its final state.

    `missed` are clocks of which the last cycle's must be missed, rung once. `if_late` is played instead from the first
    step on that was refused because its time was over; until there it has the same moves.
    """

    name: str
    way: str | tuple[Move, ...]
    state: State = State.CLOSED
    cycle: int = 1
    flags: tuple[str, ...] = ()
    missed: tuple[ClockName, ...] = ()
    weight: int = 2
    fits: Callable[[Offer], bool] = lambda _: True
    if_late: "Plan | None" = None

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """Return the steps and waits, in order."""
        return moves(self.way) if isinstance(self.way, str) else self.way

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the actions of people, in order."""
        return tuple(move for move in self.moves if isinstance(move, Step))

    @property
    def links(self) -> bool:
        """Return True if the case is linked to the incident of the day."""
        return any(step.action == LINK for step in self.steps)

    @property
    def takes_time(self) -> bool:
        """Return True if a clock has to run down before the case is as planned."""
        return bool(self.missed) or any(isinstance(move, RungWait) for move in self.moves)

    def suits(self, offer: Offer) -> bool:
        """Return True if a case of this service may follow the plan. A call of thanks is only answered."""
        actions = {step.action for step in self.steps}
        if not offer.budgets:
            return actions == {"answer"}
        unasked = offer.needs_approval and "complete" in actions and "decide_approval" not in actions
        late = self.if_late is None or self.if_late.suits(offer)
        timely = all(map(offer.quick, self.missed)) and ("arrive" not in actions or "arrive" in offer.budgets)
        return self.fits(offer) and not unasked and late and timely

    def happens(self) -> tuple[tuple[str, bool], ...]:
        """Return the expected timeline without rungs: each action, and True if the system does it."""
        seen = (move for move in self.moves if not isinstance(move, RungWait))
        return (("register", False), *(_happens(move) for move in seen))

    def variants(self) -> Iterator["Plan"]:
        """Return this plan and its variants."""
        yield self
        if self.if_late:
            yield from self.if_late.variants()


def _happens(move: Step | Wake) -> tuple[str, bool]:
    return ("resume", True) if isinstance(move, Wake) else (move.action, False)


def repairs(offer: Offer) -> bool:
    """Return True for repairs."""
    return offer.group == "repair"


def slow(offer: Offer) -> bool:
    """Return True if the case may take so long that an extension can be asked for."""
    return offer.budgets.get("resolve", 0) > SLOW_SECONDS


def credited(offer: Offer) -> bool:
    """Return True if the company owes a credit for a late reply."""
    return "reply" in offer.credited


def _can_stay_at_risk(offer: Offer) -> bool:
    """Return True if a case can lie between 75 % and the miss of its department's promise, with nothing else late."""
    owners = (offer.budgets.get(clock, LASTING_SECONDS) for clock in ("resolve", "reply"))
    return offer.quick("acknowledge") and min(owners) >= LASTING_SECONDS


_KEPT = Plan("returned_too_late", "WORK END")
_UNEXTENDED = Plan("extension_too_late", "dispatch sign_for complete END")
_REOPENED_LATE = Plan("reopened_too_late", "WORK END")
_COMMENTED_ONCE = Plan("commented_once", "dispatch comment REWORK satisfied")
_UNRETURNED = Plan("left_unreturned", "dispatch", State.DISPATCHED)
_KEPT_AT_RISK = Plan("left_at_risk_kept", "dispatch until_at_risk", State.DISPATCHED)
_LEFT_UNEXTENDED = Plan("left_unextended", "dispatch sign_for", State.IN_PROGRESS)

ENDINGS: tuple[Plan, ...] = (
    Plan("straight", "WORK END", weight=18),
    Plan("straight_office", "dispatch_at_once sign_for complete END", weight=7),
    Plan("answered", "answer", weight=8, fits=lambda offer: not offer.answer_needs_follow_up),
    Plan("answered_followed_up", "answer satisfied", weight=3, fits=lambda offer: offer.answer_needs_follow_up),
    Plan("refused", "refuse", State.REFUSED),
    Plan("withdrawn", "withdraw", State.WITHDRAWN),
    Plan("withdrawn_in_work", "HELD withdraw_repaired", State.WITHDRAWN),
    Plan("reinstated", "HELD withdraw_by_mistake reinstate complete END"),
    Plan("returned_refused", "dispatch give_back refuse_drains", State.REFUSED, if_late=_KEPT),
    Plan("redispatched", "dispatch give_back redirect REWORK satisfied", weight=4, if_late=_KEPT),
    Plan("returned_from_work", "dispatch sign_for give_back redirect REWORK satisfied", if_late=_KEPT),
    Plan("return_rejected", "dispatch give_back reject_return REWORK satisfied", weight=3, if_late=_KEPT),
    Plan("woken", "HELD suspend_for_a_while wake complete END", weight=4),
    Plan("called_back", "HELD suspend_for_parts resume complete END", weight=3, fits=repairs),
    Plan("approved", "HELD ask_approval approve complete END", flags=("approved",), weight=3, fits=repairs),
    Plan(
        "waived",
        "dispatch sign_for ask_waiver waive complete END",
        flags=("approved",),
        fits=lambda offer: offer.needs_approval,
    ),
    Plan("approval_rejected", "HELD ask_approval disapprove complete END", flags=("approval_rejected",), fits=repairs),
    Plan("sent_back", "WORK send_back complete END", weight=3),
    Plan("reworked", "WORK reply dissatisfied REWORK satisfied", cycle=2, flags=("reworked",), weight=4),
    Plan(
        "reworked_twice",
        "WORK reply unsolved REWORK unsolved_again REWORK satisfied",
        cycle=3,
        flags=("reworked", "supervised"),
    ),
    Plan("unreachable", "WORK reply not_reached_1 not_reached_2 not_reached_3", flags=("unreachable",)),
    Plan("reached_later", "WORK reply not_reached satisfied"),
    Plan(
        "reopened", "WORK END reopen REWORK satisfied", cycle=2, flags=("reopened",), weight=3, if_late=_REOPENED_LATE
    ),
    Plan("together", "HELD involve sign_for_part complete complete_part END", weight=4, fits=repairs),
    Plan("part_released", "HELD involve_meters complete release END", fits=repairs),
    Plan(
        "extended",
        "dispatch sign_for ask_extension extend complete END",
        flags=("extended",),
        fits=slow,
        if_late=_UNEXTENDED,
    ),
    Plan(
        "extension_rejected",
        "dispatch sign_for ask_extension do_not_extend complete END",
        fits=slow,
        if_late=_UNEXTENDED,
    ),
    Plan("credited", "WORK until_replied_late decide_credit END", missed=("reply",), weight=1, fits=credited),
    Plan("handed_over", "dispatch hand_over REWORK satisfied"),
    Plan("corrected", "dispatch correct REWORK satisfied"),
    Plan("reassigned", "dispatch sign_for assign complete END"),
    Plan("urged", "dispatch urge REWORK satisfied", flags=("urged",), weight=3),
    Plan("commented", "dispatch comment REWORK satisfied thank", if_late=_COMMENTED_ONCE),
    Plan("supervised", "dispatch supervise REWORK satisfied", flags=("supervised",)),
)
"""Every path to an end that the lifecycle has: closed, refused or withdrawn."""

LEFT: tuple[Plan, ...] = (
    Plan("left_registered", "", State.REGISTERED),
    Plan("left_unsigned", "dispatch", State.DISPATCHED, missed=("acknowledge",), weight=4),
    Plan("left_returned", "dispatch give_back", State.PENDING_REDISPATCH, if_late=_UNRETURNED),
    Plan("left_on_the_way", "dispatch_at_once sign_for", State.IN_PROGRESS, missed=("arrive",), weight=4),
    Plan("left_suspended", "HELD suspend", State.SUSPENDED, weight=4),
    Plan("left_for_approval", "HELD ask_approval", State.AWAITING_APPROVAL),
    Plan("left_without_reply", "WORK", State.PENDING_REPLY, missed=("reply",), weight=3),
    Plan("left_for_follow_up", "WORK reply", State.PENDING_FOLLOW_UP, weight=4),
    Plan("left_in_rework", "WORK reply demanding sign_for", State.IN_PROGRESS, cycle=2, flags=("reworked",)),
    Plan("left_emergency", "HELD", State.IN_PROGRESS, fits=lambda offer: offer.priority == "P1"),
    # The return pauses the department's clock between 75 % and 100 %, so the case stays at risk until it is dispatched.
    Plan(
        "left_at_risk",
        "dispatch until_at_risk give_back",
        State.PENDING_REDISPATCH,
        weight=3,
        fits=_can_stay_at_risk,
        if_late=_KEPT_AT_RISK,
    ),
    Plan("left_with_credit", "WORK", State.PENDING_REPLY, missed=("reply",), weight=1, fits=credited),
    Plan("left_with_incident", "dispatch link", State.DISPATCHED, fits=repairs),
    Plan("left_together", "HELD involve_bills", State.IN_PROGRESS, fits=repairs),
    Plan("left_supervised", "dispatch supervise", State.DISPATCHED, flags=("supervised",)),
    Plan(
        "left_extended",
        "dispatch sign_for ask_extension extend",
        State.IN_PROGRESS,
        flags=("extended",),
        fits=slow,
        if_late=_LEFT_UNEXTENDED,
    ),
)
"""The cases that the demo leaves open, late ones and paused ones among them."""

PLANS: tuple[Plan, ...] = (*ENDINGS, *LEFT)
"""All plans. `weight` is the relative frequency of a plan."""
