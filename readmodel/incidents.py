"""Incidents (突发事件) in the read model: tables, projection, queries, and the cases in the scope of an incident."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    Integer,
    Row,
    Table,
    and_,
    case,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
)

from domain.case.actions import link_incident
from domain.case.actions.link_incident import OVER, own_matters
from domain.case.actions.unsubscribe import UNSUBSCRIBED
from domain.case.automatic import left_out
from domain.case.case import Case
from domain.case.lifecycle import BEFORE_REPLY, State
from domain.incident.actions import CONFIRM
from domain.incident.incident import (
    NEWS,
    Gathering,
    Incident,
    IncidentBatch,
    News,
    incident_notifications,
    news_notifications,
)
from domain.incident.state import (
    LINKABLE,
    LINKS_NEW_CASES,
    NOT_LINKED,
    PLACE_UNKNOWN,
    CasePlace,
    IncidentEvent,
    IncidentState,
    Scope,
)
from readmodel.base import schema
from readmodel.base.database import ReadConnection, WriteConnection, insert_missing, row
from readmodel.base.paging import RowPage, read_page
from readmodel.cases.queries import STATES_TOGETHER, Timeline, get_cases, had, read_events
from readmodel.cases.tables import HAS_OWN_MATTERS, PROGRESS, cases, events, has_flag
from readmodel.notifications import DEAD, NO_ROUTE, SENT, deliveries, notification_row, notifications
from readmodel.projection import write_entity

incidents = Table(
    "incidents",
    schema.metadata,
    Column("number", schema.NUMBER, primary_key=True),
    Column("state", schema.CODE, nullable=False),
    Column("department", schema.CODE),
    Column("opened_at", schema.UtcDateTime, nullable=False),
    Column("closed_at", schema.UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("document", schema.JsonOf(Incident), nullable=False, comment="domain.incident.incident.Incident"),
    Column("counts", schema.JsonOf(dict[str, int]), nullable=False, comment="How its cases came out, once it is over."),
    Index("ix_incidents_opened_at", "opened_at", "number"),
    schema.index_where("closed_at IS NULL", "opened_at", name="ix_incidents_open"),
)
"""Incidents (突发事件): one cause behind many cases, which name it in `cases.incident`."""

incident_events = Table("incident_events", schema.metadata, schema.number_column("incidents"), *schema.event_columns())
RECORDED = "recorded"
"""Status, in counts alone, of a notification that is sent, and that no channel but the log has taken."""
_row = incidents.c


class Surge(NamedTuple):
    """Number of cases of one service in one district."""

    service: str
    district: str
    calls: int


def write(connection: WriteConnection, batch: IncidentBatch, *, sent: bool = False) -> int | None:
    """Write an incident as `write_entity` does, which says what None means, and raises DivergedError."""
    incident = batch.incident
    values = row(incidents, incident, document=incident, counts=batch.counts)
    notified = [(event, incident_notifications(incident, event)) for event in batch.events]
    return write_entity(connection, (incidents, incident_events), values, notified, sent=sent)


def inform(connection: WriteConnection, news: News, numbers: Sequence[str], *, sent: bool = False) -> None:
    """Write notifications to the callers of these cases. Written again, it changes nothing.

    A caller whose case ended or was replied to apart from the incident is not told; one whose case has no row yet is.
    `sent`: the notifications count as sent.
    """
    settled = PROGRESS["settled"].as_string()
    apart = {*connection.scalars(select(cases.c.number).where(cases.c.number.in_(numbers), settled == OVER))}
    notices = news_notifications(news, (number for number in numbers if number not in apart))
    rows = [notification_row(number, news.seq, news.at, notice, sent=sent) for number, notice in notices.items()]
    insert_missing(connection, notifications, rows)


def declared_by(connection: ReadConnection, person: str, since: datetime) -> list[datetime]:
    is_theirs = incident_events.c.action == "declare", incident_events.c.actor == person, incident_events.c.seq == 1
    found = select(incident_events.c.at).join(incidents, _row.number == incident_events.c.number)
    return list(connection.scalars(found.where(_row.opened_at > since, *is_theirs).order_by(incident_events.c.at)))


def unlinked(connection: ReadConnection, incident: str, numbers: Sequence[str]) -> list[str]:
    """Cases among these that SQL shows as linked to no incident or to another one."""
    other = or_(cases.c.incident.is_(None), cases.c.incident != incident)
    return list(connection.scalars(select(cases.c.number).where(cases.c.number.in_(numbers), other)))


def linked(connection: ReadConnection, incident: str) -> tuple[str, ...]:
    return tuple(connection.scalars(select(cases.c.number).where(cases.c.incident == incident)))


def linked_since_named(connection: ReadConnection, incident: str, numbers: Sequence[str]) -> set[str]:
    """Cases among these that were linked to the incident since its confirmation, which names cases."""
    of_incident = (incident_events.c.number == incident) & (incident_events.c.action == CONFIRM.name)
    confirmed_at = select(incident_events.c.at).where(of_incident).scalar_subquery()
    return had(connection, numbers, link_incident.ACTION.name, events.c.at >= confirmed_at, incident=incident)


def surges(connection: ReadConnection, since: datetime, services: Collection[str], more_than: int) -> list[Surge]:
    """Services and districts with more than so many cases registered since then that an incident would take."""
    calls = func.count()
    statement = (
        select(cases.c.service_code, cases.c.district, calls)
        .where(
            cases.c.registered_at >= since,
            cases.c.service_code.in_(services),
            cases.c.district.is_not(None),
            cases.c.incident.is_(None),
            not_(HAS_OWN_MATTERS),
        )
        .group_by(cases.c.service_code, cases.c.district)
        .having(calls > more_than)
    )
    return [Surge(*row) for row in connection.execute(statement)]


def recent(connection: ReadConnection, since: datetime) -> list[Incident]:
    return list(connection.scalars(select(_row.document).where(_row.closed_at.is_(None) | (_row.closed_at >= since))))


def titles(connection: ReadConnection, since: datetime) -> dict[str, str]:
    """Titles by number, of the incidents that are open, or have ended since then."""
    statement = select(_row.number, _row.document["title"].as_string()).where(
        _row.closed_at.is_(None) | (_row.closed_at >= since)
    )
    return {number: each for number, each in connection.execute(statement)}  # noqa: C416 - a row is no pair to mypy


def open_scopes(connection: ReadConnection) -> list[tuple[str, Scope]]:
    return [(incident.number, incident.scope) for incident in _open(connection, LINKS_NEW_CASES)]


def open_in(connection: ReadConnection, district: str) -> list[tuple[Incident, tuple[str, ...]]]:
    """Oldest first, only those that a case can be linked to; each with its services in the district."""
    found = [(incident, incident.scope.services_in(district)) for incident in _open(connection, LINKABLE)]
    return [(incident, services) for incident, services in found if services]


def open_with_cases(
    connection: ReadConnection, states: Collection[IncidentState], department: str | None = None
) -> list[tuple[Incident, int]]:
    """Oldest first, each with the number of its cases; those that a department has, if it is given."""
    found = [each for each in _open(connection, states) if department in (None, each.department)]
    linked = count_linked(connection, [each.number for each in found])
    return [(each, linked.get(each.number, 0)) for each in found]


def _open(connection: ReadConnection, states: Collection[IncidentState]) -> Iterable[Incident]:
    statement = select(_row.document).where(_row.closed_at.is_(None), _row.state.in_(states)).order_by(_row.opened_at)
    return connection.scalars(statement)


def get(connection: ReadConnection, number: str) -> Incident | None:
    return connection.scalar(select(_row.document).where(_row.number == number))


def incident_timeline(
    connection: ReadConnection, number: str, after_seq: int = 0, limit: int | None = None
) -> Timeline[IncidentEvent]:
    statement = select(incident_events).where(incident_events.c.number == number)
    return read_events(connection, IncidentEvent, statement, after_seq, limit)


class IncidentVersion(NamedTuple):
    """Version of an incident in SQL, and if it is over there."""

    version: int
    is_over: bool


def incident_versions(connection: ReadConnection, numbers: Iterable[str]) -> dict[str, IncidentVersion]:
    """Leave out an incident without a row."""
    rows = connection.execute(select(_row.number, _row.version, _row.closed_at).where(_row.number.in_([*numbers])))
    return {row.number: IncidentVersion(row.version, row.closed_at is not None) for row in rows}


class IncidentCounts(NamedTuple):
    """Number of cases of an incident by state, and by the result of its end."""

    states: Mapping[State, int] = {}
    outcomes: Mapping[str, int] = {}


def case_counts(connection: ReadConnection, number: str) -> IncidentCounts:
    settled = PROGRESS["settled"].as_string()
    statement = select(cases.c.state, settled.label("settled")).where(cases.c.incident == number).subquery()
    by = (statement.c.state, statement.c.settled)
    states, outcomes = Counter[State](), Counter[str]()
    for state, outcome, calls in connection.execute(select(*by, func.count()).group_by(*by)):
        states[State(state)] += calls
        outcomes[outcome] += calls
    return IncidentCounts(states, outcomes)


class Callers(NamedTuple):
    """States of the cases whose callers are told, by number; of these, `unreached` callers; and `kept` cases."""

    told: Mapping[str, State]
    unreached: int
    kept: int


_MAY_BE_KEPT = or_(
    HAS_OWN_MATTERS,
    events.c.data[("terms", "needs_approval")].as_boolean(),
    PROGRESS[("later_terms", "seq")].as_integer().is_not(None),
    has_flag(left_out.FLAG),
)
"""Condition for a case that its incident may leave to its department: all others need not be read."""


def callers(connection: ReadConnection, incident: str, *, at_end: bool) -> Callers:
    """Find whom news are told, or `at_end` the reply of the incident, which keeps cases with work of their own."""
    no_way = cases.c.caller_phone.is_(None) | has_flag(UNSUBSCRIBED)
    of_first = (events.c.number == cases.c.number) & (events.c.seq == 1)
    statement = select(cases.c.number, cases.c.state, no_way, _MAY_BE_KEPT).join(events, of_first)
    mine = cases.c.incident == incident, cases.c.state.in_(sorted(BEFORE_REPLY))
    rows = connection.execute(statement.where(*mine).order_by(cases.c.number)).all()
    doubtful = [number for number, *_, may_be_kept in rows if at_end and may_be_kept]
    groups = (doubtful[start : start + STATES_TOGETHER] for start in range(0, len(doubtful), STATES_TOGETHER))
    read = (case for group in groups for case in get_cases(connection, group))
    kept = {case.number for case in read if link_incident.outcome(case, incident) != link_incident.SETTLED}
    told = {number: State(state) for number, state, *_ in rows if number not in kept}
    return Callers(told, sum(lacks for number, _, lacks, _ in rows if number in told), len(kept))


def count_open(connection: ReadConnection) -> int:
    return connection.scalar(select(func.count()).where(_row.closed_at.is_(None))) or 0


def count_linked(connection: ReadConnection, numbers: Collection[str]) -> dict[str, int]:
    """Count the cases of each of these incidents; leave out one without any."""
    linked_to = cases.c.incident
    found = connection.execute(select(linked_to, func.count()).where(linked_to.in_(numbers)).group_by(linked_to))
    return {number: calls for number, calls in found}  # noqa: C416 - a row is no pair to mypy


def count_told(connection: ReadConnection, number: str, recording: Collection[str]) -> dict[int, Counter[str]]:
    """Count the notifications to callers by the event of the incident that they tell, and by their status.

    One that no channel has sent but those that are `recording` counts as `recorded`.
    """
    # Their keys begin with the number of the incident and the event.
    mine = notifications.c.key > f"{number}-", notifications.c.key < f"{number}.", notifications.c.kind == NEWS
    taken, channel = exists().where(deliveries.c.key == notifications.c.key), deliveries.c.channel
    is_recorded = and_(taken.where(channel.in_(recording)), not_(taken.where(channel.not_in(recording))))
    status = case((and_(notifications.c.status == SENT, is_recorded), RECORDED), else_=notifications.c.status)
    told = select(notifications.c.seq, status.label("status")).where(*mine).subquery()
    by = told.c.seq, told.c.status
    found = dict[int, Counter[str]]()
    for seq, status, calls in connection.execute(select(*by, func.count()).group_by(*by)):
        found.setdefault(seq, Counter())[status] = calls
    return found


def not_reached(connection: ReadConnection, number: str, limit: int) -> list[str]:
    """Cases of the incident whose caller a notification did not reach: it was given up, or no channel leads there."""
    given_up = notifications.c.sent_at.is_(None), notifications.c.status.in_((DEAD, NO_ROUTE))
    to_caller = notifications.c.recipient.startswith("caller:", autoescape=True)
    statement = select(cases.c.number).join(notifications, notifications.c.number == cases.c.number)
    found = statement.where(cases.c.incident == number, *given_up, to_caller).distinct().order_by(cases.c.number)
    return list(connection.scalars(found.limit(limit)))


def page(
    connection: ReadConnection, states: Collection[IncidentState], cursor: str | None, limit: int
) -> RowPage[tuple[Incident, IncidentCounts]]:
    """Incidents in these states or all, with the results of the ended. Raises BadCursorError."""
    statement = select(_row.opened_at, _row.number, _row.document, _row.counts)
    if states:
        statement = statement.where(_row.state.in_(states))

    def item(row: Row[Any]) -> tuple[Incident, IncidentCounts]:
        return row.document, IncidentCounts(outcomes=row.counts)

    return read_page(connection, statement, (_row.opened_at, _row.number), cursor, limit, item)


def unclaimed(connection: ReadConnection, gathering: Gathering, limit: int) -> list[str]:
    """Next numbers of cases that the incident takes by itself, in order, linked to no other."""
    later = cases.c.number > gathering.after
    statement = select(cases.c.number).where(*_taken(gathering.scope, gathering.since), later)
    return list(connection.scalars(statement.order_by(cases.c.number).limit(limit)))


def _taken(scope: Scope, since: datetime) -> tuple[ColumnElement[bool], ...]:
    """Conditions for a case that an incident takes by itself."""
    is_free = cases.c.incident.is_(None), not_(HAS_OWN_MATTERS)
    return cases.c.registered_at >= since, *is_free, _covered(scope)


def count_takings(connection: ReadConnection, scope: Scope, since: datetime) -> int:
    return connection.scalar(select(func.count()).select_from(cases).where(*_taken(scope, since))) or 0


def takings(connection: ReadConnection, scope: Scope, since: datetime, limit: int) -> tuple[int, tuple[Case, ...]]:
    """Count the cases that an incident of the scope would take by itself, and read the latest of them."""
    found = select(cases.c.number).where(*_taken(scope, since)).limit(limit)
    latest = connection.scalars(found.order_by(cases.c.registered_at.desc(), cases.c.number.desc()))
    return count_takings(connection, scope, since), get_cases(connection, [*latest])


class IncidentCandidate(NamedTuple):
    """Case that matches the scope of an incident, and the reasons why it is not linked."""

    case: Case
    reasons: tuple[str, ...]


def candidates(
    connection: ReadConnection, incident: Incident, cursor: str | None, limit: int
) -> RowPage[IncidentCandidate]:
    """Cases in the scope that only a name links, the newest first. Raises BadCursorError."""
    covered = _covered(incident.scope)
    # A suspicion takes the others when it is confirmed.
    proposed = covered if incident.state in LINKS_NEW_CASES else and_(covered, HAS_OWN_MATTERS)
    statement = select(cases.c.number, cases.c.registered_at).where(
        cases.c.registered_at >= incident.since,
        cases.c.incident.is_(None),
        cases.c.state.in_(sorted(state.value for state in BEFORE_REPLY)),
        or_(proposed, and_(_unknown(incident.scope), not_(covered))),
    )
    by = cases.c.registered_at, cases.c.number
    page = read_page(connection, statement, by, cursor, limit, lambda row: row.number)
    found = get_cases(connection, page.items)
    return RowPage(tuple(IncidentCandidate(case, _reasons(incident.scope, case)) for case in found), page.next_cursor)


def _reasons(scope: Scope, case: Case) -> tuple[str, ...]:
    location = case.intake.location
    place = CasePlace(location.district, location.address, location.lat, location.lng)
    unknown = () if scope.covers(case.intake.service_code, place) else (PLACE_UNKNOWN,)
    return (*own_matters(case), *unknown) or (NOT_LINKED,)


def _covered(scope: Scope) -> ColumnElement[bool]:
    """Condition that is `Scope.covers` in SQL."""
    return or_(*(and_(_of_part(part), _inside(part)) for part in scope.each))


def _unknown(scope: Scope) -> ColumnElement[bool]:
    """Condition for a case that the scope would cover if its place were known."""
    missing = ((part, cases.c.lat if part.circle else cases.c.address) for part in scope.each if part.is_narrow)
    return or_(false(), *(and_(_of_part(part), column.is_(None)) for part, column in missing))


def _of_part(part: Scope) -> ColumnElement[bool]:
    service = cases.c.service_code.in_(part.services)
    if not part.districts:
        return service
    district = and_(cases.c.district.is_not(None), cases.c.district.in_(part.districts))
    return and_(service, or_(district, cases.c.district.is_(None)) if part.is_narrow else district)


def _inside(part: Scope) -> ColumnElement[bool]:
    if part.circle:
        within = part.circle.distance_squared(cases.c.lat, cases.c.lng) <= part.circle.radius_m**2
        return and_(cases.c.lat.is_not(None), within)
    streets = [cases.c.street_words.contains(street.lower(), autoescape=True) for street in part.streets]
    return or_(*streets) if streets else true()
