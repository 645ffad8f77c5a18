"""Ladder of escalation (升级): at these percentages of a clock's budget people are told, each once per clock."""

from datetime import datetime
from typing import NamedTuple

from domain.case.clocks import Clock
from domain.case.state import CaseState


class NextRung(NamedTuple):
    """Rung that is ahead of a clock: when it falls due, its percentage, and the clock."""

    falls_at: datetime
    percent: int
    clock: Clock


def next_rung(case: CaseState) -> NextRung | None:
    """Return the rung that falls due first; of several at one instant, that of the clock opened first."""
    ahead = ((clock.next_ring(case.terms.ladder, case.calendar), clock) for clock in case.clocks)
    rungs = [NextRung(*ring, clock) for ring, clock in ahead if ring]
    return min(rungs, key=lambda rung: (rung.falls_at, rung.clock.serial), default=None)
