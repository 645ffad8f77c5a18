"""Plans of cases in the demo: steps by people, and waits for a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from domain.case.actions import ACTION_OF
from domain.case.actions.arrive import Arrive
from domain.case.actions.assign import Assign
from domain.case.actions.complete import Complete
from domain.case.actions.correct import Correct
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.release import Release
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.return_ import Return
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.intake import Caller
from domain.case.lifecycle import State
from domain.case.satisfaction import Satisfaction
from domain.catalogue.terms import ClockName
from domain.shared.actors import Role
from domain.shared.event import ActionBody
from hotline.demo.texts import Work

LINK = "link_incident"
SLOW_SECONDS = 32.0
"""A promise that a plan leaves to be missed must be no longer than this, or the demo would wait for it too long."""


@dataclass(frozen=True)
class Offer:
    """A service as the API lists it; budgets in seconds by clock. `credited` are clocks whose miss is compensated.

    `findings` are the codes that `complete` accepts, the same for every service.
    """

    code: str
    name_zh: str
    group: str
    department: str
    answer_needs_follow_up: bool
    budgets: dict[str, float] = field(hash=False)
    needs_approval: bool = False
    priority: str = ""
    credited: frozenset[str] = frozenset()
    findings: frozenset[str] = frozenset()

    def quick(self, clock: ClockName) -> bool:
        """Return True if this promise is short enough to be missed while the demo runs."""
        return self.budgets.get(clock, SLOW_SECONDS + 1) <= SLOW_SECONDS


@dataclass(frozen=True)
class Scene:
    """Facts of a case that a step's texts depend on."""

    department: str
    elsewhere: str
    colleague: str
    relief: str
    done: Work
    findings: frozenset[str]
    told: str
    satisfaction: Satisfaction


@dataclass(frozen=True)
class Step:
    """Action of a person. `wakes_after`: seconds from the registration to the wake date of a suspension."""

    role: Role
    action: str
    body: Callable[[Scene], ActionBody]
    wakes_after: float | None = None


@dataclass(frozen=True)
class Wake:
    """Wait until a suspended case wakes by itself."""


@dataclass(frozen=True)
class RungWait:
    """Wait until a running clock has consumed this percentage of its budget."""

    clock: ClockName
    percent: int


Wait = Wake | RungWait
Move = Step | Wait


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
        return self.fits(offer) and not unasked and late and ("arrive" not in actions or "arrive" in offer.budgets)

    def happens(self) -> tuple[tuple[str, bool], ...]:
        """Return the expected timeline without rungs: each action, and True if the system does it."""
        moves = (move for move in self.moves if not isinstance(move, RungWait))
        return (("register", False), *(_happens(move) for move in moves))

    def variants(self) -> Iterator["Plan"]:
        """Return this plan and its variants."""
        yield self
        if self.if_late:
            yield from self.if_late.variants()


def _happens(move: Step | Wake) -> tuple[str, bool]:
    return ("resume", True) if isinstance(move, Wake) else (move.action, False)


# --- steps -----------------------------------------------------------------------------------------------------------


def say(role: Role, body: ActionBody) -> Step:
    """Return a step that has the same texts for every case."""
    return Step(role, ACTION_OF[type(body)].name, lambda _: body)


def dispatch(role: Role = Role.DISPATCHER, note: str | None = None, *, elsewhere: bool = False) -> Step:
    """Dispatch (派单) to the service's department, or to another one."""
    return Step(
        role,
        "dispatch",
        lambda scene: Dispatch(department=scene.elsewhere if elsewhere else scene.department, note=note),
    )


def sign_for() -> Step:
    """Sign for the case (签收), by the crew."""
    return say(Role.CREW, SignFor())


def arrive() -> Step:
    """Arrive (到场)."""
    return say(Role.CREW, Arrive())


def complete(work: Work | None = None) -> Step:
    """Complete the work (处理完成); without a text of its own, as the service's crews do."""
    return Step(Role.CREW, "complete", lambda scene: (work or scene.done).completion(scene.findings))


def reply() -> Step:
    """Reply (回复), by the owner."""
    return Step(Role.OWNER, "reply", lambda scene: Reply(message=scene.told))


def follow_up(satisfaction: Satisfaction | None = None, note: str | None = None, *, solved: bool = True) -> Step:
    """Follow up (回访) a caller who is reached; without a step of satisfaction, one of the first three by the case."""

    def body(scene: Scene) -> ActionBody:
        said = satisfaction or scene.satisfaction
        return FollowUp(contacted=True, solved=solved, satisfaction=said, note=note)

    return Step(Role.FOLLOW_UP, "follow_up", body)


def not_reached(note: str | None = None) -> Step:
    """Follow up (回访) a caller who is not reached."""
    return say(Role.FOLLOW_UP, FollowUp(contacted=False, note=note))


def suspend(reason: str, wakes_after: float | None = None) -> Step:
    """Suspend (挂起) until the caller does something or `wakes_after` seconds after the registration."""
    body = Suspend(reason=reason)
    return Step(Role.CREW, "suspend", lambda _: body, wakes_after)


def hand_over() -> Step:
    """Hand over (移交) to a colleague."""
    return Step(Role.SUPERVISOR, "hand_over", lambda scene: HandOver(owner=scene.colleague, note="原责任人轮休"))


def assign() -> Step:
    """Assign (指派) the work to another person of the crew."""
    return Step(Role.SUPERVISOR, "assign", lambda scene: Assign(assignee=scene.relief, note="原处理人下班"))


def correct(phone: str) -> Step:
    """Correct (更正) the telephone of the caller, by somebody else than the owner."""
    return say(Role.SUPERVISOR, Correct(reason="来电人更正联系电话。", caller=Caller(phone=phone)))


def give_back() -> Step:
    """Return the case (退单), by the crew."""
    return say(Role.CREW, Return(reason="经核实不属本部门维护范围，请改派。"))


def ask_approval() -> Step:
    """Request approval (报批) before the company pays."""
    asked = RequestApproval(subject="更换户内老化水管，由公司出资", amount=Decimal("368.50"))
    return say(Role.CREW, asked)


def involve(task: str) -> Step:
    """Involve (协办) another department with a part of the case."""
    return Step(Role.OWNER, "involve", lambda scene: Involve(department=scene.elsewhere, task=task))


def link() -> Step:
    """Link the case to the incident of the day (并案); its number is known once the day is played."""
    return say(Role.DISPATCHER, LinkIncident(incident=None))


def sign_for_part() -> Step:
    """Sign for the part (签收), by the other department's crew."""
    return Step(Role.CREW, "sign_for", lambda scene: SignFor(department=scene.elsewhere))


def complete_part(result: str) -> Step:
    """Complete the part (处理完成), by the other department's crew."""
    return Step(Role.CREW, "complete", lambda scene: Complete(department=scene.elsewhere, result=result))


def release(reason: str) -> Step:
    """Release the other department (撤回协办)."""
    return Step(Role.DISPATCHER, "release", lambda scene: Release(department=scene.elsewhere, reason=reason))


WORK: tuple[Move, ...] = (dispatch(), sign_for(), arrive(), complete())
HELD: tuple[Move, ...] = (dispatch(Role.AGENT), sign_for(), arrive())
REPLIED: tuple[Move, ...] = (*WORK, reply())
SATISFIED: tuple[Move, ...] = (reply(), follow_up())
DONE: tuple[Move, ...] = (*WORK, *SATISFIED)
REWORK: tuple[Move, ...] = (sign_for(), arrive(), complete(), reply())
REST: tuple[Move, ...] = (*REWORK, follow_up())
