"""Random walks of a case through its life: who does what, and when. Each is made from a seed, and can be shortened."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

from domain.case.actions.correct import CatalogueTerms, Correction
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.register import Registration
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.suspend import Suspend
from domain.case.automatic.internal_updates import NewTerms
from domain.case.case import Case
from domain.case.lifecycle import Event, State
from domain.catalogue.terms import Edition, Promise, Terms
from domain.kit.event import Command
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused
from domain.shared.value import exhaustive
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.build import ADMIN, BODIES, CALENDAR, INCIDENT, MONDAY, USUAL, registration

STEPS = 40
DEPARTMENTS = ("repair", "metering", "billing")
EDITION = Edition(digest="0" * 12, name="New", name_zh="新")
HOLIDAY = CALENDAR.model_copy(update={"off": (date(2026, 9, 9), *CALENDAR.off), "day_seconds": 8 * 3600})
LONGEST = 60 * 86_400
"""Seconds: no promise is varied to more."""
SECOND = timedelta(seconds=1)


@cache
def offered() -> tuple[Terms, ...]:
    """Return the terms of every service of the default catalogue, in town and outside, and of England's."""
    zhongshan, england = (
        load_catalogue(DEFAULT_CATALOGUE.with_name(f"{name}.toml")) for name in ("zhongshan", "england")
    )
    places = ((zhongshan, "west"), (zhongshan, "xiaolan"), (england, "city"))
    return tuple(
        catalogue.terms(service.code, district, MONDAY)
        for catalogue, district in places
        for service in catalogue.services
    )


@dataclass(frozen=True)
class Step:
    """Something that happens after some time: what somebody sends, a catalogue that is put in force, or nothing."""

    after: timedelta
    what: Command[Any] | NewTerms | None = None

    def do(self, case: Case, at: datetime) -> tuple[Event, ...]:
        """Return the events of it; of what is refused, those that fell due alone."""
        if isinstance(self.what, NewTerms):
            return case.change_catalogue(self.what, at)
        if self.what is not None:
            try:
                return case.apply(self.what, at)
            except Refused:
                pass
        return case.advance(at)

    def __str__(self) -> str:
        if self.what is None:
            return f"+{self.after}  wait"
        if isinstance(self.what, NewTerms):
            return f"+{self.after}  new catalogue: {shown(self.what.terms)}"
        body = self.what.body
        fields = body.model_dump(mode="json", exclude_none=True, exclude={"in_force", "reason", "note"})
        terms = f" {shown(body.in_force.terms)}" if isinstance(body, Correction) and body.in_force else ""
        return f"+{self.after}  {type(body).__name__} {fields} by {self.what.actor.role}{terms}"


def shown(terms: Terms) -> str:
    """Return what the terms promise, in a line."""
    promises = ", ".join(f"{each.name} {each.budget_seconds} s {each.calendar}" for each in terms.promises)
    return f"{terms.service_code} ({terms.calendar.name}: {promises})"


class Walk:
    """A walk that a seed makes: its registration, and each next step by what the case has come to."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - the walks are to be repeated
        at = MONDAY + timedelta(minutes=self.random.randrange(40 * 24 * 60))
        terms = self._terms()
        start = registration(at)
        intake = start.intake.model_copy(update={"service_code": terms.service_code, "thanked": None})
        self.start: Registration = start.model_copy(update={"terms": terms, "intake": intake})

    def next(self, case: Case, now: datetime) -> Step:
        """Return a step that is likely to be possible."""
        after = self._after(case, now)
        often = 1.6 if case.state is State.PENDING_REPLY else 1
        if (chance := self.random.random()) < 0.06:
            return Step(after)
        if chance < 0.06 + 0.18 * often:
            return Step(after, self._correction(case))
        if chance < 0.06 + 0.27 * often:
            terms = self._terms(case.terms).model_copy(update={"service_code": case.terms.service_code})
            return Step(after, NewTerms(terms=terms, edition=EDITION))
        return Step(after, self._command(case, now + after))

    def _after(self, case: Case, now: datetime) -> timedelta:
        random = self.random
        deadline = case.next_deadline()
        if deadline and deadline > now and random.random() < 0.15:
            return max(deadline - now + random.choice((-SECOND, timedelta(), SECOND)), timedelta())
        spans: list[Callable[[], timedelta]] = [
            timedelta,
            lambda: timedelta(seconds=random.randrange(1, 600)),
            lambda: timedelta(minutes=random.randrange(1, 90)),
            lambda: timedelta(hours=random.randrange(1, 30)),
            lambda: timedelta(days=random.randrange(1, 5), minutes=random.randrange(600)),
        ]
        return random.choices(spans, (15, 20, 35, 20, 10))[0]()

    def _terms(self, usual: Terms | None = None) -> Terms:
        """Return terms of a catalogue, often with other budgets, times, promises and calendars."""
        random = self.random
        terms = usual if usual and random.random() < 0.5 else random.choice(offered())
        if random.random() < 0.4:
            return terms
        promises = tuple(self._varied(each) for each in terms.promises if random.random() < 0.85)
        calendar = random.choice((terms.calendar, CALENDAR, HOLIDAY))
        process = terms.process.model_copy(
            update={
                "day_seconds": random.choice((86_400, 43_200)),
                "extensions_allowed": 2,
                "extension_notice_days": random.choice((0, 1)),
                "return_within_days": 60,
            }
        )
        return terms.model_copy(
            update={"promises": promises, "calendar": calendar, "process": process, "needs_approval": False}
        )

    def _varied(self, promise: Promise) -> Promise:
        budget = min(max(int(promise.budget_seconds * self.random.choice((0.25, 1, 1, 2, 20))), 60), LONGEST)
        kind = self.random.choice((promise.calendar, promise.calendar, "always", "working"))
        return promise.model_copy(update={"budget_seconds": budget, "calendar": kind})

    def _correction(self, case: Case) -> Command[Any]:
        terms = self._terms()
        in_force = CatalogueTerms(terms=terms, edition=EDITION, district=case.intake.location.district)
        body = Correction(reason="x", service_code=terms.service_code, in_force=in_force)
        return Command(actor=USUAL["correct"], body=body)

    def _command(self, case: Case, at: datetime) -> Command[Any]:
        """Return what may be done in this state, to the case or to one of its parts."""
        random, own = self.random, case.department
        part = random.choice([each.department for each in case.parts] or [None])
        if part and random.random() < 0.35:
            named = {"department": part}
            name = random.choice(("sign_for", "complete", "complete", "return", "release", "send_back"))
            body = BODIES[name].model_copy(update=named)
            actor = _crew(part) if name not in ("release", "send_back") else ADMIN
            return Command(actor=actor, body=body)
        if case.extension and random.random() < 0.5:
            return Command(actor=ADMIN, body=self._body("decide_extension", at))
        names = CHOICES[case.state]
        name = random.choices([each for each, _ in names], [weight for _, weight in names])[0]
        body = self._body(name, at)
        return Command(actor=_crew(own) if name in OF_CREW else ADMIN, body=body)

    def _body(self, name: str, at: datetime) -> Any:
        random = self.random
        department = random.choice(DEPARTMENTS)
        wake_at = random.choice((None, at + timedelta(hours=random.randrange(1, 90))))
        return {
            "dispatch": Dispatch(department=department),
            "involve": Involve(department=department, task="x", takes_over=random.choice((None, *DEPARTMENTS))),
            "suspend": Suspend(reason="x", wake_at=wake_at),
            "request_approval": RequestApproval(subject="x", amount=Decimal(random.choice((10, 4000)))),
            "decide_approval": DecideApproval(approved=random.random() < 0.7, reason="x"),
            "request_extension": RequestExtension(working_days=random.randrange(1, 6), reason="x"),
            "decide_extension": DecideExtension(approved=random.random() < 0.8),
            "follow_up": FollowUp(outcome=random.choice(("satisfied", "dissatisfied", "dissatisfied", "unreachable"))),
            "link_incident": LinkIncident(incident=random.choice((INCIDENT, None))),
        }.get(name, BODIES[name])


OF_CREW = {"sign_for", "return", "arrive", "complete", "request_extension", "request_approval"}
_ANYWHERE = (("link_incident", 1), ("withdraw", 1))
CHOICES: dict[State, tuple[tuple[str, int], ...]] = exhaustive(
    "CHOICES of tests.support.promise_walks",
    State,
    {
        State.REGISTERED: (("dispatch", 9), ("answer", 1), *_ANYWHERE),
        State.DISPATCHED: (
            ("sign_for", 9),
            ("dispatch", 2),
            ("return", 2),
            ("involve", 2),
            ("request_extension", 2),
            *_ANYWHERE,
        ),
        State.PENDING_REDISPATCH: (("dispatch", 4), ("reject_return", 4), *_ANYWHERE),
        State.IN_PROGRESS: (
            ("arrive", 2),
            ("suspend", 3),
            ("request_approval", 3),
            ("complete", 6),
            ("involve", 3),
            ("dispatch", 1),
            ("withdraw", 1),
            ("return", 2),
            ("request_extension", 5),
            ("link_incident", 1),
        ),
        State.SUSPENDED: (("resume", 6), *_ANYWHERE),
        State.AWAITING_APPROVAL: (("decide_approval", 6), ("request_extension", 1), *_ANYWHERE),
        State.PENDING_REPLY: (("send_back", 6), ("reply", 4), ("withdraw", 1)),
        State.PENDING_FOLLOW_UP: (("follow_up", 6), ("withdraw", 1)),
        State.CLOSED: (("reopen", 6),),
        State.REFUSED: (("comment", 1),),
        State.WITHDRAWN: (("reinstate", 6),),
    },
)
"""Actions in each state and their weights. What is not possible after all is refused, and nothing happens."""


def _crew(department: str | None) -> Actor:
    return Actor(id=f"crew of {department}", role=Role.CREW, department=department or "repair")
