"""Conditions on the table of cases that several queries have, and the changing part of a case that they look into."""

from datetime import datetime

from sqlalchemy import JSON, ColumnElement, Text, and_, cast, func, literal_column, not_, or_, type_coerce

from domain.case.incident_link import OWN_CAUSE
from domain.case.lifecycle import OPEN, UNSIGNED
from domain.case.state import CREDIT_WAITS
from readmodel.cases.tables import cases

IS_OPEN = cases.c.state.in_(sorted(state.value for state in OPEN))
"""Condition for an open case."""
PROGRESS = type_coerce(cases.c.document, JSON)
"""The part of a case that changes, `domain.case.progress.Progress`."""
_FLAGS = cast(cases.c.flags, Text)


def has_flag(flag: str) -> ColumnElement[bool]:
    """Return the condition for a case with this flag, with that of the index of cases with flags."""
    return and_(literal_column("'[]'") != _FLAGS, _FLAGS.contains(f'"{flag}"', autoescape=True))


def is_not_over(at: datetime) -> ColumnElement[bool]:
    """Return the condition for a case to which something can still happen at `at`: not `Progress.is_over`."""
    reopenable = PROGRESS["reopen_ends_at"].as_string() > at.isoformat()
    return or_(IS_OPEN, and_(cases.c.closed_at.is_not(None), or_(reopenable, has_flag(CREDIT_WAITS))))


def _is_empty(field: str) -> ColumnElement[bool]:
    return func.coalesce(PROGRESS[field].as_string(), "[]") == "[]"


HAS_OWN_MATTERS = not_(
    and_(
        cases.c.cycle == 1,
        cases.c.state.in_(sorted(state.value for state in UNSIGNED)),
        *(PROGRESS[field].as_string().is_(None) for field in ("result", "arrived_at", "approval", "signed_for")),
        *(_is_empty(field) for field in ("parts", "decisions", "credits")),
        not_(has_flag(OWN_CAUSE)),
    )
)
"""Condition for a case that an incident does not take by itself: `domain.case.incident_link.own_matters`."""
