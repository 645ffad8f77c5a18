"""The small language in which the demo says how a case goes: steps by people, waits for the clock, plans of both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from domain.case import commands as c
from domain.case.lifecycle import Action, Role, State
from domain.catalogue.terms import ClockName

SLOW_SECONDS = 32.0
"""A promise that a plan leaves to be missed must be no longer than this, or the demo would wait for it too long."""


@dataclass(frozen=True)
class Offer:
    """A service as the API lists it; budgets in seconds by clock."""

    code: str
    name_zh: str
    group: str
    department: str
    answer_needs_follow_up: bool
    budgets: dict[str, float] = field(hash=False)
    needs_approval: bool = False

    def quick(self, clock: ClockName) -> bool:
        """Return True if this promise is short enough to be missed while the demo runs."""
        return self.budgets.get(clock, SLOW_SECONDS + 1) <= SLOW_SECONDS


@dataclass(frozen=True)
class Scene:
    """Facts of a case that a step's texts depend on."""

    department: str
    elsewhere: str
    colleague: str
    done: str
    told: str


@dataclass(frozen=True)
class Step:
    """Somebody does something. `wakes_after`: seconds after the registration that the case is suspended until."""

    role: Role
    action: Action
    body: Callable[[Scene], c.Body]
    wakes_after: float | None = None


@dataclass(frozen=True)
class Wake:
    """The case is suspended and wakes by itself: the demo waits for it."""


Move = Step | Wake


@dataclass(frozen=True)
class Plan:
    """Steps of a case, and its final state.

    `missed` are clocks of which the last cycle's must be missed, rung once. `if_late` is played instead from the first
    step on that was refused because its time was over; until there it has the same steps.
    """

    name: str
    zh: str
    moves: tuple[Move, ...]
    state: State = State.CLOSED
    cycle: int = 1
    flags: frozenset[str] = frozenset()
    missed: tuple[ClockName, ...] = ()
    weight: int = 2
    fits: Callable[[Offer], bool] = lambda _: True
    if_late: "Plan | None" = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the actions of people, in order."""
        return tuple(move for move in self.moves if isinstance(move, Step))

    def suits(self, offer: Offer) -> bool:
        """Return True if a case of this service may go like this. A call of thanks is only answered."""
        actions = {step.action for step in self.steps}
        if not offer.budgets:
            return actions == {Action.ANSWER}
        unasked = offer.needs_approval and Action.COMPLETE in actions and Action.DECIDE_APPROVAL not in actions
        return self.fits(offer) and not unasked and (Action.ARRIVE not in actions or "arrive" in offer.budgets)

    def happens(self) -> tuple[tuple[str, bool], ...]:
        """Return the timeline without its rungs: each action, and True if the system does it."""
        return ((Action.REGISTER, False), *(_happens(move) for move in self.moves))

    def variants(self) -> Iterator["Plan"]:
        """Return this plan and its variants."""
        yield self
        if self.if_late:
            yield from self.if_late.variants()


def _happens(move: Move) -> tuple[str, bool]:
    return (Action.RESUME, True) if isinstance(move, Wake) else (move.action, False)


# --- steps -----------------------------------------------------------------------------------------------------------


def say(role: Role, body: c.Body) -> Step:
    """Return a step whose words are the same for every case."""
    return Step(role, body.action, lambda _: body)


def dispatch(role: Role = Role.DISPATCHER, note: str | None = None, *, elsewhere: bool = False) -> Step:
    """Dispatch (派单) to the service's department, or to another one."""
    return Step(
        role,
        Action.DISPATCH,
        lambda scene: c.Dispatch(department=scene.elsewhere if elsewhere else scene.department, note=note),
    )


def sign_for() -> Step:
    """Sign for the case (签收) by the crew."""
    return say(Role.CREW, c.SignFor())


def arrive() -> Step:
    """Arrive (到场)."""
    return say(Role.CREW, c.Arrive())


def complete() -> Step:
    """Complete (处理完成)."""
    return Step(Role.CREW, Action.COMPLETE, lambda scene: c.Complete(result=scene.done))


def reply() -> Step:
    """Reply (回复) by the owner."""
    return Step(Role.OWNER, Action.REPLY, lambda scene: c.Reply(message=scene.told))


def follow_up(outcome: str, note: str | None = None) -> Step:
    """Follow up (回访)."""
    return say(Role.FOLLOW_UP, c.FollowUp.model_validate({"outcome": outcome, "note": note}))


def suspend(reason: str, wakes_after: float | None = None) -> Step:
    """Suspend (挂起) until the caller does something, or until `wakes_after` seconds after the registration."""
    body = c.Suspend(reason=reason)
    return Step(Role.CREW, Action.SUSPEND, lambda _: body, wakes_after)


def hand_over() -> Step:
    """Hand over (移交) to a colleague."""
    return Step(Role.SUPERVISOR, Action.HAND_OVER, lambda scene: c.HandOver(owner=scene.colleague, note="原责任人轮休"))


def give_back() -> Step:
    """Return the case (退单) by the crew."""
    return say(Role.CREW, c.Return(reason="经核实不属本部门维护范围，请改派。"))


def ask_approval() -> Step:
    """Request approval (报批) before the company pays."""
    asked = c.RequestApproval(subject="更换户内老化水管，由公司出资", amount=Decimal("368.50"))
    return say(Role.CREW, asked)


def involve(task: str) -> Step:
    """Involve (协办) another department, which gets a part."""
    return Step(Role.OWNER, Action.INVOLVE, lambda scene: c.Involve(department=scene.elsewhere, task=task))


def sign_for_part() -> Step:
    """Sign for the part (签收) by the other department's crew."""
    return Step(Role.CREW, Action.SIGN_FOR, lambda scene: c.SignFor(department=scene.elsewhere))


def complete_part(result: str) -> Step:
    """Complete the part (处理完成) by the other department's crew."""
    return Step(Role.CREW, Action.COMPLETE, lambda scene: c.Complete(department=scene.elsewhere, result=result))


def release(reason: str) -> Step:
    """Release the other department (撤回协办)."""
    return Step(Role.DISPATCHER, Action.RELEASE, lambda scene: c.Release(department=scene.elsewhere, reason=reason))


WORK: tuple[Move, ...] = (dispatch(), sign_for(), arrive(), complete())
HELD: tuple[Move, ...] = (dispatch(Role.AGENT), sign_for(), arrive())
REPLIED: tuple[Move, ...] = (*WORK, reply())
SATISFIED: tuple[Move, ...] = (reply(), follow_up("satisfied"))
DONE: tuple[Move, ...] = (*WORK, *SATISFIED)
REWORK: tuple[Move, ...] = (sign_for(), arrive(), complete(), reply())
REST: tuple[Move, ...] = (*REWORK, follow_up("satisfied"))
