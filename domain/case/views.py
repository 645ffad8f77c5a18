"""The case as its readers see it: the shape that HTTP and the workflow's query answer with, and the lifecycle drawn."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, WithJsonSchema

from domain.case.actions import ACTIONS, TABLE
from domain.case.approvers import Approval, Decided
from domain.case.clocks import Clock, ClockStatus
from domain.case.intake import Caller, Location
from domain.case.lifecycle import ENDED, Part, State
from domain.case.progress import CatalogueChange, Extension, FollowUpAnswer, Owed
from domain.case.state import CaseState, ProjectionBatch
from domain.catalogue.terms import USUAL_CURRENCY
from domain.shared.value import Immutable, omit_default

ActionName = Annotated[str, WithJsonSchema({"type": "string", "enum": [*TABLE], "title": "Action"})]


class ClockView(Immutable):
    """Clock of a case, with the reason why it is due when it is. Seconds are seconds of the clock's calendar."""

    name: str
    cycle: int
    status: ClockStatus
    calendar: str = Field(description="`always` (round the clock) or `working` (working time).")
    budget_seconds: float
    elapsed_seconds: float
    remaining_seconds: float = Field(description="Negative once the budget is used up.")
    started_at: datetime | None
    due_at: datetime | None = Field(description="Null while the clock waits or is paused.")
    missed_at: datetime | None
    stopped_at: datetime | None
    paused: bool
    part: int = Field(0, description="The serial of the part (协办) whose promise it is; 0 for the case's own.")


class CaseView(Immutable):
    """Complaint at one version, as readers see it."""

    number: str
    state: State
    service_code: str
    priority: str
    owner: str
    department: str | None
    assignee: str | None
    people: dict[str, str] = Field({}, description="Names of the people of the case, by id, where they differ.")
    cycle: int
    version: int
    flags: tuple[str, ...]
    incident: str | None = Field(None, description="The one cause that it waits for with others (并案).")
    possible_duplicates: tuple[str, ...] = Field(
        (),
        description="Cases that may be the same matter, known at intake or after a correction, newest first",
    )
    sla: str = Field(description="`on_time`, `at_risk`, `missed` or `paused`, of the current cycle.")
    overdue: bool
    channel: str
    call_id: str | None = Field(None, description="The call in which it was taken down, if the agent named it.")
    caller: Caller
    location: Location
    filled: tuple[str, ...] = Field(
        (), description="Fields of caller and location that are the registry's, also if it has none."
    )
    description: str
    registered_at: datetime
    closed_at: datetime | None
    reopen_ends_at: datetime | None
    wake_at: datetime | None
    next_due_at: datetime | None = Field(
        description="When the most urgent promise that is not kept falls due, or fell due if it was missed."
    )
    follow_up_attempts: int
    answered_cycles: tuple[int, ...] = Field(
        (), description="The cycles in which the caller was asked how it went, and said it (回访)."
    )
    answer: FollowUpAnswer | None = Field(None, description="What the caller said at the last follow-up (回访).")
    result: str | None = Field(None, description="What its department did, as it said last (处理结果).")
    reply: str | None = Field(None, description="What the caller was told last (回复内容).")
    suspended_for: str | None = Field(None, description="Reason of the last suspension, as written (挂起原因).")
    links_revoked_at: datetime | None = Field(
        None, description="Links to the caller's page that were made until then open nothing (作废链接)."
    )
    approval: Approval | None
    decisions: tuple[Decided, ...] = Field((), description="What came of every approval asked for (报批).")
    extension: Extension | None
    parts: tuple[Part, ...] = Field((), description="What further departments have to do (协办).")
    credits: tuple[Owed, ...] = Field((), description="What the company owes for missed promises (自动补偿).")
    currency: str = Field(USUAL_CURRENCY, description="Of every amount of the case; ISO 4217.")
    catalogue_change: CatalogueChange | None = Field(
        None, description="The catalogue that it was moved to (改用新服务目录)."
    )
    clocks: tuple[ClockView, ...]
    available_actions: tuple[ActionName, ...] = ()


def view_clock(clock: Clock, case: CaseState, at: datetime) -> ClockView:
    elapsed = clock.elapsed(at, case.calendar)
    return ClockView.taken_from(
        clock,
        status=clock.status,
        elapsed_seconds=elapsed,
        remaining_seconds=clock.budget_seconds - elapsed,
        due_at=clock.due_at(case.calendar),
        paused=clock.paused,
    )


def view_case(case: CaseState, at: datetime, available: tuple[ActionName, ...] = ()) -> CaseView:
    """As the case stands at `at`; `available` is what the reader may do, if the reader is known."""
    return CaseView.taken_from(
        case,
        case.intake,
        priority=case.terms.priority,
        currency=case.terms.currency,
        sla=case.sla,
        overdue=case.overdue,
        next_due_at=case.next_due(),
        clocks=tuple(view_clock(clock, case, at) for clock in case.clocks),
        available_actions=available,
    )


class Outcome(BaseModel):
    """Answer of an update: what was done, and the case that it led to, as a batch for its sender to write or as a view.

    `action` and `digest` let the sender of a repeated key see that it meant the same thing; `version` is the one that
    the action led to, when it was done.
    """

    action: str
    digest: str
    version: int
    batch: ProjectionBatch | None = omit_default(None, "Events that SQL is not known to have; the sender writes them.")
    case: CaseView | None = omit_default(None, "The case as it is now; null beside a batch, which holds it.")


def mermaid() -> str:
    """End with a newline; actions that change no state stand in a note, as there would be a loop at many states."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {state.value}: {state.zh} {state.value}" for state in State]
    lines += [
        f"    {source} --> {target.value}: {action.zh} {action.name}"
        for action in ACTIONS
        for source in ([state.value for state in sorted(action.sources)] or ["[*]"])
        for target in action.targets
    ]
    lines += [f"    {state.value} --> [*]" for state in sorted(ENDED)]
    lines += ["    note right of registered", "        Without a change of state 不改变状态"]
    lines += [f"        {action.zh} {action.name}" for action in ACTIONS if not action.targets]
    return "\n".join([*lines, "    end note"]) + "\n"
