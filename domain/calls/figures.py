"""Figures of calls (话务指标): numbers by outcome, rates, waits and talk time. They can be added up exactly."""

from collections import Counter
from dataclasses import dataclass, field

from domain.calls.call import CallOutcome

OFFERED = frozenset(
    {CallOutcome.ANSWERED, CallOutcome.ABANDONED, CallOutcome.SHORT_ABANDONED, CallOutcome.CALL_BACK_ASKED}
)
"""Outcomes of calls that count as offered: those that were answered or have ended, with a known wait."""
PLACES = 4
"""Decimal places of a rate."""


@dataclass
class CallFigures:
    """Figures of some calls.

    Attributes:
        calls: number of calls by outcome.
        waits: number of answered calls by wait, in whole seconds, rounded up.
        talk_ms: time of all conversations that have ended, in milliseconds.
    """

    calls: Counter[CallOutcome] = field(default_factory=Counter)
    waits: Counter[int] = field(default_factory=Counter)
    talk_ms: int = 0

    def add(self, outcome: CallOutcome, wait_seconds: int | None, calls: int, talk_ms: int) -> None:
        """Count further calls of one outcome; `wait_seconds` is the wait of each, None if it was not answered."""
        self.calls[outcome] += calls
        if wait_seconds is not None:
            self.waits[wait_seconds] += calls
        self.talk_ms += talk_ms

    @property
    def offered(self) -> int:
        """Number of calls that were answered or have ended, with a known wait."""
        return sum(self.calls[outcome] for outcome in OFFERED)

    @property
    def connected_rate(self) -> float | None:
        """Share of the offered calls that were answered; None if none was offered."""
        return _rate(self.calls[CallOutcome.ANSWERED], self.offered)

    def answered_within(self, seconds: int, *, of_offered: bool = False) -> float | None:
        """Return the share of the answered, or offered, calls that were answered by then; None if there are none."""
        in_time = sum(calls for wait, calls in self.waits.items() if wait <= seconds)
        return _rate(in_time, self.offered if of_offered else self.calls[CallOutcome.ANSWERED])

    def wait(self, percent: int) -> int | None:
        """Return the seconds that this share of the answered calls did not wait longer than (nearest rank), or None."""
        # Whole numbers: a product with 0.95 may lie above the rank.
        left = -(-self.waits.total() * percent // 100)
        for seconds, calls in sorted(self.waits.items()):
            left -= calls
            if left <= 0:
                return seconds
        return None


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, PLACES) if whole else None
