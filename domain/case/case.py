"""The case: a pure, event-sourced object.

`apply` answers what people do, `ring` what time does; both give the events that happened and bring the case along
with them. `fold` builds the very same case from its events alone.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from domain.case import commands as c
from domain.case.automatic.catalogue_change import NewTerms, facts, held_to
from domain.case.automatic.credit import facts as credit_facts
from domain.case.automatic.credit import next_credit
from domain.case.automatic.notice import next_step
from domain.case.automatic.settle import BEFORE_REPLY, Settlement, next_of_settlement
from domain.case.clocks import Clock
from domain.case.decisions import available_actions, decide
from domain.case.effects import evolve
from domain.case.events import Event
from domain.case.intake import SYSTEM, Actor, Registration
from domain.case.lifecycle import (
    CANCELLATION,
    CATALOGUE_CHANGE,
    CREDIT,
    ESCALATE,
    RECOGNISE,
    UNDELIVERED,
    Action,
    Role,
    State,
)
from domain.case.notices import addressed
from domain.case.state import Record, start_of
from domain.catalogue.terms import USUAL_CLASS
from domain.customers.customer import Recognised


class Case(Record):
    """One complaint from the call to the end of its reopen window. Instants are UTC and given by the caller."""

    @classmethod
    def register(cls, start: Registration) -> tuple["Case", tuple[Event, ...]]:
        """The case as the agent registers it (受理), with its first event."""
        event = Event(
            seq=1,
            at=start.at,
            actor=start.actor.name,
            role=start.actor.role,
            action=Action.REGISTER,
            to_state=State.REGISTERED,
            cycle=1,
            data=start.model_dump(mode="json", exclude={"at", "actor"}),
        )
        case = cls.fold([event])
        return case, (addressed(event, case),)

    @classmethod
    def fold(cls, events: Iterable[Event]) -> "Case":
        """The case that these events made, from the first one on.

        Raises ValueError where the first is no registration or one is missing.
        """
        case: Case | None = None
        for event in events:
            case = case or cls._begin(event)
            evolve(case, event)
        if case is None:
            raise ValueError("a case starts with its registration; there is no event")
        return case

    @classmethod
    def _begin(cls, first: Event) -> "Case":
        if first.action != Action.REGISTER:
            raise ValueError(f"a case starts with its registration, not with {first.action}")
        intake, terms = start_of(first.data)
        return cls(
            number=first.data["number"],
            owner=first.data["owner"],
            registered_at=first.at,
            intake=intake,
            terms=terms,
            possible_duplicates=tuple(first.data.get("possible_duplicates", ())),
            customer_class=first.data.get("customer_class", USUAL_CLASS),
        )

    def apply(self, command: c.Command[Any], at: datetime) -> tuple[Event, ...]:
        """Do what is asked at `at`, after everything that fell due before. Raises Refused and changes nothing."""
        return tuple(self._happen(event) for event in self._ahead(command, at))

    def check(self, command: c.Command[Any], at: datetime) -> None:
        """Raise Refused exactly where `apply` would."""
        self._ahead(command, at)

    def _ahead(self, command: c.Command[Any], at: datetime) -> tuple[Event, ...]:
        then = self.model_copy()
        return (*then.ring(at), decide(then, command, at))

    def ring(self, at: datetime) -> tuple[Event, ...]:
        """Everything that time has brought until `at`, in the order in which it fell due, each exactly once."""
        events: list[Event] = []
        while due := self._next_event(at):
            events.append(self._happen(due))
        return tuple(events)

    def next_deadline(self) -> datetime | None:
        """The next instant at which `ring` has something to do or the case is over; None where only people can act."""
        instants = [instant for instant, _, _ in self._rungs()]
        if step := next_step(self):
            instants.append(step.falls_at)
        if self.state is State.SUSPENDED and self.wake_at:
            instants.append(self.wake_at)
        if owed := next_credit(self):
            instants.append(owed.at)
        # With a credit to decide on, the end of the window ends nothing; whoever decides wakes the case.
        if self.reopen_ends_at and not self.credits_waiting:
            instants.append(self.reopen_ends_at)
        return min(instants, default=None)

    def available_actions(self, actor: Actor, at: datetime) -> tuple[Action, ...]:
        """What this person may do to the case at `at`, after everything that fell due before."""
        then = self.model_copy()
        then.ring(at)
        return available_actions(then, actor, at)

    def undelivered(self, key: str, at: datetime) -> tuple[Event, ...]:
        """Flag the case, once, because the notification `key` did not get through; after what fell due before."""
        if "undelivered" in self.flags:
            return ()
        due = self.ring(at)
        return (*due, self._happen(self._system(UNDELIVERED, at, {"key": key})))

    def note_cancellation(self, reason: str, at: datetime) -> tuple[Event, ...]:
        """Note that the workflow was asked to be cancelled; after what fell due before."""
        due = self.ring(at)
        return (*due, self._happen(self._system(CANCELLATION, at, {"reason": reason} if reason else {})))

    def recognise(self, known: Recognised, at: datetime) -> tuple[Event, ...]:
        """Flag the case with what is known of its caller, once; after everything that fell due before."""
        if not self.news_of(known, at):
            return ()
        due = self.ring(at)
        return (*due, self._happen(self._system(RECOGNISE, at, known.model_dump(mode="json"))))

    def news_of(self, known: Recognised, at: datetime) -> bool:
        """Whether `recognise` would change anything."""
        return not set(known.flags) <= set(self.flags) and not self.finished(at)

    def settle(self, settlement: Settlement, at: datetime) -> tuple[Event, ...]:
        """Complete and reply with the incident that the case is linked to; after everything that fell due before."""
        events = list(self.ring(at))
        while event := next_of_settlement(self, settlement, at):
            events.append(self._happen(event))
        return tuple(events)

    def unlink(self, ended: str | None, at: datetime) -> tuple[Event, ...]:
        """Take the case out of an incident that had ended before it knew of the case; after everything that fell due.

        Nothing happens where the case is not linked to it (any more), or has been replied to without it.
        """
        if ended is None or ended != self.incident or self.state not in BEFORE_REPLY:
            return ()
        due = self.ring(at)
        data = {"incident": None, "previous_incident": self.incident}
        return (*due, self._happen(self._system(Action.LINK_INCIDENT, at, data)))

    def change_catalogue(self, new: NewTerms, at: datetime) -> tuple[Event, ...]:
        """Hold the case to the terms of another catalogue, after everything that fell due before under its own.

        Nothing happens where they are the same, or where the case is over.
        """
        if not self.differs(new, at):
            return ()
        due = self.ring(at)
        return (*due, self._happen(self._system(CATALOGUE_CHANGE, at, facts(self, new, at))))

    def differs(self, new: NewTerms, at: datetime) -> bool:
        """Return True if the new terms differ from the case's and the case is not over."""
        return held_to(self.terms, new.terms) != self.terms and not self.finished(at)

    def over(self, at: datetime) -> bool:
        """Nothing can happen to it any more, and nobody has to decide on anything."""
        return self.finished(at) and not self.credits_waiting

    def _rungs(self) -> list[tuple[datetime, int, Clock]]:
        found = ((clock.next_ring(self.terms.ladder, self.calendar), clock) for clock in self.clocks)
        return [(ring[0], ring[1], clock) for ring, clock in found if ring]

    def _next_event(self, at: datetime) -> Event | None:
        at = min(at, self.wake_at or at)  # nothing comes after the wake date before the case is taken up again
        rung = min(self._rungs(), key=lambda rung: (rung[0], rung[2].serial), default=None)
        step, owed = next_step(self, at), next_credit(self)
        # At the same instant, in this order: a miss comes before what it leads to.
        instants = (rung and rung[0], step and step.falls_at, owed and owed.at)
        first = min((instant for instant in instants if instant and instant <= at), default=None)
        if first is None:
            return self._system(Action.RESUME, at, {"woke": True}, State.IN_PROGRESS) if at == self.wake_at else None
        if rung and rung[0] == first:
            return self._escalation(rung, at)
        if step and step.falls_at == first:
            return self._system(step.action, at, step.data)
        return self._system(CREDIT, at, credit_facts(self, owed)) if owed else None

    def _escalation(self, rung: tuple[datetime, int, Clock], at: datetime) -> Event:
        fell_at, percent, clock = rung
        notify = next((rung.notify for rung in self.terms.ladder if rung.percent == percent), ())
        return self._system(
            ESCALATE,
            at,
            {
                "clock": clock.name,
                "serial": clock.serial,
                "percent": percent,
                "fell_at": fell_at.isoformat(),
                "notify": list(notify),
                **({"part": clock.part} if clock.part else {}),
            },
        )

    def _happen(self, event: Event) -> Event:
        """Bring the case along; the event, addressed to those whom it concerns at that moment."""
        evolve(self, event)
        return addressed(event, self)

    def _system(self, action: str, at: datetime, data: dict[str, Any], target: State | None = None) -> Event:
        return Event(
            seq=self.version + 1,
            at=at,
            actor=SYSTEM.name,
            role=Role.SYSTEM,
            action=action,
            from_state=self.state,
            to_state=target or self.state,
            cycle=self.cycle,
            data=data,
        )
