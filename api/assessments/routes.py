"""Assessments (月度考核): results of a month, the cases behind each number, and the sample that is inspected."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.assessments import exports as exported
from api.assessments.answers import (
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
from api.assessments.assessments import UNKNOWN_FIGURE, TheAssessments, number_of
from api.dependencies import TheExportTurn, TheReader
from api.exports.files import CSV, XLSX
from api.exports.streams import STREAMS, Pages, pages_of
from api.parameters import Paging
from api.responses import answer_model, formats, problems
from api.rights import needs
from api.routing import OnceRoute
from domain.catalogue.figures import Subject
from domain.reports.period import MONTH as MONTH_PATTERN
from domain.reports.report import Cell
from domain.rights.rights import READ_ASSESSMENTS
from domain.shared.actors import Actor
from domain.shared.codes import Code
from domain.shared.text import Name
from readmodel.assessments import months
from readmodel.assessments.months import CountedCase
from readmodel.base.paging import Page

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


router = APIRouter(tags=["assessments"], route_class=OnceRoute)


@router.get(
    ASSESSMENTS,
    summary="List assessed months 考核月份",
    response_model=MonthPage,
)
async def list_assessments(actor: Annotated[Actor, needs(READ_ASSESSMENTS)], reader: TheReader) -> Response:
    """List the months that are or were assessed, the latest first, all on one page."""
    found = await reader.ask(months.all_months)
    items = [MonthSummary(**month_facts(each, each.available_actions(actor))) for each in found]
    return answer_model(MonthPage(items=items, next_cursor=None))


@router.get(
    f"{ASSESSMENTS}/{{month}}",
    summary="Read the assessment of a month 月度考核",
    response_model=AssessedMonth,
    responses=formats(CSV, XLSX),
)
async def get_assessment(
    month: Month,
    wanted: Annotated[AssessmentQuery, Query()],
    actor: Annotated[Actor, needs(READ_ASSESSMENTS)],
    assessments: TheAssessments,
    export_turn: TheExportTurn,
) -> Response:
    """Read figures, scores and grades of all subjects of one kind. Each figure links to what it counts."""
    found = await assessments.of(month)
    items = await assessments.reader.ask(months.items, month, found.serial, wanted.by)
    names = assessments.names(wanted.by)
    shown = [assessed_item(found, item, names(item.subject)) for item in items]
    if wanted.format != "json":
        pages, name = _one_page(exported.score_cells(shown)), f"{month}-{wanted.by}"
        return await STREAMS[wanted.format](name, exported.SCORE_COLUMNS, pages, export_turn)
    facts = month_facts(found, found.available_actions(actor))
    return answer_model(AssessedMonth(**facts, by=wanted.by, standard=standard_item(found, wanted.by), items=shown))


@router.get(
    f"{ASSESSMENTS}/{{month}}/cases",
    summary="List the cases behind a number",
    response_model=CountedCasePage,
    dependencies=[needs(READ_ASSESSMENTS)],
    responses=formats(CSV, XLSX) | problems(UNKNOWN_FIGURE),
)
async def list_counted_cases(
    month: Month,
    wanted: Annotated[CaseListing, Query()],
    assessments: TheAssessments,
    export_turn: TheExportTurn,
) -> Response:
    """List the entries that a figure of a subject counts, by case number, the excluded ones marked."""
    number = number_of(await assessments.of(month), wanted.by, wanted.subject, wanted.figure)
    if wanted.format != "json":
        turn, name = export_turn, f"{month}-{wanted.figure}"

        async def read(cursor: str | None) -> Page[CountedCase]:
            return await assessments.reader.ask(months.cases_behind, number, cursor, exported.PAGE)

        pages = await pages_of(turn, read, exported.case_cells, wanted.cursor)
        return await STREAMS[wanted.format](name, exported.CASE_COLUMNS, pages, turn)
    page = await assessments.reader.ask(months.cases_behind, number, wanted.cursor, wanted.limit)
    return answer_model(CountedCasePage(items=[*map(counted_item, page.items)], next_cursor=page.next_cursor))


@router.get(
    f"{ASSESSMENTS}/{{month}}/inspections",
    summary="List the sample of a month 质检样本",
    response_model=InspectionPage,
    dependencies=[needs(READ_ASSESSMENTS)],
)
async def list_inspections(month: Month, assessments: TheAssessments) -> Response:
    """List the cases that were drawn to be inspected, with the points of those that were, all on one page."""
    found = await assessments.of(month)
    return answer_model(InspectionPage(items=inspection_items(found), next_cursor=None))


async def _one_page(page: list[list[Cell]]) -> Pages:
    yield page
