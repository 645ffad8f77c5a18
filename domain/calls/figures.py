"""Figures of calls (话务指标): numbers by outcome, rates, waits and talk time. They can be added up exactly."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from domain.calls.call import OUTCOMES, CallOutcome
from domain.shared.amounts import rate

OFFERED_OUTCOMES = frozenset(outcome for outcome, row in OUTCOMES.items() if row.is_offered)
"""Outcomes of calls that count as offered: those that were answered or have ended, with a known wait."""


@dataclass
class CallFigures:
    """Figures of some calls.

    Attributes:
        calls: number of calls by outcome.
        waits: number of answered calls by wait, in whole seconds, rounded up.
        talk_ms: time of all conversations that have ended, in milliseconds.
    """

    calls: Counter[CallOutcome] = field(default_factory=Counter)
    waits: dict[int, int] = field(default_factory=dict)
    talk_ms: int = 0

    def add(self, outcome: CallOutcome, wait_seconds: int | None, calls: int, talk_ms: int) -> None:
        """Count further calls of one outcome; `wait_seconds` is the wait of each, None if it was not answered."""
        self.calls[outcome] += calls
        if wait_seconds is not None:
            # A counter would call Python for each new wait, of which an hour has a hundred.
            self.waits[wait_seconds] = self.waits.get(wait_seconds, 0) + calls
        self.talk_ms += talk_ms

    def include(self, others: Iterable["CallFigures"]) -> Self:
        for other in others:
            self.calls.update(other.calls)
            for wait, calls in other.waits.items():
                self.waits[wait] = self.waits.get(wait, 0) + calls
            self.talk_ms += other.talk_ms
        return self

    @property
    def offered(self) -> int:
        return sum(self.calls[outcome] for outcome in OFFERED_OUTCOMES)

    @property
    def connected_rate(self) -> float | None:
        """Share of the offered calls that were answered; None if none was offered."""
        return rate(self.calls[CallOutcome.ANSWERED], self.offered)

    def in_time(self, seconds: int) -> int:
        """Return the number of calls that were answered within so many seconds."""
        return sum(calls for wait, calls in self.waits.items() if wait <= seconds)

    def answered_within(self, seconds: int, *, of_offered: bool = False) -> float | None:
        """Return the share of the answered, or offered, calls that were answered by then; None if there are none."""
        return rate(self.in_time(seconds), self.offered if of_offered else self.calls[CallOutcome.ANSWERED])

    def wait(self, percent: int) -> int | None:
        """Return the seconds that this share of the answered calls did not wait longer than (nearest rank), or None."""
        # Whole numbers: a product with 0.95 may lie above the rank.
        left = -(-sum(self.waits.values()) * percent // 100)
        for seconds, calls in sorted(self.waits.items()):
            left -= calls
            if left <= 0:
                return seconds
        return None
