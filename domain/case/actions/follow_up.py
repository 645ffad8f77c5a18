"""follow_up 回访: the caller is asked three questions. Contacted? Solved? Satisfied?"""

from datetime import datetime
from typing import Literal, Self

from pydantic import ConfigDict, Field, JsonValue, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from domain.case.actions.dispatch import hand_to
from domain.case.actions.register import open_cycle
from domain.case.lifecycle import Event, MayEnd, OfDepartment, State
from domain.case.progress import SATISFIED, FollowUpAnswer, Satisfaction
from domain.case.state import Action, ActionBody, Actor, Addressees, CaseState, Decision, NotPossible, while_active
from domain.shared.actors import Role
from domain.shared.value import omit_default

Outcome = Literal["satisfied", "dissatisfied", "unreachable"]
_FIELDS = ("outcome", "contacted", "solved", "satisfaction")
_ACCEPTED = "Give outcome alone, contacted alone if it is false, or contacted, solved and satisfaction if it is true"


def _form(**types: JsonValue) -> JsonValue:
    """Describe, as a schema, a body that has these fields and no other of the four."""
    return {"required": [*types], "properties": {name: types.get(name, {"type": "null"}) for name in _FIELDS}}


_FORMS: list[JsonValue] = [
    _form(outcome={"type": "string"}),
    _form(contacted={"const": False}),
    _form(contacted={"const": True}, solved={"type": "boolean"}, satisfaction={"type": "string"}),
]


class FollowUpAnswers(ActionBody):
    """Answers of the caller to the three questions; None for one that was not asked."""

    contacted: StrictBool | None = Field(None, description="True if somebody of the company reached the caller.")
    solved: StrictBool | None = Field(None, description="True if the caller says that it is solved.")
    satisfaction: Satisfaction | None = Field(None, description="How satisfied the caller is.")


class FollowUp(FollowUpAnswers):
    """回访: the three answers, or `outcome`, which is the short form of them.

    A caller who was not contacted counts as unreachable. One who says that it is not solved, or who is
    (very) dissatisfied, counts as dissatisfied.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": _FORMS})

    outcome: Outcome | None = Field(None, description="The short form; without any of the other three.")

    @model_validator(mode="after")
    def _is_of_one_form(self) -> Self:
        given = tuple(name for name in _FIELDS if getattr(self, name) is not None)
        if given != (_FIELDS[1:] if self.contacted else ("outcome",) if self.contacted is None else ("contacted",)):
            raise PydanticCustomError("follow_up_form", _ACCEPTED)
        return self

    @property
    def result(self) -> Outcome:
        if self.outcome is not None:
            return self.outcome
        if not self.contacted:
            return "unreachable"
        return "satisfied" if self.solved and self.satisfaction in SATISFIED else "dissatisfied"

    def decide(self, case: CaseState, actor: Actor, at: datetime) -> Decision | NotPossible:
        """Let a changed answer end the rework that nobody has begun, or begin it if there is none."""
        outcome = self.result
        changes = None if case.state is State.PENDING_FOLLOW_UP else case.answered_cycles[-1]
        if changes and outcome == "unreachable":
            return ACTION.out_of_turn("the caller has answered")
        # A caller who says that nobody has called is no try of the company: the case goes on waiting for one.
        no_try = outcome == "unreachable" and (actor.role is Role.CALLER or tried_on_the_day_of(case, at))
        attempt = case.follow_up_attempts + (0 if no_try or changes else 1)
        facts = {"outcome": outcome, "attempt": attempt, "department": case.department, "changes": changes}
        if outcome == "dissatisfied":
            rework_by = None if case.department else department_for_rework(case)
            cycle = case.cycle + (case.state is not State.DISPATCHED)
            return Decision(FollowedUp.of(self, **facts, rework_by=rework_by), State.DISPATCHED, cycle)
        if no_try or (outcome == "unreachable" and attempt < case.terms.process.follow_up_attempts):
            return Decision(FollowedUp.of(self, **facts), State.PENDING_FOLLOW_UP)
        ends_at = case.reopen_ends_at or case.window_ends_at(at)
        return Decision(FollowedUp.of(self, **facts, reopen_ends_at=ends_at), State.CLOSED)


class FollowedUp(FollowUpAnswers, MayEnd, OfDepartment):
    """Follow-up with its outcome, and the department whose work it is about.

    `attempt` counts the tries of the company in this cycle: one a day.
    """

    outcome: Outcome
    attempt: int
    rework_by: str | None = omit_default(None, "The department that does the rework, if none had the case before.")
    changes: int | None = omit_default(None, "The cycle whose answer it changes.")

    def evolve(self, case: CaseState, event: Event) -> None:
        reached = self.outcome != "unreachable"
        # Who was not reached has said nothing: what was said before stands.
        if reached or case.answer is None or not case.answer.contacted:
            case.answer = FollowUpAnswer.taken_from(self, contacted=reached, answered_at=event.at)
        if not reached and self.attempt == case.follow_up_attempts:
            return
        if event.from_state is State.DISPATCHED:
            case.dissatisfactions -= event.to_state is State.CLOSED
            case.set_flag("reworked", raised=case.dissatisfactions > 0)
            return
        case.follow_up_attempts = self.attempt
        case.stop_clocks(event.at, "follow_up")
        if reached and not self.changes:
            case.answered_cycles += (case.cycle,)
        if event.to_state is State.PENDING_FOLLOW_UP:
            case.open_clocks(["follow_up"])
            case.change_clocks(lambda clock: clock.start(event.at), ["follow_up"])
            case.follow_up_since = event.at
        elif event.to_state is State.DISPATCHED:
            case.dissatisfactions += 1
            case.add_flags("reworked")
            if case.dissatisfactions >= case.terms.process.supervise_after:
                case.supervise(event)
            begin_rework(case, self.department or self.rework_by, event)
        elif not reached:
            case.add_flags("unreachable")

    def notifies(self, case: CaseState, event: Event) -> Addressees:
        if State.DISPATCHED not in (event.from_state, event.to_state):
            return ("owner",)
        return ("owner", "department", *(("supervisor",) if "supervised" in case.flags else ()))


def tried_on_the_day_of(case: CaseState, at: datetime) -> bool:
    """One try a local day counts, as the caller is tried again on the following days."""
    last = case.follow_up_since if case.follow_up_attempts else None
    return last is not None and case.calendar.local_date(last) == case.calendar.local_date(at)


def department_for_rework(case: CaseState) -> str:
    return case.department or case.terms.department


def begin_rework(case: CaseState, department: str | None, event: Event) -> None:
    case.closed_at = case.reopen_ends_at = None
    case.cancel_clocks(event.at, part=None)
    open_cycle(case, event)
    hand_to(case, department or department_for_rework(case), event)


def guard(case: CaseState, actor: Actor, at: datetime) -> str | None:
    """Let callers change their answer within the window, unless somebody has acted on it since."""
    if case.state is State.PENDING_FOLLOW_UP:
        return None
    said, since = case.answer, case.closed_at or case.dispatched_at
    stands = said is not None and said.contacted and since is not None and said.answered_at >= since
    if actor.role is Role.CALLER and stands and not case.unfinished:
        return while_active(case, actor, at)
    return f"it is {case.state}"


ACTION = Action(
    name="follow_up",
    zh="回访",
    description="The caller is asked: satisfied closes, dissatisfied opens the next cycle, unreachable is tried again.",
    roles={Role.FOLLOW_UP, Role.CALLER},
    sources={State.PENDING_FOLLOW_UP},
    changeable={State.CLOSED, State.DISPATCHED},
    targets=(State.CLOSED, State.DISPATCHED, State.PENDING_FOLLOW_UP),
    example=FollowUp(contacted=True, solved=True, satisfaction=Satisfaction.VERY_SATISFIED, note="Thanks the crew."),
    further_examples=(
        ("not contacted", FollowUp(contacted=False)),
        ("short form", FollowUp(outcome="satisfied")),
    ),
    data=FollowedUp,
    guard=guard,
)
