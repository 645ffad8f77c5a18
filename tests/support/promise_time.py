"""Time of promises: what counts, without the standstills of their case, and what follows from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.case.lifecycle import State
from domain.catalogue.terms import Terms

OF_DEPARTMENT = ("acknowledge", "arrive")
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
    more: float = 0
    """Seconds of its calendar that extensions have added."""
    days: int = 0
    """Working days of these extensions."""
    begun: datetime | None = None
    ended: datetime | None = None
    cancelled: bool = False
    missed_at: datetime | None = None
    counted: float = 0.0
    counted_until: datetime | None = None
    """The instant up to which `counted` holds; later time is still to be counted, under the present terms."""

    @property
    def budget(self) -> float:
        return self.seconds + self.more

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


class CountedTime:
    """Promises of a case, the standstills that it has had, and the calendar that it is held to."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.owed: list[Owed] = []
        self.state = State.REGISTERED
        self.linked = False
        self.stood: dict[str, list[Standstill]] = {"caller": [], "department": [], "part": []}

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

    def _stands_still(self, whose: str) -> bool:
        if self.state in (State.SUSPENDED, State.WITHDRAWN):
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
