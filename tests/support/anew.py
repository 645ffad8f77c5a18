"""Promises of a case, made anew from its present terms, to be compared with those that it has."""

from datetime import datetime

from domain.case.case import Case
from domain.case.clocks import APPROVE, Clock
from domain.case.events import Event
from domain.case.new_terms import hold_to
from tests.support.build import CALENDAR

TOLERANCE = 1e-3
"""Seconds. The ledger keeps fractions, instants are whole microseconds."""


def promises_and_made_anew(case: Case, last: Event, at: datetime) -> tuple[list[tuple[str, ...]], ...]:
    """Return the promises that are not kept nor missed, as they are at `at`, and as the terms would make them then."""
    promises = [clock for clock in case.clocks if clock.live and clock.missed_at is None and clock.name != APPROVE]
    anew = case.model_copy()
    anew.clocks = tuple(clock for clock in case.clocks if clock not in promises)
    hold_to(anew, anew.terms, last.model_copy(update={"at": at}))
    made = anew.clocks[len(case.clocks) - len(promises) :]
    return sorted(_measured(clock, at) for clock in promises), sorted(_measured(clock, at) for clock in made)


def _measured(clock: Clock, at: datetime) -> tuple[str, ...]:
    used = round(clock.elapsed(at, CALENDAR) / TOLERANCE)
    budget = f"{clock.budget_seconds:.0f} {clock.calendar}"
    return clock.name, str(clock.part), clock.status.value, budget, str(clock.started_at), str(used)
