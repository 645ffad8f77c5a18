"""Cases in the scope of an incident: those that it takes by itself, and those that are linked by name only."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true

from domain.case.actions.link_incident import own_matters
from domain.case.case import Case
from domain.case.lifecycle import BEFORE_REPLY
from domain.incident.batch import Gathering
from domain.incident.incident import Incident
from domain.incident.scope import NOT_LINKED, PLACE_UNKNOWN, CasePlace, Scope
from domain.incident.state import LINKS_NEW_CASES
from readmodel.base.database import ReadConnection
from readmodel.base.paging import RowPage, read_page
from readmodel.cases.queries import get_cases
from readmodel.cases.tables import HAS_OWN_MATTERS, cases


def unclaimed(connection: ReadConnection, gathering: Gathering, limit: int) -> list[str]:
    """Return the next numbers of cases that the incident takes by itself, in order, linked to no other."""
    statement = (
        select(cases.c.number)
        .where(
            cases.c.registered_at >= gathering.since,
            cases.c.incident.is_(None),
            not_(HAS_OWN_MATTERS),
            _covered(gathering.scope),
            cases.c.number > gathering.after,
        )
        .order_by(cases.c.number)
        .limit(limit)
    )
    return list(connection.scalars(statement))


class IncidentCandidate(NamedTuple):
    """Case that matches the scope of an incident, and the reasons why it is not linked."""

    case: Case
    reasons: tuple[str, ...]


def candidates(
    connection: ReadConnection, incident: Incident, cursor: str | None, limit: int
) -> RowPage[IncidentCandidate]:
    """Return a page of the cases that match the scope and can be linked by name only, newest first.

    Raises BadCursorError.
    """
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
    """Return the condition for a case that the scope covers: `Scope.covers`."""
    return or_(*(and_(_of_part(part), _inside(part)) for part in scope.each))


def _unknown(scope: Scope) -> ColumnElement[bool]:
    """Return the condition for a case that the scope would cover if its place were known."""
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
