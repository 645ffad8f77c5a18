"""Course of one case of a past month, played by the rules of the service: what falls due rings on time."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from domain.case.actions.answer import Answer
from domain.case.actions.arrive import Arrive
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.reopen import Reopen
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.resume import Resume
from domain.case.actions.return_ import Return
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.actions.urge import Urge
from domain.case.case import Case
from domain.case.events import Event
from domain.case.intake import Registration
from domain.case.lifecycle import State
from domain.case.satisfaction import SATISFIED, Satisfaction
from domain.catalogue.terms import ClockName
from domain.shared.actors import Actor, Role
from domain.shared.command import Command
from domain.shared.event import ActionBody
from hotline.demo.people import AGENTS, Person, Staff
from hotline.demo.texts import words

SOON = timedelta(minutes=2)
LATE = 1.25
"""Part of a budget that is used where a promise is missed."""
_ELSEWHERE = ("network", "repair", "water_quality")
"""Departments to which a case goes by mistake."""
_SAID = (
    (Satisfaction.VERY_SATISFIED, 45),
    (Satisfaction.SATISFIED, 35),
    (Satisfaction.FAIRLY_SATISFIED, 11),
    (Satisfaction.DISSATISFIED, 6),
    (Satisfaction.VERY_DISSATISFIED, 3),
)


@dataclass
class Course:
    """One case on its way. `skill` of a person is from 0 to 1: how often they keep a promise, and please a caller."""

    case: Case
    events: list[Event]
    at: datetime
    rng: random.Random
    staff: Staff
    skill: dict[str, float]
    turn: int
    crew: Person | None = field(default=None)

    @classmethod
    def begin(
        cls, start: Registration, rng: random.Random, staff: Staff, skill: dict[str, float], turn: int
    ) -> "Course":
        """Register the case."""
        case, events = Case.register(start)
        return cls(case, [*events], start.at, rng, staff, skill, turn)

    def play(self) -> None:
        """Bring the case to its end."""
        group = self.case.terms.group
        if group in ("inquiry", "thanks") and self.happens(0.75):
            self.act(Answer(message=self._told()), self.owner(), SOON)
            if self.case.state is State.CLOSED:
                return
        else:
            self._handle()
        self._follow_up()
        if self.case.state is State.CLOSED and self.happens(0.02):
            self.act(Reopen(reason="同一位置又出现问题。"), self.owner(), timedelta(hours=self.rng.uniform(2, 60)))
            self._work()
            self._follow_up()

    def end(self, now: datetime) -> bool:
        """Ring what falls due until now; return True if nothing can happen to the case any more."""
        self._ring(now)
        return self.case.is_over(now)

    def happens(self, share: float) -> bool:
        """Return True in this share of the cases."""
        return self.rng.random() < share

    def act(self, body: ActionBody, person: Person, after: timedelta) -> None:
        """Carry out an action so much later; what falls due before rings on time."""
        self._ring(self.at + after)
        self.at += after
        actor = Actor(id=person.name, role=person.role, department=person.department)
        self.events += self.case.apply(Command[Any].model_construct(actor=actor, body=body, people={}), self.at)

    def owner(self) -> Person:
        """Return the person who owns the case."""
        return self.staff.named(self.case.owner)

    def _who(self, role: Role) -> Person:
        return self.staff.who(role, owner=self.case.owner, department=self.case.department, turn=self.turn)

    def _ring(self, until: datetime) -> None:
        while (deadline := self.case.next_deadline()) and deadline <= until:
            events = self.case.ring(deadline)
            if not events:
                break
            self.events += events
        self.events += self.case.ring(until)

    def _told(self) -> str:
        return words(self.case.intake.service_code).told

    def _handle(self) -> None:
        department = self.case.terms.department
        if self.happens(0.05):
            other = self.rng.choice([each for each in _ELSEWHERE if each != department])
            self.act(Dispatch(department=other), self._who(Role.DISPATCHER), SOON)
            self.act(Return(reason="不属于本部门职责。"), self._who(Role.CREW), self._within("acknowledge", 0.5))
        self.act(Dispatch(department=department), self._who(Role.DISPATCHER), self._minutes(1, 6))
        self._work()

    def _work(self) -> None:
        """Sign for the case, do the work, and reply."""
        self.crew = crew = self._who(Role.CREW)
        self.act(SignFor(), crew, self._kept("acknowledge", crew))
        if self.happens(0.06):
            self.act(Urge(note="来电人再次来电催办。"), self.owner(), SOON)
        if self.case.live_clock("arrive"):
            self.act(Arrive(), crew, self._kept("arrive", crew))
        if self.happens(0.05):
            self.act(Suspend(reason="来电人外出，回来后再约。"), crew, self._minutes(5, 20))
            self.act(Resume(), crew, timedelta(hours=self.rng.uniform(2, 30)))
        self._ask_for_more(crew)
        done = self.rng.choice(words(self.case.intake.service_code).done)
        self.act(done.completion(self.case.terms.findings), crew, self._kept(self._sooner(), crew, 0.6))
        if self.happens(0.02):
            colleague = self.staff.who(Role.OWNER, owner=self._colleague(), department=None, turn=0)
            self.act(HandOver(owner=colleague.name, note="交接班"), self._who(Role.SUPERVISOR), SOON)
        self.act(Reply(message=self._told()), self.owner(), self._kept("reply", self.owner(), 0.7))

    def _ask_for_more(self, crew: Person) -> None:
        """Ask for a decision on money, or for more time, where that is usual."""
        if self.case.needs_decision or self.happens(0.03):
            amount = Decimal(self.rng.randrange(10, 95)) * 10
            kind: Literal["funded_repair", "waiver"] = (
                "funded_repair" if self.case.terms.group == "repair" else "waiver"
            )
            ask = RequestApproval(subject="更换用户老旧管件", amount=amount, kind=kind, grounds="独居低保户")
            self.act(ask, crew, self._minutes(10, 40))
            decision = DecideApproval(approved=self.happens(0.85), reason="按规定办理。")
            self.act(decision, self._who(Role.MANAGER), self._minutes(20, 200))
        clock = self.case.live_clock("resolve")
        if clock and clock.calendar == "working" and not clock.missed_at and self.happens(0.08):
            self.act(RequestExtension(working_days=3, reason="等待检测结果。"), crew, self._minutes(5, 30))
            self.act(DecideExtension(approved=True), self._who(Role.SUPERVISOR), self._minutes(5, 60))

    def _follow_up(self) -> None:
        """Ask the caller until the case is closed, at most thrice for each time that the work was done again."""
        is_away = self.happens(0.06)
        while self.case.state is State.PENDING_FOLLOW_UP:
            staff = self._who(Role.FOLLOW_UP)
            after = self._kept("follow_up", staff, 0.9)
            if is_away or self.happens(0.12):
                self.act(FollowUp(contacted=False), staff, after)
                continue
            if self._ask(staff, after) is State.DISPATCHED:
                self._work()

    def _ask(self, staff: Person, after: timedelta) -> State:
        self.act(self._answers(), staff, after)
        return self.case.state

    def _answers(self) -> FollowUp:
        pleasing = self.skill.get(self.crew.name if self.crew else self.case.owner, 0.8)
        steps: Sequence[Satisfaction] = [step for step, _ in _SAID]
        weights = [weight * (pleasing if step in SATISFIED else 1.6 - pleasing) for step, weight in _SAID]
        [satisfaction] = self.rng.choices(steps, weights)
        return FollowUp(
            contacted=True, solved=satisfaction in SATISFIED or self.happens(0.3), satisfaction=satisfaction
        )

    def _colleague(self) -> str:
        return self.rng.choice(sorted(name for name in AGENTS if name != self.case.owner))

    def _kept(self, clock: ClockName, person: Person, usual: float = 0.7) -> timedelta:
        """Return the time that a person takes: mostly within the promise, sometimes beyond it."""
        skill = self.skill.get(person.name, 0.9)
        late = self.happens((1 - skill) * 0.45)
        return self._within(clock, LATE if late else usual * self.rng.uniform(0.15, 1))

    def _sooner(self) -> ClockName:
        """Return which of the promises to resolve and to reply ends first: the reply comes after the work."""
        resolve, reply = self._due("resolve"), self._due("reply")
        return "reply" if reply and (resolve is None or reply < resolve) else "resolve"

    def _due(self, name: ClockName) -> datetime | None:
        clock = self.case.live_clock(name)
        return clock.due_at(self.case.calendar) if clock and not clock.missed_at else None

    def _within(self, name: ClockName, part: float) -> timedelta:
        """Return the time until this part of what is left of a promise is used; minutes without a promise."""
        due = self._due(name)
        return max((due - self.at) * part, SOON) if due else self._minutes(5, 40)

    def _minutes(self, least: float, most: float) -> timedelta:
        return timedelta(minutes=round(self.rng.uniform(least, most), 2))
