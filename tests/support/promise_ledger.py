"""Independent count of the promises of a case, written from the documents, to compare the clocks of the domain with.

The ledger reads the events of a case. For each promise it knows from when to when it is owed, and for each cause of a
standstill the time that does not count; what is consumed, when it is due and its status are computed from these.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from domain.case.lifecycle import ENDED, Event, State
from domain.catalogue.terms import Approver, Promise, Terms
from domain.shared.actors import Role
from domain.shared.value import exhaustive
from tests.support.promise_time import OF_DEPARTMENT, CountedTime, Owed

WORKED_ON = {State.DISPATCHED, State.PENDING_REDISPATCH, State.IN_PROGRESS, State.SUSPENDED, State.AWAITING_APPROVAL}
NOT_WORKED_ON = {State.REGISTERED, State.PENDING_REPLY, State.PENDING_FOLLOW_UP, *ENDED}
exhaustive("WORKED_ON or NOT_WORKED_ON of tests.support.promise_ledger", State, WORKED_ON | NOT_WORKED_ON)


class PromiseLedger(CountedTime):
    """All promises of a case, by its events."""

    def __init__(self, registered: Event, terms: Terms) -> None:
        super().__init__(terms)
        self.terms_since = registered.at
        self.other_calendar = False
        self.cycle = 0
        self.department: str | None = None
        self.parts: dict[int, str] = {}
        self.part_to_do: dict[int, set[str]] = {}
        self.involved: dict[int, datetime] = {}
        self.approvers: tuple[Approver, ...] = ()
        self._begin_cycle(registered.at)

    def take(self, event: Event) -> None:
        """Take down what happened."""
        self.advance(event.at)
        self.state = event.to_state
        of_part = "_part" if getattr(event.data, "part", None) else ""
        if handler := getattr(self, f"_{event.action}{of_part}", None):
            handler(event)
        if event.cycle > self.cycle:
            self._end(event.at, self.owed, cancelled=True)
            named = getattr(event.data, "department", None)
            self.department = named or self.department or self.terms.department
            self.linked = False
            self._begin_cycle(event.at)
            self._begin(event.at, "dispatch")
        if event.to_state in ENDED:
            self._end(event.at, self.owed, cancelled=True)
        self._note_standstill(event.at)

    # What happens

    def _begin_cycle(self, at: datetime) -> None:
        self.cycle += 1
        self.began: dict[str, datetime] = {}
        self.part_to_do.clear()
        self.extended = 0
        self.signed = self.arrived = False
        self.handed_at: datetime | None = None
        self.tried_on: date | None = None
        for promise in self.terms.promises:
            self._owe(promise)
        self._begin(at, "registration")

    def _dispatch(self, event: Any) -> None:
        at, to = event.at, event.data.department
        for part, department in self.parts.items():
            if department == to:
                self._drop_part(part)
                self._end(at, self._of_part(part), cancelled=True)
        if self.department not in (None, to):
            self._end(at, self._of_department(), cancelled=True)
            self.signed = self.arrived = False
            self.handed_at = at
            for promise in self.terms.promises:
                if promise.name in OF_DEPARTMENT:
                    owed = self._owe(promise)
                    if (start := self._start_of(promise)) is not None:
                        owed.begin(start)
        self.department = to
        self._begin(at, "dispatch")

    def _reject_return(self, event: Any) -> None:
        self._begin(event.at, "dispatch")

    def _sign_for(self, event: Any) -> None:
        self.signed = True
        self._keep(event.at, "acknowledge")

    def _sign_for_part(self, event: Any) -> None:
        self.part_to_do[event.data.part] -= {"acknowledge"}
        self._keep(event.at, "acknowledge", part=event.data.part)

    def _arrive(self, event: Any) -> None:
        self.arrived = True
        self._keep(event.at, "arrive")

    def _complete(self, event: Any) -> None:
        self.signed = self.arrived = True
        self._keep(event.at, *OF_DEPARTMENT)
        self._all_done(event)

    def _complete_part(self, event: Any) -> None:
        self._drop_part(event.data.part)
        self._keep(event.at, "acknowledge", "resolve", part=event.data.part)
        self._all_done(event)

    def _release_part(self, event: Any) -> None:
        self._drop_part(event.data.part)
        self._end(event.at, self._of_part(event.data.part), cancelled=True)
        self._all_done(event)

    def _return_part(self, event: Any) -> None:
        self._drop_part(event.data.part)
        self._end(event.at, self._of_part(event.data.part), cancelled=True)

    def _involve_part(self, event: Any) -> None:
        serial = event.data.part
        gone = {event.data.takes_over, event.data.department}
        for part, department in self.parts.items():
            if department in gone:
                self._drop_part(part)
                self._end(event.at, self._of_part(part), cancelled=True)
        self.parts[serial] = event.data.department
        self.involved[serial] = event.at
        self.part_to_do[serial] = {"acknowledge", "resolve"}
        for promise in self.terms.promises:
            if promise.name in ("acknowledge", "resolve"):
                self._owe(promise, serial).begin(event.at)

    def _send_back(self, _: Any) -> None:
        self._take_back(0)

    def _send_back_part(self, event: Any) -> None:
        self.part_to_do[event.data.part] = {"resolve"}
        self._take_back(event.data.part)
        self._take_back(0)

    def _reply(self, event: Any) -> None:
        self._keep(event.at, "reply")
        self._begin(event.at, "reply")

    def _answer(self, event: Any) -> None:
        self._keep(event.at, "resolve", "reply")
        if event.to_state is State.PENDING_FOLLOW_UP:
            self._end(event.at, self._of_department(), cancelled=True)
            self._begin(event.at, "reply")

    def _follow_up(self, event: Any) -> None:
        if event.data.outcome != "unreachable":
            self._keep(event.at, "follow_up")
        elif event.role is not Role.CALLER and (day := self._local_day(event.at)) != self.tried_on:
            self.tried_on = day
            self._keep(event.at, "follow_up")
            if event.to_state is State.PENDING_FOLLOW_UP:
                self._try_again(event.at)

    def _local_day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.terms.calendar.timezone)).date()

    def _try_again(self, at: datetime) -> None:
        self.began.pop("reply")
        for promise in self.terms.promises:
            if promise.name == "follow_up":
                self._owe(promise)
        self._begin(at, "reply")

    def _request_approval(self, event: Any) -> None:
        self.approvers = event.data.approvers
        self._next_turn(event.at)

    def _decide_approval(self, event: Any) -> None:
        self._keep(event.at, "approve")
        if event.to_state is State.AWAITING_APPROVAL:
            self._next_turn(event.at)
        else:
            self._begin(event.at, "decision")

    def _next_turn(self, at: datetime) -> None:
        if self.approvers:
            who, self.approvers = self.approvers[0], self.approvers[1:]
            turn = Owed("approve", 0, self.cycle, who.calendar, who.budget_seconds)
            self.owed.append(turn)
            turn.begin(at)

    def _decide_extension(self, event: Any) -> None:
        if not event.data.approved:
            return
        self.extended += event.data.working_days
        for owed in self._own("resolve", "reply"):
            if owed.live and owed.missed_at is None:
                used = self._used(owed, event.at)
                # What is used up beyond a budget that was cut is forgiven: the days count from now.
                owed.more += max(round(used - owed.budget), 0)
                self._lengthen(owed, event.data.working_days, used, event.at)

    def _withdraw(self, event: Any) -> None:
        for owed in self.owed:
            if owed.live:
                self._count(owed, event.at)
        self.before = {place: replace(owed) for place, owed in enumerate(self.owed) if owed.live}
        self.withdrawn_at = event.at

    def _reinstate(self, event: Any) -> None:
        """Go on where the withdrawal came, without the time away, under the terms that have come meanwhile."""
        for place, owed in self.before.items():
            self.owed[place] = owed
        self.linked = False
        self._note_standstill(event.at)
        if self.terms_since >= self.withdrawn_at:
            self.other_calendar = True
            self._hold_promises(self.terms_since)

    def _link_incident(self, event: Any) -> None:
        self.linked = event.data.incident is not None

    def _correct(self, event: Any) -> None:
        if terms := event.data.terms:
            self._hold_to(terms, event.at)

    def _catalogue_change(self, event: Any) -> None:
        self._hold_to(event.data.terms, event.at)

    # Terms

    def _hold_to(self, terms: Terms, at: datetime) -> None:
        """Go on under other terms: what was consumed is kept, dropped promises are cancelled, new ones count as if
        the case had been registered so."""
        for owed in self.owed:
            if owed.live:
                self._count(owed, at)
        self.other_calendar = terms.calendar != self.terms.calendar
        self.terms, self.terms_since = terms, at
        if self.state not in ENDED:
            self._hold_promises(at)

    def _hold_promises(self, at: datetime) -> None:
        for owed in self.owed:
            if owed.live and owed.missed_at is None and owed.name != "approve":
                self._renew(owed, at, anew=self.other_calendar)
        for promise in self.terms.promises:
            if self._still_to_do(promise.name) and not any(each.live for each in self._own(promise.name)):
                self._begin_as_from_the_start(self._owe(promise), promise, at)
        self._promise_parts_anew(at)

    def _promise_parts_anew(self, at: datetime) -> None:
        for part, names in self.part_to_do.items():
            there = {each.name for each in self._of_part(part) if each.live}
            for promise in self.terms.promises:
                if promise.name in names - there:
                    self._begin_as_from_the_start(self._owe(promise, part), promise, at)

    def _renew(self, owed: Owed, at: datetime, *, anew: bool) -> None:
        """Hold a promise that is neither kept nor missed to the present terms.

        The days of extensions follow the new budget; those of a promise that stays are counted `anew` or kept.
        """
        promise = self._promise(owed.name)
        if promise is None:
            self._end(at, [owed], cancelled=True)
            return
        if owed.begun is None:
            owed.seconds, owed.kind = promise.budget_seconds, promise.calendar
            self._begin_as_from_the_start(owed, promise, at)
            return
        days = self._days_of(owed)
        stays = owed.kind == promise.calendar and owed.seconds == promise.budget_seconds and owed.days == days
        if stays and not anew:
            return
        if owed.kind != promise.calendar:
            owed.counted *= promise.budget_seconds / owed.seconds
        owed.kind, owed.seconds = promise.calendar, promise.budget_seconds
        owed.more, owed.days = 0, 0
        self._lengthen(owed, days, owed.counted, at)

    def _begin_as_from_the_start(self, owed: Owed, promise: Promise, at: datetime) -> None:
        """Begin a promise where it would have begun, with the extensions that it would have got; or let it wait."""
        start = self.involved[owed.part] if owed.part else self._start_of(promise)
        if start is not None:
            owed.begin(start)
        self._count(owed, at)
        owed.more, owed.days = 0, 0
        self._lengthen(owed, self._days_of(owed), owed.counted, at)

    def _still_to_do(self, name: str) -> bool:
        before_reply = self.state in WORKED_ON | {State.REGISTERED}
        return {
            "acknowledge": before_reply and not self.signed,
            "arrive": before_reply and not self.arrived,
            "resolve": before_reply,
            "reply": before_reply or self.state is State.PENDING_REPLY,
            "follow_up": True,
        }[name]

    def _start_of(self, promise: Promise) -> datetime | None:
        if promise.name in OF_DEPARTMENT and self.state is State.PENDING_REDISPATCH:
            return None
        if promise.name in OF_DEPARTMENT and self.handed_at and promise.starts in ("registration", "dispatch"):
            return self.handed_at
        return self.began.get(promise.starts)

    # Promises

    def _owe(self, promise: Promise, part: int = 0) -> Owed:
        owed = Owed(promise.name, part, self.cycle, promise.calendar, promise.budget_seconds)
        self.owed.append(owed)
        return owed

    def _promise(self, name: str) -> Promise | None:
        return next((each for each in self.terms.promises if each.name == name), None)

    def _days_of(self, owed: Owed) -> int:
        return self.extended if not owed.part and owed.name in ("resolve", "reply") else 0

    def _lengthen(self, owed: Owed, working_days: int, used: float, at: datetime) -> None:
        """Make it due so many working days later than it is, or was, if it goes on now with so much used up."""
        seconds: float = working_days * self.terms.calendar.day_seconds
        if owed.kind == "always":
            due = at + timedelta(seconds=owed.budget - used)
            seconds = round((self.terms.calendar.add(due, seconds) - due).total_seconds())
        owed.more += seconds
        owed.days += working_days

    def _begin(self, at: datetime, starts: str) -> None:
        self.began.setdefault(starts, at)
        for promise in self.terms.promises:
            if promise.starts == starts:
                for owed in self._own(promise.name):
                    owed.begin(at)

    def _keep(self, at: datetime, *names: str, part: int = 0) -> None:
        mine = [each for each in self.owed if (each.part, each.cycle) == (part, self.cycle)]
        self._end(at, [each for each in mine if each.name in names], cancelled=False)

    def _all_done(self, event: Event) -> None:
        if event.to_state is State.PENDING_REPLY:
            self._keep(event.at, "resolve")

    def _end(self, at: datetime, ending: list[Owed], *, cancelled: bool) -> None:
        for owed in ending:
            if owed.live:
                owed.counted = self._used(owed, at)
                owed.ended = owed.counted_until = at
                owed.cancelled = cancelled or owed.begun is None

    def _take_back(self, part: int) -> None:
        """Let `resolve` count on as if it had never been kept, under the present terms.

        It is not missed before these terms: what was used up by then is due from when they are in force.
        """
        done = [each for each in self.owed if (each.name, each.part, each.cycle) == ("resolve", part, self.cycle)]
        kept = [each for each in done if not each.live and not each.cancelled]
        promise = self._promise("resolve")
        for owed in kept[-1:]:
            kept_at = owed.ended
            if owed.missed_at is not None or promise:
                owed.ended = None
            if kept_at and owed.live and owed.missed_at is None:
                self._renew(owed, kept_at, anew=self.terms_since >= kept_at)
                self._count(owed, self.terms_since)
        if promise and not kept and not any(each.live for each in done):
            self._begin_as_from_the_start(self._owe(promise, part), promise, self.terms_since)

    def _own(self, *names: str) -> list[Owed]:
        return [each for each in self.owed if each.name in names and (each.part, each.cycle) == (0, self.cycle)]

    def _of_department(self) -> list[Owed]:
        return self._own(*OF_DEPARTMENT)

    def _drop_part(self, serial: int) -> None:
        self.part_to_do[serial] = set()

    def _of_part(self, serial: int) -> list[Owed]:
        return [each for each in self.owed if each.part == serial]
