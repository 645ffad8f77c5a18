"""Queries of whole cases, their versions and timelines, departments' parts (协办), and cases of a catalogue rollout."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic_core import from_json
from sqlalchemy import ColumnElement, RowMapping, Select, bindparam, func, select, union_all

from domain.case.actions.register import Registered
from domain.case.approvers import CREDIT_KIND
from domain.case.automatic.lateness import DOCUMENT_KINDS
from domain.case.case import Case
from domain.case.lifecycle import Event, Part, PartState, State
from domain.case.progress import Progress
from domain.catalogue.terms import Terms
from domain.kit.event import BaseEvent
from domain.shared.value import Immutable
from readmodel.base.database import ReadConnection
from readmodel.base.paging import Position, RowPage, in_order, page_of
from readmodel.cases.search import CaseFilters, Sort, conditions_of, find, having_terms, sections
from readmodel.cases.search_terms import account_term
from readmodel.cases.tables import IS_OPEN, PROGRESS, cases, decisions, events, parts, search_words

STATES_TOGETHER = 1000
"""Rows that are fetched at once of a query of all cases."""

E = TypeVar("E", bound=BaseEvent)


class _NewTerms(Immutable):
    """Terms in the data of an event; all else in them is left out."""

    terms: Terms


_NUMBERS: ColumnElement[Any] = bindparam("numbers", expanding=True)
_FIRST, _LATER = events.alias(), events.alias()
# Built once: every request asks these.
_VERSIONS = select(cases.c.number, cases.c.version).where(cases.c.number.in_(_NUMBERS))
_CASES = (
    select(cases.c.number, cases.c.registered_at, cases.c.document, _FIRST.c.data, _LATER.c.data)
    .join(_FIRST, (_FIRST.c.number == cases.c.number) & (_FIRST.c.seq == 1))
    .outerjoin(
        _LATER,
        (_LATER.c.number == cases.c.number) & (_LATER.c.seq == PROGRESS[("later_terms", "seq")].as_integer()),
    )
    .where(cases.c.number.in_(_NUMBERS))
)
"""Cases with the data of their first event, and of the event that holds their later terms, if they have any."""


class Timeline(NamedTuple, Generic[E]):
    """Page of events, oldest first; `next_seq` is the `after_seq` of the next page, None on the last one."""

    items: tuple[E, ...]
    next_seq: int | None


def versions(connection: ReadConnection, numbers: Collection[str]) -> dict[str, int]:
    """Leave out a case without a row."""
    return {row.number: row.version for row in connection.execute(_VERSIONS, {"numbers": list(numbers)})}


def had(
    connection: ReadConnection, numbers: Collection[str], action: str, *conditions: ColumnElement[bool], **facts: str
) -> set[str]:
    """Numbers of these cases that have had an event of this kind that meets conditions, with these facts."""
    are_facts = (events.c.data[name].as_string() == value for name, value in facts.items())
    of_kind = events.c.number.in_(numbers), events.c.action == action
    return {*connection.scalars(select(events.c.number).where(*of_kind, *conditions, *are_facts))}


def count_open(connection: ReadConnection) -> int:
    return connection.scalar(select(func.count()).select_from(cases).where(IS_OPEN)) or 0


def has_cases(connection: ReadConnection) -> bool:
    return connection.scalar(select(cases.c.number).limit(1)) is not None


def states(connection: ReadConnection) -> Iterator[tuple[str, State]]:
    """Yield number and state of every case, without holding all of them in memory."""
    statement = select(cases.c.number, cases.c.state).execution_options(yield_per=STATES_TOGETHER)
    return ((row.number, State(row.state)) for row in connection.execute(statement))


def get_case(connection: ReadConnection, number: str) -> Case | None:
    return next(iter(get_cases(connection, [number])), None)


def list_cases(
    connection: ReadConnection,
    filters: CaseFilters | None = None,
    cursor: str | None = None,
    limit: int = 50,
    sort: Sort = Sort.REGISTERED,
) -> RowPage[Case]:
    """Only cases that pass the filters. Raises BadCursorError.

    In the order of registration, cases that are registered meanwhile belong on earlier pages; no case comes twice or
    is left out.
    """
    page = list_numbers(connection, filters or CaseFilters(), cursor, limit, sort)
    return RowPage(get_cases(connection, page.items), page.next_cursor)


def list_numbers(
    connection: ReadConnection, filters: CaseFilters, cursor: str | None, limit: int, sort: Sort
) -> RowPage[str]:
    """Numbers of the cases on a page of a list. Raises BadCursorError."""
    after = Position.of(cursor, sections(sort, filters))
    page = page_of(find(connection, filters, after, limit + 1, sort), limit, lambda position: position)
    return RowPage(tuple(position.key for position in page.items), page.next_cursor)


class CaseCount(NamedTuple):
    """Number of cases of one state, department and service level."""

    state: str
    department: str | None
    sla: str
    cases: int


def count_cases(connection: ReadConnection, filters: CaseFilters) -> list[CaseCount]:
    where = [*conditions_of(filters), *having_terms(filters)]
    passing = select(cases.c.state, cases.c.department, cases.c.sla).where(*where)
    # The offset changes nothing, but keeps SQLite from reading all cases, in the order of the groups, for open ones.
    found = (passing.offset(0) if filters.only_open else passing).subquery().c
    statement = select(found.state, found.department, found.sla, func.count())
    return [CaseCount(*row) for row in connection.execute(statement.group_by(found.state, found.department, found.sla))]


def count_lists(connection: ReadConnection, lists: Sequence[CaseFilters]) -> list[int]:
    """Count the cases of each of these lists of open cases without `q`, all in one read of their index."""
    counts = [func.count().filter(*conditions_of(filters)) for filters in lists]
    return [*connection.execute(select(*counts).where(cases.c.closed_at.is_(None))).one()] if lists else []


_RESULT, _REPLY, _PEOPLE = (PROGRESS[name].as_string().label(name) for name in ("result", "reply", "people"))
_ROW = select(
    *(column for column in cases.c if column.name not in ("document", "changed_at")), _RESULT, _REPLY, _PEOPLE
)


def list_rows(
    connection: ReadConnection, filters: CaseFilters, cursor: str | None, limit: int, sort: Sort = Sort.REGISTERED
) -> RowPage[RowMapping]:
    """Rows of cases, with `result`, `reply` and `people`, in the order of the list. Raises BadCursorError.

    `people` are names by id, as JSON; None if there are none.
    """
    page = list_numbers(connection, filters, cursor, limit, sort)
    found = {row["number"]: row for row in connection.execute(_ROW.where(cases.c.number.in_(page.items))).mappings()}
    return RowPage(tuple(found[number] for number in page.items if number in found), page.next_cursor)


def get_cases(connection: ReadConnection, numbers: Sequence[str]) -> tuple[Case, ...]:
    """Keep this order; leave out a case without a row."""
    found = {
        number: Case.restore(
            Registered.model_validate_json(registered),
            registered_at,
            Progress.model_validate_json(progress),
            _NewTerms.model_validate_json(later_terms).terms if later_terms else None,
        )
        for number, registered_at, progress, registered, later_terms in connection.execute(_CASES, {"numbers": numbers})
    }
    return tuple(found[number] for number in numbers if number in found)


def timeline(connection: ReadConnection, number: str, after_seq: int = 0, limit: int | None = None) -> Timeline[Event]:
    return read_events(connection, Event, select(events).where(events.c.number == number), after_seq, limit)


def documents(connection: ReadConnection, number: str) -> tuple[Event, ...]:
    """Notices of urging (催办通知书) and public criticism (通报批评), oldest first: at most two a cycle."""
    of_kind = events.c.number == number, events.c.action.in_(sorted(DOCUMENT_KINDS))
    return read_events(connection, Event, select(events).where(*of_kind)).items


def read_events(
    connection: ReadConnection, event: type[E], statement: Select[Any], after_seq: int = 0, limit: int | None = None
) -> Timeline[E]:
    """Events that a statement selects of a case or incident, after a position: all, or so many."""
    seq = statement.selected_columns["seq"]
    statement = statement.where(seq > after_seq).order_by(seq)
    rows = connection.execute(statement if limit is None else statement.limit(limit + 1)).mappings().all()
    items = tuple(as_event(event, row) for row in rows[:limit])
    return Timeline(items, items[-1].seq if len(rows) > len(items) else None)


def as_event(event: type[E], row: RowMapping) -> E:
    return event.model_validate({**row, "data": from_json(row["data"])})


class PartOfCase(NamedTuple):
    """A part, with the facts of its case that a crew needs in a list."""

    number: str
    part: Part
    case_state: str
    service_code: str
    priority: str
    district: str | None
    owner: str


def list_parts(
    connection: ReadConnection, department: str, states: Collection[PartState], cursor: str | None, limit: int
) -> RowPage[PartOfCase]:
    """Parts of the department in these states or all, the latest first. Raises BadCursorError."""
    seen = (cases.c.state, cases.c.service_code, cases.c.priority, cases.c.district, cases.c.owner)
    statement = select(parts.c.number, parts.c.document, *seen).join(cases, cases.c.number == parts.c.number)
    statement = statement.where(parts.c.department == department)
    statement = in_order(statement, parts.c.involved_at, parts.c.number, Position.of(cursor)).limit(limit + 1)
    # One list for each state: an index serves one.
    lists = [statement.where(parts.c.state == state) for state in {*states}] or [statement]
    rows = (row for each in lists for row in connection.execute(each))
    found = [PartOfCase(row.number, row.document, *row[2:]) for row in rows]
    return page_of(sorted(found, key=_position, reverse=True), limit, _position)


def _position(item: PartOfCase) -> Position:
    return Position(item.part.involved_at, item.number)


class PastCredit(NamedTuple):
    """A credit that was approved for an account."""

    number: str
    name: str
    amount: Decimal
    decided_at: datetime


def credited(connection: ReadConnection, account_no: str, since: datetime) -> Sequence[PastCredit]:
    term, subject = account_term(account_no), events.c.data["subject"].as_string()
    statement = (
        select(decisions.c.number, subject, decisions.c.amount, decisions.c.decided_at, cases.c.caller_account_no)
        .join(search_words, search_words.c.number == decisions.c.number)
        .join(cases, cases.c.number == decisions.c.number)
        .join(events, (events.c.number == decisions.c.number) & (events.c.seq == decisions.c.seq))
        .where(
            search_words.c.word == term,
            decisions.c.kind == CREDIT_KIND,
            decisions.c.approved,
            decisions.c.decided_at >= since,
        )
        .order_by(decisions.c.decided_at, decisions.c.number)
    )
    return [
        PastCredit(*credit)
        for *credit, account in connection.execute(statement)
        # The term may be that of something else as well.
        if account and account_term(account) == term
    ]


def open_numbers(
    connection: ReadConnection, closed_after: datetime, after: str, limit: int, since: datetime | None = None
) -> list[str]:
    """Numbers that come after `after`, in order.

    The cases are open, or were closed or withdrawn after an instant; and were registered from `since` on if that is
    given. Those that have lost their workflow are left out: nobody can ask them.
    """
    return list(connection.scalars(_open_numbers(closed_after, after, limit, since)))


def _open_numbers(closed_after: datetime, after: str, limit: int, since: datetime | None = None) -> Select[tuple[str]]:
    registered = select(cases.c.number).where(cases.c.lost.is_(None))
    if since is not None:
        registered = registered.where(cases.c.registered_at >= since)
    open_ones = registered.where(IS_OPEN, cases.c.number > after)
    # The number as an expression, and the states by the other one: otherwise SQLite reads all numbers, or all closed
    # cases, instead of the few that were closed lately.
    number = cases.c.number.concat("")
    closed = registered.where(number > after, cases.c.closed_at > closed_after, cases.c.state != State.REFUSED.value)
    each = [
        some.order_by(by).limit(limit).subquery().select()
        for some, by in ((open_ones, cases.c.number), (closed, number))
    ]
    both = union_all(*each).subquery()
    return select(both.c.number).order_by(both.c.number).limit(limit)


def walk_open_cases(connection: ReadConnection, closed_after: datetime, page: int = 500) -> Iterator[Case | None]:
    """Yield cases that are open or were closed after an instant, by number; None for one without its first event."""
    after = ""
    while numbers := open_numbers(connection, closed_after, after, page):
        found = {case.number: case for case in get_cases(connection, numbers)}
        yield from map(found.get, numbers)
        after = numbers[-1]
