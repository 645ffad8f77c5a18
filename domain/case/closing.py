"""End of a case, or of its present cycle: what closes with it, and when it can still be reopened."""

from datetime import datetime, timedelta

from domain.case.events import Event, MayClose
from domain.case.parts import Part, PartState
from domain.case.state import CaseState


def reopen_ends_at(case: CaseState, at: datetime) -> datetime:
    return at + timedelta(seconds=case.terms.process.reopen_seconds)


def close(case: CaseState, event: Event) -> None:
    for part in case.unfinished:
        release(case, part, event.at)
    case.cancel_clocks(event.at, None)
    case.closed_at = event.at
    case.wake_at = case.approval = case.extension = case.follow_up_since = None
    case.reopen_ends_at = event.data.reopen_ends_at if isinstance(event.data, MayClose) else None


def release(case: CaseState, part: Part, at: datetime) -> None:
    case.put_part(part, state=PartState.RELEASED)
    case.cancel_clocks(at, part.serial)
