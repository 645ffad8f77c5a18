"""Building blocks of cases for tests: a calendar, terms, people, and the road to every state."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.calendar.work_calendar import Hours, WorkCalendar
from domain.case.actions import ACTION_OF, COMMANDS
from domain.case.actions.hand_over import HandOver
from domain.case.actions.involve import Involve
from domain.case.actions.register import Registration
from domain.case.actions.release import Release
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.case import Case
from domain.case.clocks import Clock
from domain.case.intake import Caller, Intake, Location
from domain.case.lifecycle import Event, State
from domain.case.progress import Owed
from domain.case.state import Action
from domain.catalogue.terms import EscalationStep, Process, Promise, Terms
from domain.kit.event import ActionBody, Command
from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.errors import Refused
from domain.shared.value import exhaustive

OFFICE: Hours = ((510, 720), (840, 1050))
"""08:30-12:00 and 14:00-17:30: seven hours."""
WORKING_DAY = 7 * 3600

CALENDAR = WorkCalendar(
    name="Office hours",
    weekly=(OFFICE, OFFICE, OFFICE, OFFICE, OFFICE, (), ()),
    off=tuple(date(2026, 10, day) for day in (1, 2, 5, 6, 7)),
    on=(date(2026, 9, 20), date(2026, 10, 10)),
    makeup=OFFICE,
    offsets=((datetime(2026, 1, 1, tzinfo=UTC), 480),),
    covers_until=date(2026, 12, 31),
    day_seconds=WORKING_DAY,
)
"""Beijing time over the national holiday of 2026, with its two make-up days."""

LADDER = (
    EscalationStep(percent=50, notify=("assignee",)),
    EscalationStep(percent=75, notify=("assignee", "lead")),
    EscalationStep(percent=100, notify=("lead", "owner", "supervisor")),
    EscalationStep(percent=150, notify=("director",)),
    EscalationStep(percent=200, notify=("general_manager",)),
)

PROMISES = (
    Promise(name="acknowledge", calendar="always", budget_seconds=600, starts="dispatch"),
    Promise(name="arrive", calendar="always", budget_seconds=3600, starts="dispatch"),
    Promise(name="resolve", calendar="working", budget_seconds=5 * WORKING_DAY, starts="registration"),
    Promise(name="reply", calendar="working", budget_seconds=6 * WORKING_DAY, starts="registration"),
    Promise(name="follow_up", calendar="always", budget_seconds=86_400, starts="reply"),
)

INCIDENT, OTHER_INCIDENT = "i26080347119", "i26080300014"
MONDAY = datetime(2026, 9, 7, 1, tzinfo=UTC)
"""Monday, 09:00 in Beijing."""
THEN = MONDAY + timedelta(minutes=3)
"""A little later."""


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def days(count: float) -> timedelta:
    return timedelta(days=count)


OWNER = Actor(id="Chen Jing", role=Role.AGENT)
AGENT = Actor(id="Li Mei", role=Role.AGENT)
DISPATCHER = Actor(id="Zhou Wen", role=Role.DISPATCHER)
CREW = Actor(id="Wu Gang", role=Role.CREW, department="repair")
OTHER_CREW = Actor(id="Sun Hao", role=Role.CREW, department="metering")
SUPERVISOR = Actor(id="Xu Lan", role=Role.SUPERVISOR)
MANAGER = Actor(id="Gao Feng", role=Role.MANAGER)
FOLLOW_UP = Actor(id="He Yun", role=Role.FOLLOW_UP)
CALLER = Actor(id="caller", name="来电人 caller", role=Role.CALLER)
ADMIN = Actor(id="root", role=Role.ADMIN)

ACTORS = exhaustive(
    "ACTORS of tests.support.build",
    Role,
    {
        Role.AGENT: AGENT,
        Role.OWNER: OWNER,
        Role.DISPATCHER: DISPATCHER,
        Role.CREW: CREW,
        Role.SUPERVISOR: SUPERVISOR,
        Role.MANAGER: MANAGER,
        Role.FOLLOW_UP: FOLLOW_UP,
        Role.CALLER: CALLER,
        Role.SYSTEM: SYSTEM,
        Role.TELEPHONY: Actor(id="pbx", role=Role.TELEPHONY),
        Role.ADMIN: ADMIN,
    },
)
"""Somebody for every role; the owner is an agent by profession."""

WHO_ACTS = (
    Role.CREW,
    Role.DISPATCHER,
    Role.AGENT,
    Role.SUPERVISOR,
    Role.MANAGER,
    Role.FOLLOW_UP,
    Role.OWNER,
    Role.CALLER,
)
"""Roles in the order in which one of an action's roles is chosen."""


def usual_actor(action: Action) -> Actor:
    """Return a person in one of the action's roles."""
    return ACTORS[next(role for role in WHO_ACTS if role in action.roles)]


USUAL: dict[str, Actor] = {
    **{name: usual_actor(action) for name, action in COMMANDS.items()},
    "answer": OWNER,
    "withdraw": OWNER,
    "comment": AGENT,
}
"""Actor of each action on an ordinary day. A new action needs no entry."""

BODIES: dict[str, ActionBody] = {
    **{name: action.example for name, action in COMMANDS.items()},
    "sign_for": SignFor(),
    "suspend": Suspend(reason="The caller buys a valve."),
    "request_approval": RequestApproval(subject="New pipes"),
    "hand_over": HandOver(owner="Li Mei"),
    "involve": Involve(department="metering", task="Read the meter."),
    "release": Release(department="metering", reason="The meter is read."),
}
"""A body for every action that is accepted if the action is possible: its example, unless the tests need another."""

PREPARED: dict[str, tuple[str, ...]] = {
    "decide_extension": ("request_extension",),
    "release": ("involve",),
    "decide_credit": (),
    "unsubscribe": (),
    "subscribe": ("unsubscribe",),
}
"""Actions that make the action possible within the state; a credit is owed by time alone."""

OWED = Owed(
    serial=1,
    name="Supply not restored",
    name_zh="未按时恢复供水",
    amount=Decimal(50),
    clock="resolve",
    clock_serial=3,
    period=0,
    fell_at=MONDAY,
    asked_at=MONDAY,
)
"""A credit that waits for any manager."""

ROAD: dict[State, tuple[str, ...]] = exhaustive(
    "ROAD of tests.support.build",
    State,
    {
        State.REGISTERED: (),
        State.DISPATCHED: ("dispatch",),
        State.PENDING_REDISPATCH: ("dispatch", "return"),
        State.IN_PROGRESS: ("dispatch", "sign_for"),
        State.SUSPENDED: ("dispatch", "sign_for", "suspend"),
        State.AWAITING_APPROVAL: ("dispatch", "sign_for", "request_approval"),
        State.PENDING_REPLY: ("dispatch", "sign_for", "complete"),
        State.PENDING_FOLLOW_UP: ("dispatch", "sign_for", "complete", "reply"),
        State.CLOSED: ("dispatch", "sign_for", "complete", "reply", "follow_up"),
        State.REFUSED: ("refuse",),
        State.WITHDRAWN: ("withdraw",),
    },
)
"""The shortest way from the registration to every state."""


PART_TABLE = {name: action.part for name, action in COMMANDS.items() if action.part}
"""Effects of the actions on a part of a case."""


def terms(**changes: Any) -> Terms:
    """The terms of a fault in the supply; keyword arguments replace fields."""
    usual = {
        "service_code": "no_water",
        "name": "No water",
        "name_zh": "停水",
        "group": "repair",
        "priority": "P2",
        "department": "repair",
        "answer_needs_follow_up": False,
        "promises": PROMISES,
        "ladder": LADDER,
        "process": Process(),
        "calendar": CALENDAR,
    }
    return Terms.model_validate(usual | changes)


def registration(at: datetime = MONDAY, number: str = "2609070000017", **changes: Any) -> Registration:
    """A call about a dry tap; keyword arguments replace fields of the terms."""
    intake = Intake(
        service_code="no_water",
        caller=Caller(name="李婆婆", phone="0760 8823 7777", account_no="A-17"),
        location=Location(district="west", address="下闸新村 3 号", lat=22.54, lng=113.36),
        description="No water at home since six.",
    )
    return Registration(number=number, at=at, actor=OWNER, owner=OWNER.id, intake=intake, terms=terms(**changes))


def command(body: ActionBody, actor: Actor | None = None) -> Command[Any]:
    """The body as sent by `actor`, or by whoever usually does it."""
    return Command(actor=actor or USUAL[ACTION_OF[type(body)].name], body=body)


def do(case: Case, body: ActionBody, at: datetime, actor: Actor | None = None) -> tuple[Event, ...]:
    """Apply a body."""
    return case.apply(command(body, actor), at)


def case_in(state: State, at: datetime = MONDAY, **changes: Any) -> Case:
    """A case that came to this state within the instant of its registration; keywords replace fields of the terms."""
    case, _ = Case.register(registration(at, **changes))
    for action in ROAD[state]:
        do(case, BODIES[action], at)
    return case


def prepare(case: Case, action: str) -> None:
    """Bring the case, within its state, to where the action is possible."""
    for before in PREPARED.get(action, ()):
        do(case, BODIES[before], THEN)
    if action == "decide_credit":
        case.credits = (OWED,)


def written(instant: datetime) -> str:
    """Return an instant as JSON has it."""
    return instant.isoformat().replace("+00:00", "Z")


def data_of(event: Event) -> dict[str, Any]:
    """Return the data of an event as JSON has them."""
    return event.data.model_dump(mode="json")


def clock(case: Case, name: str) -> Clock:
    """The latest clock of this name."""
    return [clock for clock in case.clocks if clock.name == name][-1]


def escalations(events: tuple[Event, ...]) -> list[tuple[str, int]]:
    """The escalations, by clock and percentage."""
    return [(data_of(event)["clock"], data_of(event)["percent"]) for event in events if event.action == "escalate"]


def one(events: tuple[Event, ...]) -> Event:
    """The only event there is."""
    (event,) = events
    return event


def walked(case: Case, until: datetime) -> tuple[Event, ...]:
    """Ring the case whenever something falls due until then, as its timer does; return the events."""
    events: tuple[Event, ...] = ()
    while (deadline := case.next_deadline()) and deadline <= until:
        events += case.advance(deadline)
    return events + case.advance(until)


def refused(case: Case, body: ActionBody, actor: Actor | None = None, at: datetime = THEN) -> Refused:
    """Return the refusal that `apply` and `check` both raise; the case is left as it was, to the byte."""
    before = case.model_dump_json()
    with pytest.raises(Refused) as checked:
        case.check(command(body, actor), at)
    with pytest.raises(Refused) as applied:
        case.apply(command(body, actor), at)
    assert vars(checked.value) == vars(applied.value)
    assert case.model_dump_json() == before
    return applied.value
