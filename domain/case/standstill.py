"""Standstills of a case: the time in which its clocks, or those of its departments, do not count."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from domain.case.clocks import DEPARTMENT_CLOCKS
from domain.case.lifecycle import BEFORE_REPLY, State

StandstillScope = Literal["case", "departments", "department"]
"""Clocks that stand still: all, those of every department, or those of the department that has the case."""


class Standstill(NamedTuple):
    """Time in which clocks stood still; `until` is None while they do."""

    since: datetime
    until: datetime | None
    scope: StandstillScope


def scope_in(state: State, *, waits: bool) -> StandstillScope | None:
    """Return which clocks stand still in this state; `waits` is set if the case waits for its incident."""
    if state in {State.SUSPENDED, State.WITHDRAWN}:
        return "case"
    if state is State.AWAITING_APPROVAL:
        return "departments"
    return "department" if state is State.PENDING_REDISPATCH or (waits and state in BEFORE_REPLY) else None


def extended(ledger: tuple[Standstill, ...], scope: StandstillScope | None, at: datetime) -> tuple[Standstill, ...]:
    """Return the ledger in which these clocks stand still from now on, and no others."""
    last = ledger[-1] if ledger else None
    now = last if last and last.until is None else None
    if (now.scope if now else None) == scope:
        return ledger
    past = ledger
    if now:
        past = (*ledger[:-1], *([now._replace(until=at)] if now.since < at else []))
    return (*past, Standstill(at, None, scope)) if scope else past


def counted_times(
    ledger: tuple[Standstill, ...], name: str, part: int, since: datetime, cut: datetime | None = None
) -> Iterator[tuple[datetime, datetime | None]]:
    """Return the times in which a clock counts from `since` on, in order, each with its end; None if it lasts.

    `part` is 0 for a clock of the case itself. A time in which the instant `cut` lies is cut in two there.
    """
    for start, end in _counted_times(ledger, name, part, since):
        if cut and start < cut and (end is None or cut < end):
            yield from ((start, cut), (cut, end))
        else:
            yield start, end


def _counted_times(
    ledger: tuple[Standstill, ...], name: str, part: int, since: datetime
) -> Iterator[tuple[datetime, datetime | None]]:
    for still in ledger:
        if not _includes(still.scope, name, part) or (still.until and still.until <= since):
            continue
        if since < still.since:
            yield since, still.since
        if still.until is None:
            return
        since = still.until
    yield since, None


def _includes(scope: StandstillScope, name: str, part: int) -> bool:
    return scope == "case" or (name in DEPARTMENT_CLOCKS and not part) or (scope == "departments" and part > 0)
