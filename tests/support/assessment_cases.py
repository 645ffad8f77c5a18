"""Random cases for the assessment of a month: all that people do to a case, also across both ends of the month."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple

from domain.case.actions.answer import Answer
from domain.case.actions.arrive import Arrive
from domain.case.actions.assign import Assign
from domain.case.actions.complete import Complete
from domain.case.actions.correct import CatalogueTerms, Correction
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import Settlement
from domain.case.actions.refuse import Refuse
from domain.case.actions.register import Registration
from domain.case.actions.reinstate import Reinstate
from domain.case.actions.reject_return import RejectReturn
from domain.case.actions.release import Release
from domain.case.actions.reopen import Reopen
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.resume import Resume
from domain.case.actions.return_ import Return
from domain.case.actions.send_back import SendBack
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.actions.urge import Urge
from domain.case.actions.withdraw import Withdraw
from domain.case.case import Case
from domain.case.intake import THANKS_SERVICE, Caller, Intake, Location
from domain.case.lifecycle import Event, State
from domain.case.progress import Satisfaction
from domain.case.state import ProjectionBatch
from domain.catalogue.terms import Credit, Terms
from domain.kit.event import ActionBody
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused
from domain.shared.value import exhaustive
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.assessment import EDITION, SINCE, UNTIL
from tests.support.build import CALLER, INCIDENT, command

CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)
FROM, TO = SINCE - timedelta(days=8), UNTIL + timedelta(days=1)
"""First and last registration."""
END = UNTIL + timedelta(days=14)
"""Until then people act on the cases."""
SERVICES = (
    "no_water",
    "no_water",
    "leak",
    "burst_main",
    "low_pressure",
    "billing",
    "waiver",
    "inquiry",
    THANKS_SERVICE,
)
DISTRICTS = ("west", "shiqi", "guzhen", None)
DEPARTMENTS = ("repair", "network", "billing", "management", "customer_service")
AGENTS = tuple(Actor(id=f"1002{place}", role=Role.AGENT) for place in range(4))
CREWS = {
    department: tuple(Actor(id=f"3{place}00{person}", role=Role.CREW, department=department) for person in range(2))
    for place, department in enumerate(DEPARTMENTS)
}
MANAGERS = tuple(Actor(id=f"5000{place}", role=Role.MANAGER) for place in range(4))
CREDIT = Credit(name="Late", name_zh="迟", clock="resolve", amount=Decimal("50.50"))
LATE_BY_OUTAGE = 0.15
"""Share of the waits in which the service stands still: what fell due meanwhile rings late."""
SPELLINGS = ("1380013800", "138 0013 800", "+86 138-0013-800")
"""Ways to write a telephone number, but for its last digit."""
OTHERS = 0.5
"""Share of the corrections by any agent, who may become the owner."""
SETTLED = 0.3
"""Chance that the incident of a case ends before the next action."""
USUAL = {
    "urge": 6,
    "hand_over": 5,
    "correct": 4,
    "withdraw": 1,
    "decide_extension": 20,
    "decide_credit": 8,
}
OF_DEPARTMENT = {"involve": 6, "release": 3, "assign": 6, "request_extension": 14, "return": 5, "sign_for": 8}
WEIGHTS: dict[State, dict[str, int]] = exhaustive(
    "WEIGHTS of tests.support.assessment_cases",
    State,
    {
        State.REGISTERED: {**USUAL, "dispatch": 60, "answer": 8, "refuse": 2},
        State.DISPATCHED: {**USUAL, **OF_DEPARTMENT, "sign_for": 70, "return": 14, "dispatch": 8},
        State.PENDING_REDISPATCH: {**USUAL, "dispatch": 40, "reject_return": 20, "refuse": 2, "release": 5},
        State.IN_PROGRESS: {
            **USUAL,
            **OF_DEPARTMENT,
            "arrive": 40,
            "complete": 80,
            "suspend": 12,
            "request_approval": 14,
        },
        State.SUSPENDED: {**USUAL, "resume": 60},
        State.AWAITING_APPROVAL: {**USUAL, "decide_approval": 70},
        State.PENDING_REPLY: {**USUAL, "reply": 70, "send_back": 12},
        State.PENDING_FOLLOW_UP: {**USUAL, "follow_up": 90},
        State.CLOSED: {"reopen": 30, "decide_credit": 30},
        State.REFUSED: {},
        State.WITHDRAWN: {"reinstate": 20},
    },
)
"""Actions that may come next in each state, by how often."""


OF_CREW = {"sign_for", "arrive", "complete", "return", "suspend", "request_approval", "request_extension"}
"""Actions of the department that has the case, or a part of it."""
OF_OWNER = {"reply", "send_back", "involve", "release", "withdraw", "reinstate"}


class Played(NamedTuple):
    """Random case: its number and all that happened to it."""

    number: str
    events: tuple[Event, ...]

    def batch(self, since: datetime | None, until: datetime) -> ProjectionBatch | None:
        """Return what its workflow has published of the time from `since` to `until`; None if nothing happened."""
        known = [event for event in self.events if event.at < until]
        new = [event for event in known if since is None or event.at >= since]
        return ProjectionBatch.of(Case.fold(known), new, new[-1].at) if new else None


class Chances(NamedTuple):
    """Random choices about a case as it is now."""

    case: Case
    random: Random
    now: datetime

    def department(self) -> str | None:
        """Return the department that acts: the one that has the case, or one with a part in it."""
        return self.random.choice([self.case.department, *(part.department for part in self.case.unfinished)])

    def further(self) -> str:
        """Return any department."""
        return self.random.choice(DEPARTMENTS)

    def person(self) -> str:
        """Return somebody of the department that has the case."""
        return self.random.choice(CREWS[self.case.department or "repair"]).id

    def yes(self, chance: float) -> bool:
        """Return True by chance."""
        return self.random.random() < chance

    def correction(self) -> Correction:
        """Return a correction of the telephone, or of the service, the district or both."""
        if self.yes(0.3):
            return Correction(
                reason="x", caller=Caller(phone=f"{self.random.choice(SPELLINGS)}{self.random.randrange(3)}")
            )
        service = self.random.choice(SERVICES) if self.yes(0.6) else self.case.intake.service_code
        district = self.random.choice(DISTRICTS[:-1])
        terms = CATALOGUE.terms(service, district, self.now)
        in_force = CatalogueTerms(terms=terms, edition=EDITION, district=district)
        place = Location(district=district)
        return Correction(reason="x", service_code=service, location=place, in_force=in_force)

    def follow_up(self) -> FollowUp:
        """Return what the caller says, in either form, or that the caller was not reached."""
        if self.yes(0.6 if self.case.follow_up_attempts else 0.3):
            return FollowUp(contacted=False)
        if self.yes(0.3):
            return FollowUp(outcome=self.random.choice(["satisfied", "satisfied", "dissatisfied", "unreachable"]))
        said = self.random.choice([*Satisfaction, Satisfaction.SATISFIED, Satisfaction.VERY_SATISFIED])
        return FollowUp(contacted=True, solved=self.yes(0.8), satisfaction=said)

    def request(self) -> RequestApproval:
        """Return a request for money, or for a word without an amount."""
        amount = self.random.choice([None, Decimal("860.05"), Decimal(100), Decimal(5000)])
        return RequestApproval(subject="New pipes", amount=amount)

    def decision_on_credit(self) -> DecideCredit:
        """Return a decision on the credit that waits first."""
        credit = next((owed.serial for owed in self.case.undecided_credits), 1)
        return DecideCredit(credit=credit, approved=self.yes(0.7), reason="x")


BODIES: dict[str, Callable[[Chances], ActionBody]] = {
    "answer": lambda _: Answer(message="x"),
    "arrive": lambda chances: Arrive(department=chances.department()),
    "assign": lambda chances: Assign(assignee=chances.person()),
    "complete": lambda chances: Complete(department=chances.department(), result="x"),
    "correct": Chances.correction,
    "decide_approval": lambda chances: DecideApproval(approved=chances.yes(0.8), reason="x"),
    "decide_credit": Chances.decision_on_credit,
    "decide_extension": lambda chances: DecideExtension(approved=chances.yes(0.8)),
    "dispatch": lambda chances: Dispatch(department=chances.further()),
    "follow_up": Chances.follow_up,
    "hand_over": lambda chances: HandOver(owner=chances.random.choice(AGENTS).id),
    "involve": lambda chances: Involve(department=chances.further(), task="x"),
    "refuse": lambda _: Refuse(reason="x"),
    "reinstate": lambda _: Reinstate(reason="x"),
    "reject_return": lambda _: RejectReturn(reason="x"),
    "release": lambda chances: Release(department=chances.further(), reason="x"),
    "reopen": lambda _: Reopen(reason="x"),
    "reply": lambda _: Reply(message="x"),
    "request_approval": Chances.request,
    "request_extension": lambda chances: RequestExtension(working_days=chances.random.randint(1, 3), reason="x"),
    "resume": lambda _: Resume(),
    "return": lambda chances: Return(department=chances.department(), reason="x"),
    "send_back": lambda chances: SendBack(
        department=chances.random.choice([None, *(part.department for part in chances.case.parts)]), reason="x"
    ),
    "sign_for": lambda chances: SignFor(department=chances.department()),
    "suspend": lambda chances: Suspend(
        reason="x", wake_at=chances.now + timedelta(hours=20) if chances.yes(0.5) else None
    ),
    "urge": lambda _: Urge(),
    "withdraw": lambda _: Withdraw(reason="x"),
}


class Player:
    """Random people who act on one case until they are tired of it, or time is over."""

    def __init__(self, random: Random, place: int) -> None:
        self._random, self._now = random, _call(random)
        service, district = random.choice(SERVICES), random.choice(DISTRICTS)
        start = Registration(
            number=f"2609{place:09}",
            at=self._now,
            actor=(owner := random.choice(AGENTS)),
            owner=owner.id,
            intake=Intake(
                service_code=service,
                description="No water.",
                location=Location(district=district),
                thanked=random.choice([None, CREWS["repair"][0].id, AGENTS[0].id])
                if service == THANKS_SERVICE
                else None,
            ),
            terms=self._terms(service, district),
            incident=INCIDENT if random.random() < 0.1 else None,
        )
        self._case, first = Case.register(start)
        self._events = [*first]

    def play(self) -> Played:
        """Return the case once they are done."""
        for _ in range(self._random.randint(1, 28)):
            self._wait()
            if self._now >= END or not (chosen := WEIGHTS[self._case.state]):
                break
            (name,) = self._random.choices(list(chosen), list(chosen.values()))
            self._act(name)
        self._now = max(self._now, END)
        self._ring_on_time()
        return Played(self._case.number, tuple(self._events))

    def _terms(self, service: str, district: str | None) -> Terms:
        terms = CATALOGUE.terms(service, district, self._now)
        return terms.model_copy(update={"credits": (CREDIT,)}) if service == "burst_main" else terms

    def _wait(self) -> None:
        """Let time pass, and ring what falls due: on time, or all at once after an outage."""
        longest = self._random.choice([5, 10, 30, 90, 600, 1500, 6000])
        self._now += timedelta(minutes=longest * self._random.random())
        if self._random.random() >= LATE_BY_OUTAGE:
            self._ring_on_time()
        self._events += self._case.advance(self._now)

    def _ring_on_time(self) -> None:
        while (deadline := self._case.next_deadline()) and deadline <= self._now and self._case.is_active(deadline):
            # A correction may shorten a promise so that it was due before.
            self._events += self._case.advance(max(deadline, self._events[-1].at))
        self._events += self._case.advance(self._now)

    def _act(self, name: str) -> None:
        """Do it if the case allows it; an incident may end instead."""
        case = self._case
        if case.incident and not case.settled and self._random.random() < SETTLED:
            follow_up = self._random.random() < 0.7
            end = Settlement(incident=INCIDENT, result="Repaired.", message="Water is back.", follow_up=follow_up)
            self._events += case.settle(end, self._now)
            return
        body = BODIES[name](Chances(case, self._random, self._now))
        with suppress(Refused):
            self._events += case.apply(command(body, self._actor(name, body)), self._now)

    def _actor(self, name: str, body: ActionBody) -> Actor | None:
        """Return who does it; None for the usual person."""
        if name in OF_CREW:
            department = getattr(body, "department", None) or self._case.department or "repair"
            return self._random.choice(CREWS[department])
        if name in OF_OWNER:
            return Actor(id=self._case.owner, role=Role.AGENT)
        if name == "correct" and self._random.random() < OTHERS:
            return self._random.choice(AGENTS)
        if name in ("decide_approval", "decide_credit"):
            return self._random.choice(MANAGERS)
        return CALLER if name == "urge" else None


def _call(random: Random) -> datetime:
    """Return when the caller calls: often near an end of the month."""
    near = random.choice([SINCE, UNTIL, None])
    begin, end = (near - timedelta(days=2), near + timedelta(hours=6)) if near else (FROM, TO)
    return begin + (end - begin) * random.random()


def played(seed: int, count: int) -> list[Played]:
    """Return so many random cases; the same seed makes the same cases."""
    random = Random(seed)  # noqa: S311 - to be made again
    return [Player(random, place).play() for place in range(1, count + 1)]
