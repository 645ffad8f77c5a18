"""Reports of a day or a month (日报、月报), as they were made, in every format."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.backend import Backend
from api.documents.printer import CONTENT_SECURITY, HTML, NO_PRINTER, NOT_ACCEPTABLE, PDF, Printer
from api.edge.problems import INVALID_REQUEST, ProblemError, ProblemKind, declare
from api.exports.files import CSV, XLSX
from api.exports.reports import RENDERINGS, ReportFormat, page
from api.exports.streams import attachment
from api.openapi import Operations
from api.sql.reader import READ_MODEL_UNAVAILABLE
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
from readmodel.reports.reports import first_case_at, get_report

PERIOD_NOT_ENDED = declare("period-not-ended", HTTPStatus.CONFLICT, "Period not ended")
BEFORE_FIRST_CASE = declare("before-first-case", HTTPStatus.NOT_FOUND, "Period before the first case")
REPORT_NOT_MADE = declare("report-not-made", HTTPStatus.NOT_FOUND, "Report not made yet")
ERRORS = (
    INVALID_REQUEST,
    READ_MODEL_UNAVAILABLE,
    PERIOD_NOT_ENDED,
    BEFORE_FIRST_CASE,
    REPORT_NOT_MADE,
    NOT_ACCEPTABLE,
)
_KINDS: dict[type[NoReportError], ProblemKind] = {
    NotEndedError: PERIOD_NOT_ENDED,
    BeforeFirstCaseError: BEFORE_FIRST_CASE,
}
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
    """Return a report of the documented period."""
    column = Column(name="registered", title="Registered", title_zh="受理", kind=ColumnKind.COUNT)
    return Report(
        kind=kind,
        period=EXAMPLES[kind],
        timezone="Asia/Shanghai",
        made_at=datetime(2026, 9, 1, 0, 30, tzinfo=UTC),
        currency="CNY",
        tables=(Table(name="headlines", title="Headline numbers", title_zh="概况", columns=(column,), rows=((312,),)),),
    )


operations = Operations("reports")


def _add(kind: ReportKind, unit: str, parameter: str, **schema: str) -> None:
    """Add the operation that returns the report of a day or a month, which `parameter` names."""
    schema = {"type": "string", **schema, "pattern": f"^{PATTERNS[kind]}$"}
    form: Any = Annotated[Any, BeforeValidator(partial(_parsed, kind)), WithJsonSchema(schema, "validation")]

    class Wanted(BaseModel):
        """Period and format of a report. Unknown parameters are refused."""

        model_config = ConfigDict(extra="forbid")

        period: form = Field(  # type: ignore[pydantic-alias]  # of the kind
            alias=parameter,
            description=f"{unit.capitalize()}, in the time zone of the catalogue.",
            examples=[EXAMPLES[kind]],
        )
        format: ReportFormat = FORMAT

    async def report(backend: Backend, wanted: Annotated[Wanted, Query()]) -> Response:
        return await _answer(await _stored(backend, wanted.period), wanted.format, backend.print_pdf)

    report.__name__ = f"report_{kind.value}"
    report.__doc__ = (
        f"Return the report of a {unit} as it was made after its end; nothing that happens later changes it."
    )
    operations.get(
        f"/v1/reports/{kind.value}",
        f"Report of a {unit} {kind.zh}",
        READ_REPORTS,
        Report,
        (f"{kind.value}_report", example_report(kind)),
        ERRORS,
        other_formats=(CSV, XLSX, HTML, PDF),
    )(report)


_add(ReportKind.DAILY, "day", "date", format="date")
_add(ReportKind.MONTHLY, "month", "month")


async def _stored(backend: Backend, period: Period) -> Report:
    """Return the report of the period. Raises ProblemError if it was not made, or cannot be."""
    if found := await backend.reader.ask(get_report, period):
        return found
    first = await backend.reader.ask(first_case_at)
    try:
        period.check(backend.clock(), backend.zone, first)
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
