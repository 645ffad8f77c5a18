"""Reports of a day or a month (日报、月报). A new one is a query of `readmodel`, and its shape and route here."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema, create_model
from starlette.responses import HTMLResponse, Response

from api.documents import CONTENT_SECURITY, HTML, NOT_ACCEPTABLE, PDF, printed_with
from api.edge.problems import ProblemError, ProblemKind, declare
from api.exports.files import CSV, XLSX, ListFormat, attachment
from api.exports.reports import Reading, as_csv, as_xlsx, page
from api.reports.readable import Language, LanguageQuery, file_of
from api.responses import formats, masked_for, problems
from api.routing import BackendParts, StrictRoute, TheBackend, from_backend, needs
from domain.customers.customer import Thanks
from domain.reports import report
from domain.rights.rights import READ_REPORTS
from domain.shared.actors import Actor
from domain.shared.value import ZERO, Name, invalid_value, rate
from readmodel.assessments.bridge import bridge_of
from readmodel.callers import thanks_between
from readmodel.reports.causes import MoneyTotal, totals
from readmodel.reports.follow_ups import FollowUpCounts, FollowUpSubject, counts
from readmodel.reports.reports import first_case_at, get_report, so_far
from readmodel.reports.rows import approval_rows, follow_up_rows, thanks_rows
from readmodel.reports.scope import ReportScope

Month = Annotated[
    str,
    Query(
        pattern=f"^{report.MONTH}$", description="The month, in the time zone of the catalogue.", examples=["2026-08"]
    ),
]


RowsFormat = Annotated[
    ListFormat,
    Query(alias="format", description="`csv` and `xlsx` have the rows behind the figures."),
]


class Money(BaseModel):
    """Decisions of management in one month (审批)."""

    month: str = Field(examples=["2026-08"])
    items: tuple[MoneyTotal, ...]
    currency: str = Field(description="Of the catalogue in force; ISO 4217.")
    approved_amount: Decimal = Field(description="What the company pays or waives in that currency.")


class PersonThanked(BaseModel):
    """Thanks for one person in a month."""

    thanked: str | None = Field(description="Null: thanks that name nobody.")
    times: int
    thanks: list[Thanks] = Field(description="Oldest first.")


class MonthOfThanks(BaseModel):
    """Thanks of one month by person (表扬), for the assessment of the staff (考核)."""

    month: str = Field(examples=["2026-08"])
    items: list[PersonThanked] = Field(description="Most thanks first.")


class FollowUpItem(BaseModel):
    """Finished follow-ups of one subject in a month.

    A rate is a share from 0 to 1, to four decimal places; null if nobody counts for it.
    """

    subject: str | None = Field(
        description="Code of the department, service or district, id of the owner, `company`; null: cases without one."
    )
    followed_up: int = Field(description="Follow-ups that ended: the last try of each cycle.")
    contacted: int
    unreached: int = Field(description="They stand outside the solution rate and the satisfaction rate.")
    solution_known: int = Field(description="Contacted callers of whom it is known whether it was solved.")
    solved: int
    satisfied: int = Field(description="Contacted callers of the first three of the five steps.")
    response_rate: float | None = Field(description="`contacted / followed_up` (响应率).")
    solution_rate: float | None = Field(description="`solved / solution_known` (解决率).")
    satisfaction_rate: float | None = Field(description="`satisfied / contacted` (满意率).")

    @classmethod
    def of(cls, counts: FollowUpCounts) -> Self:
        return cls(
            **counts._asdict(),
            unreached=counts.followed_up - counts.contacted,
            response_rate=rate(counts.contacted, counts.followed_up),
            solution_rate=rate(counts.solved, counts.solution_known),
            satisfaction_rate=rate(counts.satisfied, counts.contacted),
        )


class MonthOfFollowUps(BaseModel):
    """Follow-ups of one month by subject (回访统计)."""

    month: str = Field(examples=["2026-08"])
    by: FollowUpSubject
    items: list[FollowUpItem] = Field(description="By subject; cases without one last.")


_READS = needs(READ_REPORTS)
router = APIRouter(tags=["reports"], dependencies=[_READS], route_class=StrictRoute)


def _scope(month: str, backend: BackendParts) -> ReportScope:
    return ReportScope.of(report.Period.parse(report.ReportKind.MONTHLY, month), backend.catalogue)


@router.get(
    "/v1/reports/approvals",
    summary="Money decided in a month 审批月报",
    response_model=Money,
    responses=formats(CSV, XLSX),
)
async def report_approvals(
    month: Month, backend: TheBackend, wanted: RowsFormat = "json", language: LanguageQuery = None
) -> Money | Response:
    """Sum what management approved and rejected, by the month of the last decision."""
    if wanted != "json":
        table = await backend.reader.ask(approval_rows, _scope(month, backend))
        return await file_of(table, month, wanted, backend, language)
    currency = backend.catalogue.currency
    found = await backend.reader.ask(totals, _scope(month, backend))
    approved = sum((item.amount for item in found if item.approved and item.currency == currency), start=ZERO)
    return Money(month=month, items=found, currency=currency, approved_amount=approved)


@router.get(
    "/v1/reports/thanks",
    summary="Thanks of a month, by person 表扬月报",
    response_model=MonthOfThanks,
    responses=formats(CSV, XLSX),
)
async def report_thanks(
    month: Month,
    actor: Annotated[Actor, _READS],
    backend: TheBackend,
    thanked: Annotated[
        Name | None, Query(description="Of this person alone, by the name that was given.", examples=["梁伟"])
    ] = None,
    wanted: RowsFormat = "json",
    language: LanguageQuery = None,
) -> MonthOfThanks | Response:
    """Count the thanks of callers by person, in the month of the call."""
    scope = _scope(month, backend)
    read = await backend.reader.ask(thanks_between, scope.start, scope.end)
    found = masked_for(actor, [each for each in read if thanked in (None, each.thanked)])
    if wanted != "json":
        return await file_of(thanks_rows(found), month, wanted, backend, language)
    given: dict[str | None, list[Thanks]] = {}
    for each in found:
        given.setdefault(each.thanked, []).append(each)
    people = sorted(given.items(), key=lambda person: (-len(person[1]), person[0] or ""))
    items = [PersonThanked(thanked=name, times=len(thanks), thanks=thanks) for name, thanks in people]
    return MonthOfThanks(month=month, items=items)


@router.get(
    "/v1/reports/follow-ups",
    summary="Follow-ups of a month 回访月报",
    response_model=MonthOfFollowUps,
    responses=formats(CSV, XLSX),
)
async def report_follow_ups(
    month: Month,
    backend: TheBackend,
    by: Annotated[
        FollowUpSubject, Query(description="Subject that is counted.", examples=["department"])
    ] = FollowUpSubject.COMPANY,
    wanted: RowsFormat = "json",
    language: LanguageQuery = None,
) -> MonthOfFollowUps | Response:
    """Count whom the follow-ups reached, and what the callers said, in the month in which the follow-up ended."""
    scope = _scope(month, backend)
    if wanted != "json":
        return await file_of(await backend.reader.ask(follow_up_rows, scope), month, wanted, backend, language)
    found = await backend.reader.ask(counts, scope.start, scope.end, by)
    return MonthOfFollowUps(month=month, by=by, items=[FollowUpItem.of(each) for each in found])


PERIOD_NOT_ENDED = declare("period-not-ended", HTTPStatus.CONFLICT, "Period not ended")
BEFORE_FIRST_CASE = declare("before-first-case", HTTPStatus.NOT_FOUND, "Period before the first case")
REPORT_NOT_MADE = declare("report-not-made", HTTPStatus.NOT_FOUND, "Report not made yet")
ERRORS = (PERIOD_NOT_ENDED, BEFORE_FIRST_CASE, REPORT_NOT_MADE, NOT_ACCEPTABLE)
_KINDS: dict[type[report.NoReportError], ProblemKind] = {
    report.NotEndedError: PERIOD_NOT_ENDED,
    report.BeforeFirstCaseError: BEFORE_FIRST_CASE,
}
REPORT_RESPONSES = formats(CSV, XLSX, HTML, PDF) | problems(*ERRORS)
SO_FAR_RESPONSES = formats(CSV, XLSX, HTML, PDF) | problems(NOT_ACCEPTABLE)


class ReportFormat(StrEnum):
    """Format of a report."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    HTML = "html"
    PDF = "pdf"


class ReportQuery(BaseModel, extra="forbid"):
    """Format of a report. Unknown parameters are refused."""

    format: ReportFormat = Field(
        ReportFormat.JSON,
        description="`csv` has all tables below each other, `xlsx` a sheet for each, `html` and `pdf` charts as well.",
    )
    language: Language = None


def _query(kind: report.ReportKind, parameter: str, what: str, example: str, **schema: str) -> Any:  # noqa: ANN401 - a type
    """Make the model of the period, as the parameter of this name, and the format of a report."""

    def parsed(value: object) -> report.Period:
        try:
            return report.Period.parse(kind, str(value))
        except report.PeriodError as error:
            raise invalid_value("period", error) from None

    form = WithJsonSchema({"type": "string", **schema, "pattern": f"^{report.FORMS[kind].pattern}$"}, "validation")
    field = Field(alias=parameter, description=f"{what}, in the time zone of the catalogue.", examples=[example])
    return create_model(
        "PeriodQuery", __base__=ReportQuery, period=(Annotated[Any, BeforeValidator(parsed), form], field)
    )


DailyQuery: Any = _query(report.ReportKind.DAILY, "date", "Day", "2026-08-03", format="date")
MonthlyQuery: Any = _query(report.ReportKind.MONTHLY, "month", "Month", "2026-08")


@dataclass(frozen=True)
class Reports:
    """Reports as they were made after their period, and of the present period so far."""

    backend: BackendParts

    async def made(self, period: report.Period) -> report.Report:
        """Raise ProblemError if the report was not made, or cannot be."""
        ask, now, zone = self.backend.reader.ask, self.backend.now, self.backend.zone
        if found := await ask(get_report, period):
            return found
        try:
            period.check(now, zone, await ask(first_case_at))
        except report.NoReportError as error:
            raise ProblemError(_KINDS[type(error)], str(error), accepted=[*error.accepted] or None) from None
        command = f"hotline report {period.kind.value} {period.name} --make"
        detail = f"The report of {period.name} is not made yet; run `{command}`."
        raise ProblemError(REPORT_NOT_MADE, detail, accepted=[command])

    async def so_far(self, kind: report.ReportKind, wanted: ReportQuery) -> report.Report | Response:
        now, catalogue = self.backend.now, self.backend.catalogue
        return await self.answer(await self.backend.reader.shared(so_far, now, kind, catalogue), wanted)

    async def answer(self, found: report.Report, wanted: ReportQuery) -> report.Report | Response:
        """Render the stored value alone, so that the report stays as it was made."""
        zh = wanted.language != "en"
        reading = Reading(zh, found.timezone) if wanted.language else None
        company, title = found.company_zh if zh else found.company, found.titled(zh=zh)
        saved = attachment(f"{found.file_name}.{wanted.format.value}", company, title if reading else "")
        tables = (*found.tables, found.bridge.table) if found.bridge else found.tables
        match wanted.format:
            case ReportFormat.JSON:
                return found
            case ReportFormat.CSV:
                return Response(await asyncio.to_thread(as_csv, tables, reading), media_type=CSV, headers=saved)
            case ReportFormat.XLSX:
                book = await asyncio.to_thread(as_xlsx, tables, company, title, reading)
                return Response(book, media_type=XLSX, headers=saved)
        html = await asyncio.to_thread(partial(page, found, zh=reading.zh if reading else None))
        if wanted.format is ReportFormat.HTML:
            return HTMLResponse(html, headers=CONTENT_SECURITY)
        others = [each.value for each in ReportFormat if each is not ReportFormat.PDF]
        pdf = await printed_with(self.backend.print_pdf, html, found.made_at, others)
        return Response(pdf, media_type=PDF, headers=saved)


TheReports = Annotated[Reports, from_backend("reports")]


@router.get(
    "/v1/reports/daily", summary="Report of a day 日报", response_model=report.Report, responses=REPORT_RESPONSES
)
async def report_daily(wanted: Annotated[DailyQuery, Query()], reports: TheReports) -> report.Report | Response:
    """Return the report of a day as it was made after its end; nothing that happens later changes it."""
    return await reports.answer(await reports.made(wanted.period), wanted)


@router.get(
    "/v1/reports/monthly", summary="Report of a month 月报", response_model=report.Report, responses=REPORT_RESPONSES
)
async def report_monthly(wanted: Annotated[MonthlyQuery, Query()], reports: TheReports) -> report.Report | Response:
    """Return the report of a month as it was made; the bridge alone, to the assessment, is of now."""
    found = await reports.made(wanted.period)
    bridge = await reports.backend.reader.ask(bridge_of, found.period)
    return await reports.answer(found.model_copy(update={"bridge": bridge}), wanted)


@router.get(
    "/v1/reports/today", summary="Today so far 今日截至目前", response_model=report.Report, responses=SO_FAR_RESPONSES
)
async def report_today(wanted: Annotated[ReportQuery, Query()], reports: TheReports) -> report.Report | Response:
    """Return what the report of a day has for today until now, beside yesterday until the same time."""
    return await reports.so_far(report.ReportKind.DAILY, wanted)


@router.get(
    "/v1/reports/this-month",
    summary="This month so far 本月截至目前",
    response_model=report.Report,
    responses=SO_FAR_RESPONSES,
)
async def report_this_month(wanted: Annotated[ReportQuery, Query()], reports: TheReports) -> report.Report | Response:
    """Return what the report of a month has for this one until now, beside the same days of the last one."""
    return await reports.so_far(report.ReportKind.MONTHLY, wanted)
