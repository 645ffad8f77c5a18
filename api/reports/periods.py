"""Reports of a day or a month (日报、月报), as they were made, in every format."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.dependencies import Now, ThePrinter, TheReader, TheZone
from api.documents.printer import CONTENT_SECURITY, HTML, NO_PRINTER, NOT_ACCEPTABLE, PDF, Printer
from api.edge.problems import Kind, ProblemError, declare
from api.exports.files import CSV, XLSX
from api.exports.reports import RENDERINGS, ReportFormat, page
from api.exports.streams import attachment
from api.responses import formats, problems
from api.rights import needs
from api.routing import OnceRoute
from api.sql.reader import Reader
from domain.reports.period import (
    EXAMPLES,
    PATTERNS,
    BeforeFirstCaseError,
    NoReportError,
    NotEndedError,
    Period,
    PeriodError,
    ReportKind,
)
from domain.reports.report import Column, ColumnKind, Report, Table
from domain.rights.rights import READ_REPORTS
from readmodel.reports.stored import first_case_at, get_report

PERIOD_NOT_ENDED = declare("period-not-ended", HTTPStatus.CONFLICT, "Period not ended")
BEFORE_FIRST_CASE = declare("before-first-case", HTTPStatus.NOT_FOUND, "Period before the first case")
REPORT_NOT_MADE = declare("report-not-made", HTTPStatus.NOT_FOUND, "Report not made yet")
ERRORS = (PERIOD_NOT_ENDED, BEFORE_FIRST_CASE, REPORT_NOT_MADE, NOT_ACCEPTABLE)
_KINDS: dict[type[NoReportError], Kind] = {NotEndedError: PERIOD_NOT_ENDED, BeforeFirstCaseError: BEFORE_FIRST_CASE}
FORMAT = Field(
    default=ReportFormat.JSON,
    description="`csv` has all tables below each other, `xlsx` a sheet for each, `html` and `pdf` charts as well.",
)


def _parsed(kind: ReportKind, value: object) -> Period:
    try:
        return Period.parse(kind, str(value))
    except PeriodError as error:
        raise PydanticCustomError("period", "{reason}", {"reason": str(error)}) from None


def example_report(kind: ReportKind) -> Report:
    column = Column(name="registered", title="Registered", title_zh="受理", kind=ColumnKind.COUNT)
    return Report(
        kind=kind,
        period=EXAMPLES[kind],
        timezone="Asia/Shanghai",
        made_at=datetime(2026, 9, 1, 0, 30, tzinfo=UTC),
        currency="CNY",
        tables=(Table(name="headlines", title="Headline numbers", title_zh="概况", columns=(column,), rows=((312,),)),),
    )


Day = Annotated[
    Any,
    BeforeValidator(partial(_parsed, ReportKind.DAILY)),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{PATTERNS[ReportKind.DAILY]}$"}, "validation"),
]
Month = Annotated[
    Any,
    BeforeValidator(partial(_parsed, ReportKind.MONTHLY)),
    WithJsonSchema({"type": "string", "pattern": f"^{PATTERNS[ReportKind.MONTHLY]}$"}, "validation"),
]


class DailyQuery(BaseModel, extra="forbid"):
    """Day and format of a report. Unknown parameters are refused."""

    period: Day = Field(
        alias="date",
        description="Day, in the time zone of the catalogue.",
        examples=[EXAMPLES[ReportKind.DAILY]],
    )
    format: ReportFormat = FORMAT


class MonthlyQuery(BaseModel, extra="forbid"):
    """Month and format of a report. Unknown parameters are refused."""

    period: Month = Field(
        alias="month",
        description="Month, in the time zone of the catalogue.",
        examples=[EXAMPLES[ReportKind.MONTHLY]],
    )
    format: ReportFormat = FORMAT


router = APIRouter(tags=["reports"], route_class=OnceRoute)


@router.get(
    "/v1/reports/daily",
    summary="Report of a day 日报",
    response_model=Report,
    dependencies=[needs(READ_REPORTS)],
    responses=formats(CSV, XLSX, HTML, PDF) | problems(*ERRORS),
)
async def report_daily(
    wanted: Annotated[DailyQuery, Query()], reader: TheReader, now: Now, zone: TheZone, print_pdf: ThePrinter
) -> Response:
    """Return the report of a day as it was made after its end; nothing that happens later changes it."""
    return await _answer(await _stored(wanted.period, reader, now, zone), wanted.format, print_pdf)


@router.get(
    "/v1/reports/monthly",
    summary="Report of a month 月报",
    response_model=Report,
    dependencies=[needs(READ_REPORTS)],
    responses=formats(CSV, XLSX, HTML, PDF) | problems(*ERRORS),
)
async def report_monthly(
    wanted: Annotated[MonthlyQuery, Query()], reader: TheReader, now: Now, zone: TheZone, print_pdf: ThePrinter
) -> Response:
    """Return the report of a month as it was made after its end; nothing that happens later changes it."""
    return await _answer(await _stored(wanted.period, reader, now, zone), wanted.format, print_pdf)


async def _stored(period: Period, reader: Reader, now: datetime, zone: ZoneInfo) -> Report:
    """Return the report of the period. Raises ProblemError if it was not made, or cannot be."""
    if found := await reader.ask(get_report, period):
        return found
    first = await reader.ask(first_case_at)
    try:
        period.check(now, zone, first)
    except NoReportError as error:
        raise ProblemError(_KINDS[type(error)], str(error), accepted=[*error.accepted] or None) from None
    command = f"hotline report {period.kind.value} {period.name} --make"
    detail = f"The report of {period.name} is not made yet; run `{command}`."
    raise ProblemError(REPORT_NOT_MADE, detail, accepted=[command])


async def _answer(report: Report, wanted: ReportFormat, print_pdf: Printer | None) -> Response:
    name = f"{report.kind.value}-{report.period}.{wanted.value}"
    if wanted is ReportFormat.PDF:
        if print_pdf is None:
            raise ProblemError(NOT_ACCEPTABLE, NO_PRINTER, accepted=[format_.value for format_ in RENDERINGS])
        html = await asyncio.to_thread(page, report)
        printed = await asyncio.to_thread(print_pdf, html, report.made_at)
        return Response(printed, media_type=PDF, headers=attachment(name))
    rendering = RENDERINGS[wanted]
    content = await asyncio.to_thread(rendering.render, report)
    saved = wanted in {ReportFormat.CSV, ReportFormat.XLSX}
    headers = attachment(name) if saved else CONTENT_SECURITY if wanted is ReportFormat.HTML else {}
    return Response(content, media_type=rendering.media_type, headers=headers)
