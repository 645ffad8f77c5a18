"""Follow-ups (回访) of a month, counted by subject: who was reached, and what the callers said."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case, exists, func, literal, null, select

from domain.case.progress import SATISFIED
from domain.shared.value import NamedCode, exhaustive
from readmodel.base.database import ReadConnection
from readmodel.cases.tables import cases, follow_ups

_row, _later = follow_ups.c, follow_ups.alias().c
STANDS = ~exists().where(_later.number == _row.number, _later.cycle == _row.cycle, _later.seq > _row.seq)
"""The caller has not changed the answer since."""


class FollowUpSubject(NamedCode):
    """Kind of subject by which follow-ups are counted."""

    COMPANY = "company", "公司"
    DEPARTMENT = "department", "部门"
    OWNER = "owner", "首问责任人"
    SERVICE = "service", "服务项目"
    DISTRICT = "district", "区域"


_SUBJECTS: dict[FollowUpSubject, ColumnElement[Any]] = exhaustive(
    "_SUBJECTS",
    FollowUpSubject,
    {
        FollowUpSubject.COMPANY: literal(FollowUpSubject.COMPANY.value),
        FollowUpSubject.DEPARTMENT: _row.department,
        FollowUpSubject.OWNER: cases.c.owner,
        FollowUpSubject.SERVICE: cases.c.service_code,
        FollowUpSubject.DISTRICT: cases.c.district,
    },
)
"""The department is the one whose work the follow-up was about, all else as the case has it now."""


class FollowUpCounts(NamedTuple):
    """Counts of the finished follow-ups of one subject; `solution_known` are the callers of whom it is known."""

    subject: str | None
    followed_up: int
    contacted: int
    solution_known: int
    solved: int
    satisfied: int


def counts(
    connection: ReadConnection, start: datetime, end: datetime, by: FollowUpSubject
) -> tuple[FollowUpCounts, ...]:
    """Count the follow-ups that ended from `start` on, before `end`, by subject.

    Cases without a subject come last; the company always has counts. Of the short form, `satisfied` counts as solved
    and satisfied; `dissatisfied` does not tell what was solved.
    """
    short_satisfied = _row.outcome == "satisfied"
    solved = _row.solved | (_row.solved.is_(null()) & short_satisfied)
    satisfied = _row.satisfaction.in_(SATISFIED) | (_row.satisfaction.is_(null()) & short_satisfied)
    counted = (_row.contacted, _row.solved.is_not(null()) | short_satisfied, solved, satisfied)
    subject = _SUBJECTS[by].label("subject")
    statement = (
        select(subject, func.count(), *(func.count(case((each, 1))) for each in counted))
        .join_from(follow_ups, cases, cases.c.number == _row.number)
        .where(_row.followed_up_at >= start, _row.followed_up_at < end, STANDS)
        .group_by(subject)
    )
    found = [FollowUpCounts(*row) for row in connection.execute(statement)]
    if by is FollowUpSubject.COMPANY and not found:
        found = [FollowUpCounts(FollowUpSubject.COMPANY, *([0] * 5))]
    return tuple(sorted(found, key=lambda each: (each.subject is None, each.subject or "")))
