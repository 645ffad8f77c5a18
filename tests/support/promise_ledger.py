"""Independent count of the promises of a case, written from the documents, to compare the clocks of the domain with.

The ledger reads the events of a case. For each promise it knows from when to when it is owed, and for each cause of a
standstill the time that does not count; what is consumed, when it is due and its status are computed from these.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.case.events import Event
from domain.case.lifecycle import ENDED, State
from domain.catalogue.terms import Approver, Promise, Terms
from domain.shared.actors import Role

OF_DEPARTMENT = ("acknowledge", "arrive")
WORKED_ON = {State.DISPATCHED, State.PENDING_REDISPATCH, State.IN_PROGRESS, State.SUSPENDED, State.AWAITING_APPROVAL}
CLOSE = 1e-4
"""Seconds within which a budget counts as used up: instants are whole microseconds, shares of a budget are not."""

Standstill = tuple[datetime, datetime | None]


@dataclass(frozen=True)
class Row:
    """One promise at one instant, in the terms of a clock."""

    calendar: str
    status: str
    budget: float
    elapsed: float
    due_at: datetime | None
    started_at: datetime | None


@dataclass
class Owed:
    """A promise of one cycle: of the case (part 0), of a part, or the time of an approver."""

    name: str
    part: int
    cycle: int
    kind: str
    seconds: float
    worth: float
    """Seconds of its calendar that a day of an extension is worth."""
    days: int = 0
    begun: datetime | None = None
    ended: datetime | None = None
    cancelled: bool = False
    missed_at: datetime | None = None
    counted: float = 0.0
    counted_until: datetime | None = None
    """The instant up to which `counted` holds; later time is still to be counted, under the present terms."""

    @property
    def budget(self) -> float:
        return self.seconds + self.days * self.worth

    @property
    def live(self) -> bool:
        return self.ended is None

    @property
    def whose(self) -> str:
        """Return whose standstill it shares."""
        if self.part:
            return "part"
        return "department" if self.name in OF_DEPARTMENT else "caller"

    def begin(self, at: datetime) -> None:
        if self.live and self.begun is None:
            self.begun = self.counted_until = at


class PromiseLedger:
    """All promises of a case, by its events."""

    def __init__(self, registered: Event, terms: Terms) -> None:
        self.terms, self.terms_since = terms, registered.at
        self.owed: list[Owed] = []
        self.state = State.REGISTERED
        self.cycle = 0
        self.department: str | None = None
        self.parts: dict[int, str] = {}
        self.part_to_do: dict[int, set[str]] = {}
        self.involved: dict[int, datetime] = {}
        self.linked = False
        self.approvers: tuple[Approver, ...] = ()
        self.stood: dict[str, list[Standstill]] = {"caller": [], "department": [], "part": []}
        self._begin_cycle(registered.at)

    def rows(self, at: datetime) -> dict[tuple[int, int, str], list[Row]]:
        """Return the promises of each cycle, part and name, in the order in which they were made."""
        rows: dict[tuple[int, int, str], list[Row]] = {}
        for owed in self.owed:
            row = Row(owed.kind, self._status(owed), owed.budget, self._used(owed, at), self._due(owed, at), owed.begun)
            rows.setdefault((owed.cycle, owed.part, owed.name), []).append(row)
        return rows

    def advance(self, at: datetime) -> None:
        """Date the promises that were missed until then."""
        for owed in self.owed:
            if owed.live and owed.missed_at is None:
                owed.missed_at = self._used_up_at(owed, at)

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
        elif event.role is not Role.CALLER:
            self._keep(event.at, "follow_up")
            if event.to_state is State.PENDING_FOLLOW_UP:
                self._try_again(event.at)

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
            turn = Owed("approve", 0, self.cycle, who.calendar, who.budget_seconds, 0.0)
            self.owed.append(turn)
            turn.begin(at)

    def _decide_extension(self, event: Any) -> None:
        if not event.data.approved:
            return
        self.extended += event.data.working_days
        for owed in self._own("resolve", "reply"):
            if owed.live and owed.missed_at is None:
                owed.days += event.data.working_days

    def _link_incident(self, event: Any) -> None:
        self.linked = event.data.incident is not None

    def _correct(self, event: Any) -> None:
        if terms := event.data.terms:
            self._hold_to(terms, event.at)

    def _catalogue_change(self, event: Any) -> None:
        self._hold_to(event.data.terms, event.at)

    # Terms

    def _hold_to(self, terms: Terms, at: datetime) -> None:
        """Hold the case to other terms: its promises count as if it had been registered so.

        Those that were kept, missed or cancelled stay as they were; dropped ones are cancelled.
        """
        for owed in self.owed:
            if owed.live:
                self._count(owed, at)
        self.terms, self.terms_since = terms, at
        if self.state in ENDED:
            return
        for owed in self.owed:
            if owed.live and owed.missed_at is None and owed.name != "approve":
                self._renew(owed, at)
        for promise in terms.promises:
            if self._still_to_do(promise.name) and not any(each.live for each in self._own(promise.name)):
                self._begin_as_from_the_start(self._owe(promise), promise, at)
        self._promise_parts_anew(at)

    def _promise_parts_anew(self, at: datetime) -> None:
        for part, names in self.part_to_do.items():
            there = {each.name for each in self._of_part(part) if each.live}
            for promise in self.terms.promises:
                if promise.name in names - there:
                    self._begin_as_from_the_start(self._owe(promise, part), promise, at)

    def _renew(self, owed: Owed, at: datetime) -> None:
        """Hold a promise that is neither kept nor missed to the present terms."""
        promise = self._promise(owed.name)
        if promise is None:
            self._end(at, [owed], cancelled=True)
            return
        owed.kind, owed.seconds, owed.worth = promise.calendar, promise.budget_seconds, self._worth(promise.calendar)
        owed.begun, owed.counted_until, owed.counted = None, None, 0.0
        self._begin_as_from_the_start(owed, promise, at)

    def _begin_as_from_the_start(self, owed: Owed, promise: Promise, at: datetime) -> None:
        """Begin a promise where it would have begun, with the extensions that it would have got; or let it wait."""
        start = self.involved[owed.part] if owed.part else self._start_of(promise)
        if start is not None:
            owed.begin(start)
        if not owed.part and owed.name in ("resolve", "reply"):
            owed.days = self.extended
        self._count(owed, at)

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
        if promise.name in OF_DEPARTMENT and self.handed_at and promise.starts in ("registration", "dispatch"):
            return self.handed_at
        return self.began.get(promise.starts)

    # Promises

    def _owe(self, promise: Promise, part: int = 0) -> Owed:
        owed = Owed(
            promise.name,
            part,
            self.cycle,
            promise.calendar,
            promise.budget_seconds,
            self._worth(promise.calendar),
        )
        self.owed.append(owed)
        return owed

    def _promise(self, name: str) -> Promise | None:
        return next((each for each in self.terms.promises if each.name == name), None)

    def _worth(self, kind: str) -> float:
        return self.terms.process.day_seconds if kind == "always" else self.terms.calendar.day_seconds

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
            if owed.missed_at is not None or promise:
                owed.ended = None
            if owed.live and owed.missed_at is None:
                self._renew(owed, self.terms_since)
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

    # Time

    def _stands_still(self, whose: str) -> bool:
        if self.state is State.SUSPENDED:
            return True
        if whose != "caller" and self.state is State.AWAITING_APPROVAL:
            return True
        return whose == "department" and (self.linked or self.state is State.PENDING_REDISPATCH)

    def _note_standstill(self, at: datetime) -> None:
        for whose, stood in self.stood.items():
            stands = bool(stood) and stood[-1][1] is None
            if stands and not self._stands_still(whose):
                stood[-1] = (stood[-1][0], at)
            elif not stands and self._stands_still(whose):
                stood.append((at, None))

    def _running(self, owed: Owed, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Return the intervals that count and are not counted yet; the last may be empty, if it begins at `until`."""
        since = owed.counted_until
        if since is None:
            return
        for begin, end in self.stood[owed.whose]:
            if end is not None and end <= since:
                continue
            if min(begin, until) > since:
                yield since, min(begin, until)
            if end is None or end > until:
                return
            since = max(since, end)
        if since <= until:
            yield since, until

    def _used(self, owed: Owed, at: datetime) -> float:
        if owed.ended is not None:
            return owed.counted
        return owed.counted + sum(self._measure(owed.kind, *each) for each in self._running(owed, at))

    def _count(self, owed: Owed, at: datetime) -> None:
        """Settle what is consumed until now; whatever is used up already is due from now on."""
        if owed.counted_until is not None and owed.counted_until < at:
            owed.counted, owed.counted_until = self._used(owed, at), at

    def _used_up_at(self, owed: Owed, until: datetime) -> datetime | None:
        left = owed.budget - owed.counted
        for begin, end in self._running(owed, until):
            passed = self._measure(owed.kind, begin, end)
            if passed >= left - CLOSE:
                return self._add(owed.kind, begin, max(left, 0))
            left -= passed
        return None

    def _due(self, owed: Owed, at: datetime) -> datetime | None:
        if owed.missed_at or owed.cancelled:
            return owed.missed_at
        if owed.ended:
            return self._add(owed.kind, owed.ended, max(owed.budget - owed.counted, 0))
        if owed.begun is None or self._stands_still(owed.whose):
            return None
        return self._add(owed.kind, at, owed.budget - self._used(owed, at))

    def _status(self, owed: Owed) -> str:
        if owed.missed_at:
            return "missed"
        if owed.ended:
            return "cancelled" if owed.cancelled else "met"
        if owed.begun is None:
            return "waiting"
        return "paused" if self._stands_still(owed.whose) else "running"

    def _measure(self, kind: str, begin: datetime, end: datetime) -> float:
        return (end - begin).total_seconds() if kind == "always" else self.terms.calendar.between(begin, end)

    def _add(self, kind: str, at: datetime, seconds: float) -> datetime:
        return at + timedelta(seconds=seconds) if kind == "always" else self.terms.calendar.add(at, seconds)
