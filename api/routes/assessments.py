"""Assessments (月度考核): results of a month, the cases behind each number, and the sample that is inspected."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api import render
from api.assessments import (
    ASSESSMENTS,
    AssessedMonth,
    CountedCasePage,
    InspectionPage,
    MonthPage,
    MonthSummary,
    assessed_item,
    counted_item,
    inspection_items,
    month_facts,
    standard_item,
)
from api.backend import Backend
from api.edge.problems import INVALID_REQUEST, ProblemError, declare
from api.exports import assessments as exported
from api.exports.files import CSV, XLSX
from api.exports.streams import STREAMS, Pages, pages_of
from api.openapi import Operations
from api.routes.parameters import Paging
from api.sign_in.security import RequestActor
from api.sql.reader import INVALID_CURSOR, READ_MODEL_UNAVAILABLE
from domain.assessment.assessment import Assessment
from domain.catalogue.figures import FIGURE_OF, Subject
from domain.reports.period import MONTH as MONTH_PATTERN
from domain.reports.period import month_bounds, month_of
from domain.reports.report import Cell
from domain.rights.rights import READ_ASSESSMENTS
from domain.shared.codes import Code
from domain.shared.text import Name
from readmodel.assessments import months
from readmodel.assessments.months import CountedCase, Number
from readmodel.base.paging import RowPage
from readmodel.reports.reports import first_case_at

ASSESSMENT_NOT_FOUND = declare("assessment-not-found", HTTPStatus.NOT_FOUND, "Assessment not found")
UNKNOWN_FIGURE = declare("unknown-figure", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown figure")
MONTH_ERRORS = (INVALID_REQUEST, READ_MODEL_UNAVAILABLE, ASSESSMENT_NOT_FOUND)
Format = Literal["json", "csv", "xlsx"]
Month = Annotated[
    str,
    Path(
        alias="month",
        pattern=f"^{MONTH_PATTERN}$",
        description="The month, in the time zone of the catalogue.",
        examples=["2026-08"],
    ),
]


class AssessmentQuery(BaseModel):
    """Kind of subjects, and the format. Unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid")

    by: Subject = Field(default=Subject.COMPANY, description="Kind of subjects.", examples=["agent"])
    format: Format = Field(default="json", description="`csv` and `xlsx` have a row for each figure of each subject.")


class CaseListing(Paging):
    """Number whose cases are listed, and the page."""

    by: Subject = Field(description="Kind of the subject.", examples=["agent"])
    subject: Name = Field(description="Id of the person, or code; `company`.", examples=["10023"])
    figure: Code = Field(description="Name of the figure.", examples=["replied_in_time"])
    format: Format = Field(default="json", description="`csv` and `xlsx` have all cases.")


operations = Operations("assessments")


@operations.get(
    ASSESSMENTS,
    "List assessed months 考核月份",
    READ_ASSESSMENTS,
    MonthPage,
    "assessments",
    (INVALID_REQUEST, READ_MODEL_UNAVAILABLE),
)
async def list_assessments(backend: Backend, actor: RequestActor) -> Response:
    """List the months that are or were assessed, the latest first, all on one page."""
    found = await backend.reader.ask(months.all_months)
    items = [MonthSummary(**month_facts(each, each.available_actions(actor))) for each in found]
    return render.model(MonthPage(items=items, next_cursor=None))


@operations.get(
    f"{ASSESSMENTS}/{{month}}",
    "Read the assessment of a month 月度考核",
    READ_ASSESSMENTS,
    AssessedMonth,
    "assessment",
    MONTH_ERRORS,
    other_formats=(CSV, XLSX),
)
async def get_assessment(
    backend: Backend, month: Month, wanted: Annotated[AssessmentQuery, Query()], actor: RequestActor
) -> Response:
    """Read figures, scores and grades of all subjects of one kind. Each figure links to what it counts."""
    found = await assessment(backend, month)
    items = await backend.reader.ask(months.items, month, found.serial, wanted.by)
    names = _names(backend, wanted.by)
    shown = [assessed_item(found, item, names(item.subject)) for item in items]
    if wanted.format != "json":
        pages, name = _one_page(exported.score_cells(shown)), f"{month}-{wanted.by}"
        return await STREAMS[wanted.format](name, exported.SCORE_COLUMNS, pages, backend.export_turn)
    facts = month_facts(found, found.available_actions(actor))
    return render.model(AssessedMonth(**facts, by=wanted.by, standard=standard_item(found, wanted.by), items=shown))


@operations.get(
    f"{ASSESSMENTS}/{{month}}/cases",
    "List the cases behind a number",
    READ_ASSESSMENTS,
    CountedCasePage,
    "counted_cases",
    (*MONTH_ERRORS, INVALID_CURSOR, UNKNOWN_FIGURE),
    other_formats=(CSV, XLSX),
)
async def list_counted_cases(backend: Backend, month: Month, wanted: Annotated[CaseListing, Query()]) -> Response:
    """List the entries that a figure of a subject counts, by case number, the excluded ones marked."""
    number = number_of(await assessment(backend, month), wanted.by, wanted.subject, wanted.figure)
    if wanted.format != "json":
        turn, name = backend.export_turn, f"{month}-{wanted.figure}"
        pages = await pages_of(turn, partial(_read, backend, number), exported.case_cells, wanted.cursor)
        return await STREAMS[wanted.format](name, exported.CASE_COLUMNS, pages, turn)
    page = await backend.reader.ask(months.cases_behind, number, wanted.cursor, wanted.limit)
    return render.model(CountedCasePage(items=[*map(counted_item, page.items)], next_cursor=page.next_cursor))


@operations.get(
    f"{ASSESSMENTS}/{{month}}/inspections",
    "List the sample of a month 质检样本",
    READ_ASSESSMENTS,
    InspectionPage,
    "inspections",
    MONTH_ERRORS,
)
async def list_inspections(backend: Backend, month: Month) -> Response:
    """List the cases that were drawn to be inspected, with the points of those that were, all on one page."""
    found = await assessment(backend, month)
    return render.model(InspectionPage(items=inspection_items(found), next_cursor=None))


async def assessment(backend: Backend, month: str) -> Assessment:
    """Return the assessment of a month. Raises ProblemError that says which months there are."""
    if found := await backend.reader.ask(months.get, month):
        return found
    known = await backend.reader.ask(months.months)
    zone = backend.zone
    first = await backend.reader.ask(first_case_at)
    if first is None or month < month_of(first, zone):
        since = f"; the first case is of {month_of(first, zone)}" if first else "; there are no cases yet"
        detail = f"{month} is before the first case{since}."
    elif month_bounds(month, zone)[1] > backend.clock():
        detail = f"{month} is not over. Its assessment begins in the night after it."
    elif backend.catalogue.assessment is None:
        detail = "The catalogue has no [assessment]; see docs/catalogue.md."
    else:
        command = f"hotline assessment begin {month}"
        detail, known = f"{month} was not assessed. `{command}` begins it.", [*known, command]
    raise ProblemError(ASSESSMENT_NOT_FOUND, detail, accepted=known)


def number_of(month: Assessment, by: Subject, subject: str, figure: str) -> Number:
    """Return the number that a figure of a subject is. Raises ProblemError for a figure that counts no cases."""
    known = FIGURE_OF.get(figure)
    kind = known.kind_for(by) if known else None
    if kind is None:
        counted = [each.name for each in FIGURE_OF.values() if each.kind]
        detail = f"There is no figure {figure!r} that counts cases; accepted: {', '.join(counted)}."
        raise ProblemError(UNKNOWN_FIGURE, detail, accepted=counted)
    return Number(month.number, month.serial, kind, by, subject)


async def _one_page(page: list[list[Cell]]) -> Pages:
    yield page


async def _read(backend: Backend, number: Number, cursor: str | None) -> RowPage[CountedCase]:
    return await backend.reader.ask(months.cases_behind, number, cursor, exported.PAGE)


def _names(backend: Backend, by: Subject) -> Callable[[str], tuple[str | None, str | None]]:
    """Return what finds both names of a subject."""
    if by in (Subject.AGENT, Subject.CREW):
        return lambda subject: (person.name if (person := backend.people.get(subject)) else None, None)
    coded = {
        Subject.DEPARTMENT: backend.catalogue.departments,
        Subject.SERVICE: backend.catalogue.services,
        Subject.DISTRICT: backend.catalogue.districts,
    }.get(by, ())
    names = {each.code: (each.name, each.name_zh) for each in coded}
    if by is Subject.COMPANY:
        names = {by.value: (backend.catalogue.name, backend.catalogue.name_zh)}
    return lambda subject: names.get(subject, (None, None))
