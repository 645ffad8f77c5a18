"""The case: a pure, event-sourced object, and its notifications.

`apply` answers what people do, `advance` what time does; both give the events that happened and bring the case along
with them. `fold` builds the very same case from its events alone.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from domain.case.actions import ACTION_OF, link_incident, register, resume
from domain.case.actions.decide_credit import CreditDecided
from domain.case.actions.link_incident import Settlement
from domain.case.actions.register import Registered, Registration
from domain.case.automatic import credit, internal_updates, left_out
from domain.case.automatic.credit import Credited
from domain.case.automatic.internal_updates import NewTerms, Recognised, Undelivered
from domain.case.automatic.lateness import next_document, next_escalation
from domain.case.decide import CASE_KINDS, available_actions, decide, evolve
from domain.case.intake import Intake
from domain.case.lifecycle import Event, State, text_of
from domain.case.new_terms import with_priority
from domain.case.progress import Progress
from domain.case.state import CaseState, Due
from domain.catalogue.terms import Terms
from domain.kit.entity import AnyKind, EntityRules, EntityTable
from domain.kit.event import Command, Decision, EventData, Notification, notifications_of
from domain.shared.actors import FORMER_CALLER, SYSTEM, Actor
from domain.shared.errors import INVALID_RESULT, Refused


class Case(CaseState, EntityRules[Event]):
    """One complaint from the call to the end of its reopen window."""

    TABLE: ClassVar[EntityTable] = EntityTable("case", CASE_KINDS, ACTION_OF)

    @classmethod
    def register(cls, start: Registration) -> tuple["Case", tuple[Event, ...]]:
        registered = Registered.of(start)
        case = cls._begin(registered, start.at)
        decision = Decision(registered, State.REGISTERED)
        event = register.ACTION.next_event(case, start.at, decision, start.actor, start.people)
        evolve(case, event)
        return case, (addressed(event, case),)

    @classmethod
    def fold(cls, events: Iterable[Event]) -> "Case":
        """Raise ValueError if the first event is no registration, or one is missing."""
        case: Case | None = None
        for event in events:
            if case is None:
                if not isinstance(event.data, Registered):
                    raise ValueError(f"a case starts with its registration, not with {event.action}")
                case = cls._begin(event.data, event.at)
            evolve(case, event)
        if case is None:
            raise ValueError("a case starts with its registration; there is no event")
        return case

    @classmethod
    def restore(
        cls, registered: Registered, registered_at: datetime, progress: Progress, terms: Terms | None
    ) -> "Case":
        """Later terms take the place of the first ones. Trap: nothing is validated here, as every part has been."""
        return cls.model_construct(
            **progress.__dict__,
            number=registered.number,
            registered_at=registered_at,
            **_corrected(progress, registered.intake, terms or registered.terms),
        )

    def with_progress(self, progress: Progress) -> "Case":
        """Keep the terms, but for a corrected priority."""
        facts = _corrected(progress, self.intake, self.terms)
        return type(self).model_construct(**{**self.__dict__, **progress.__dict__, **facts})

    @classmethod
    def _begin(cls, registered: Registered, at: datetime) -> "Case":
        progress = Progress(
            owner=registered.owner,
            possible_duplicates=registered.possible_duplicates,
            customer_class=registered.customer_class,
            filled=registered.filled,
        )
        return cls.restore(registered, at, progress, None)

    def preview(self, command: Command[Any], at: datetime) -> tuple[Self, tuple[Event, ...]]:
        """See EntityRules; an action that would leave the case invalid is refused as well."""
        try:
            return super().preview(command, at)
        except ValidationError as error:
            what = f"the case {self.number} (version {self.version}) in an invalid state ({left_out.faults(error)})"
            message = (
                f"The action would leave {what}. Nothing was done. Report it to the operators: a rule or the catalogue"
                " is wrong."
            )
            raise Refused(INVALID_RESULT, message) from None

    def decide(self, command: Command[Any], at: datetime) -> Event:
        return decide(self, command, at)

    def advance(self, at: datetime) -> tuple[Event, ...]:
        """Add what time has brought until `at`, in the order in which it fell due, each exactly once."""
        events: list[Event] = []
        while True:
            # The wake date comes first, as it changes what comes after it.
            wakes_at = None if resume.ACTION.name in self.left_out else self.wake_at
            until = min(at, wakes_at or at)
            dues = (due for due in self._dues(until) if due.falls_at <= until)
            if (due := min(dues, key=attrgetter("falls_at"), default=None)) is None:
                return tuple(events)
            events.append(self.add_event(due.kind, until, due.data, due.state))

    def next_deadline(self) -> datetime | None:
        """Next instant at which `advance` has work or the case is over; None if only people act."""
        instants = [due.falls_at for due in self._dues()]
        # With a credit to decide on, the end of the window ends nothing; whoever decides wakes the case.
        if self.reopen_ends_at and not self.undecided_credits:
            instants.append(self.reopen_ends_at)
        return min(instants, default=None)

    def _dues(self, at: datetime | None = None) -> Iterator[Due]:
        """Trap: at one instant the order counts, a miss before what it leads to."""
        dues = (next_escalation(self), next_document(self, at), credit.next_due(self), resume.next_due(self))
        return (due for due in dues if due and due.kind.name not in self.left_out)

    # Time alone changes what is possible for a case.
    def available_actions(self, actor: Actor, at: datetime) -> tuple[str, ...]:  # type: ignore[override]  # its time matters
        """After everything that fell due before `at`."""
        preview = self.model_copy()
        preview.advance(at)
        return available_actions(preview, actor, at)

    def undelivered(self, notification: Undelivered, at: datetime) -> tuple[Event, ...]:
        if not internal_updates.is_unknown_failure(self, notification):
            return ()
        return self.add_event_after_due(internal_updates.UNDELIVERED, at, notification)

    def recognise(self, known: Recognised, at: datetime) -> tuple[Event, ...]:
        if not internal_updates.recognises_more(self, known, at):
            return ()
        return self.add_event_after_due(internal_updates.RECOGNISE, at, known)

    def settle(self, settlement: Settlement, at: datetime) -> tuple[Event, ...]:
        """Complete and reply with the incident of the case, or keep it; after everything that fell due before."""
        events = list(self.advance(at))
        keeps = link_incident.outcome(self, settlement.incident) == link_incident.KEPT
        while step := link_incident.next_step(self, settlement, at, keeps=keeps):
            action, decision = step
            if action.name in self.left_out:
                break
            events.append(self.add_event(action, at, decision.data, decision.state))
            keeps = keeps or action.name in self.left_out
        return tuple(events)

    def unlink(self, ended: str | None, at: datetime) -> tuple[Event, ...]:
        """Take the case out of an incident that had ended before it knew of the case; see `link_incident.unlinked`."""
        data = link_incident.unlinked(self, ended)
        return self.add_event_after_due(link_incident.ACTION, at, data) if data else ()

    def change_catalogue(self, new: NewTerms, at: datetime) -> tuple[Event, ...]:
        """Hold the case to the terms of another catalogue, after everything that fell due before under its own."""
        if not internal_updates.is_change(self, new, at):
            return ()
        data = partial(internal_updates.changed_data, self, new, at)
        return self.add_event_after_due(internal_updates.CATALOGUE_CHANGE, at, data)

    def add_event(
        self,
        kind: AnyKind,
        at: datetime,
        data: EventData | Callable[[], EventData],
        state: str | None = None,
        actor: Actor = SYSTEM,
    ) -> Event:
        """Let an event happen that no command asks for. One that would break an invariant is left out, and noted."""
        try:
            return super().add_event(kind, at, data, state, actor)
        except ValidationError as error:
            data = left_out.LeftOut(kind=kind.name, error=left_out.faults(error))
            return self.record(left_out.KIND.next_event(self, at, Decision(data)))

    def record(self, event: Event) -> Event:
        """Bring the case along; return the event with its recipients.

        Raises ValidationError if the case would break an invariant, and changes nothing.
        """
        after = self.model_copy()
        evolve(after, event)
        left_out.check(self, after)
        self.become(after)
        return addressed(event, self)


def _corrected(progress: Progress, intake: Intake, terms: Terms) -> dict[str, Any]:
    facts = progress.corrected
    if facts is None:
        return {"intake": intake, "terms": terms}
    return {"intake": facts.of(intake), "terms": with_priority(terms, facts.priority) if facts.priority else terms}


CASE_NOTIFICATION_ZH = {
    kind.name: kind.zh for kind in CASE_KINDS.values() if kind.is_notified or kind.notifies_by_incident
}
_STAND_INS = {"assignee": "department", "department": "owner", "lead": "owner"}
"""Recipient in place of one that is not known."""


def notifications(number: str, event: Event) -> tuple[Notification, ...]:
    if not event.recipients:
        return ()
    kind = CASE_KINDS[event.action]
    texts = event.data.text(number, event) or text_of(number, event, *kind.done(event))
    return notifications_of(number, event, event.recipients, event.action, texts)


def addressed(event: Event, after: CaseState) -> Event:
    """Add the recipients, given the case as the event left it: once it is published, others may have it."""
    kind = CASE_KINDS[event.action]
    cases = [
        after.model_copy(update={"department": holder.department, "assignee": holder.assignee})
        for holder in kind.holders(after, event.data)
    ]
    addresses = (_address(who, case, event) for who in kind.addressees(after, event) for case in cases)
    return event.model_copy(update={"recipients": tuple(dict.fromkeys(addresses))})


def _address(who: str, case: CaseState, event: Event) -> str:
    """As `role:name`, as far as the case knows; the owner stands in if no department has the case yet."""
    if who in ("manager", "approver", "deputy"):
        who, name = "manager", _approver(who, case, event)
    else:
        known = {
            "owner": case.owner,
            "caller": case.number,
            FORMER_CALLER: case.number,
            "assignee": case.assignee,
            "department": case.department,
            "lead": case.department,
        }
        name = case.terms.persons(case.department).get(who) or known.get(who)
    if name is None and who in _STAND_INS:
        return _address(_STAND_INS[who], case, event)
    return f"{who}:{name}" if name else who


def _approver(who: str, case: CaseState, event: Event) -> str | None:
    """Approver whose turn it is, or the deputy; None if the catalogue names nobody."""
    data = event.data
    asked = case.credits[data.credit - 1] if isinstance(data, (Credited, CreditDecided)) else case.approval
    approver = asked and asked.next_approver
    return (approver.deputy if who == "deputy" else approver.holder) if approver else None
