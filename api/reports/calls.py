"""Reports of calls (话务报表) by hour, day and agent."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.directory import People
from api.edge.problems import ProblemError
from api.exports.files import CSV, XLSX, ListFormat, one_page
from api.parameters import INVALID_PERIOD
from api.reports.readable import Language, file_of
from api.responses import formats, problems
from api.routing import StrictRoute, TheBackend, needs
from domain.calls.call import CallFigures, CallOutcome
from domain.reports.report import Column, ColumnKind, Table
from domain.rights.rights import READ_REPORTS, mask_agent
from domain.shared.value import Instant, exhaustive
from readmodel.base.database import ReadConnection
from readmodel.calls.report import DutyFigures, Grouping, call_report, start_of
from readmodel.reports.work import ANSWERED, CONNECTED, OFFERED, counted

LONGEST_DAYS = exhaustive("LONGEST_DAYS", Grouping, {Grouping.HOUR: 93, Grouping.DAY: 366, Grouping.AGENT: 366})
"""Longest periods: a quarter of a year of hours, and a year."""
IN_TIME_SECONDS = 15
"""Seconds within which a call should be answered: GB/T 33358-2016."""
_DAY = re.compile("2[0-9]{3}-[0-9]{2}-[0-9]{2}")
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
_NO_TIME = (
    "A day, as 2026-08-03, or an instant with its zone, as 2026-08-03T08:00:00%2B08:00, of the years 2000 to 2999"
)


def _day_or_instant(value: object) -> date | datetime:
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
        return _INSTANT.validate_python(value)
    except (ValueError, ValidationError):
        raise PydanticCustomError("day_or_instant", _NO_TIME) from None


_FORMS = [
    {"type": "string", "format": "date", "pattern": f"^{_DAY.pattern}$"},
    {"type": "string", "format": "date-time", "pattern": "^2[0-9]{3}-.*[Tt ]"},
]
DayOrInstant = Annotated[Any, BeforeValidator(_day_or_instant), WithJsonSchema({"oneOf": _FORMS}, "validation")]


class CallReportQuery(BaseModel, extra="forbid"):
    """Period and groups of a report of calls. Unknown parameters are refused."""

    since: DayOrInstant = Field(
        alias="from",
        description="First day, in the time zone of the catalogue, or the first instant.",
        examples=["2026-08-03"],
    )
    until: DayOrInstant = Field(
        alias="to",
        description="Last day, which is part of the period, or the first instant that is not.",
        examples=["2026-08-09"],
    )
    by: Grouping = Field(
        Grouping.DAY,
        description=f"Groups: hours ({LONGEST_DAYS[Grouping.HOUR]} days at most), days or agents"
        f" ({LONGEST_DAYS[Grouping.DAY]} days).",
    )

    format: ListFormat = Field("json", description="`csv` and `xlsx` have a row for each group.")
    language: Language = None

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """First instant of the period and the first one after it, in UTC. Raises ProblemError."""
        start = self.since if isinstance(self.since, datetime) else start_of(self.since, zone)
        end = self.until if isinstance(self.until, datetime) else start_of(self.until + timedelta(days=1), zone)
        if end <= start:
            detail = "`to` must be later than `from`, or the same day."
            raise ProblemError(
                INVALID_PERIOD,
                detail,
                accepted=[("to 晚于 from", "`to` later than `from`"), ("两者为同一天", "the same day as both")],
            )
        longest = LONGEST_DAYS[self.by]
        # By the clock on the wall, as a day of 25 hours is one day.
        if end.astimezone(zone).replace(tzinfo=UTC) - start.astimezone(zone).replace(tzinfo=UTC) > timedelta(longest):
            detail = f"A report by {self.by} has {longest} days at most."
            raise ProblemError(INVALID_PERIOD, detail, accepted=[(f"不超过 {longest} 天", f"at most {longest} days")])
        return start, end


def _rate(of: str) -> Any:  # noqa: ANN401 - as `Field`
    return Field(ge=0, le=1, description=f"{of}; null without any.")


class CallNumbers(BaseModel):
    """Figures of calls. Each call counts in the hour in which it started."""

    offered: int = Field(description="Calls that were answered, or ended while they waited (呼入量).")
    answered: int
    abandoned: int = Field(description="Calls that nobody answered within 5 s or longer (放弃).")
    short_abandoned: int = Field(description="Calls that ended unanswered in less than 5 s (短时放弃).")
    call_back_asked: int = Field(description="Callers who asked to be called back (请求回电), and so did not abandon.")
    untimed: int = Field(description="Calls whose wait is not known; they are not offered (等待时长不明).")
    under_way: int = Field(description="Calls that still wait; they are not offered yet.")
    connected_rate: float | None = _rate("Answered calls, of those offered (接通率)")
    answered_within_15s_rate: float | None = _rate("Calls answered within 15 s, of those answered (15 秒接通率)")
    answered_within_15s_of_offered_rate: float | None = _rate("The same calls, of those offered")
    wait_p50_seconds: int | None = Field(description="Wait that half of the answered calls did not exceed, rounded up.")
    wait_p95_seconds: int | None = Field(description="Wait that 95 % of the answered calls did not exceed, rounded up.")
    talk_seconds: float = Field(description="Time of all conversations that have ended (通话时长).")
    agents_on_duty: int | None = Field(
        description="People of the roster (排班) who were on duty at any time of it; null: no data, as the roster has"
        " nothing for that day."
    )
    duty_seconds: float | None = Field(description="The times of their duties, added up; null as above.")

    @classmethod
    def of(cls, figures: CallFigures, duty: DutyFigures | None, **more: Any) -> Self:  # noqa: ANN401 - further fields
        return cls(
            offered=figures.offered,
            **{outcome.value: figures.calls[outcome] for outcome in CallOutcome},
            connected_rate=figures.connected_rate,
            answered_within_15s_rate=figures.answered_within(IN_TIME_SECONDS),
            answered_within_15s_of_offered_rate=figures.answered_within(IN_TIME_SECONDS, of_offered=True),
            wait_p50_seconds=figures.wait(50),
            wait_p95_seconds=figures.wait(95),
            talk_seconds=figures.talk_ms / 1000,
            agents_on_duty=None if duty is None else len(duty.people),
            duty_seconds=None if duty is None else duty.time.total_seconds(),
            **more,
        )


class CallReportItem(CallNumbers):
    """Figures of one hour, day or agent."""

    key: str | None = Field(
        description="Start of the hour, day, or id of the agent who answered; null: calls that name no agent."
    )
    name: str | None = Field(description="Name of the agent; null if nobody has the id.")


class CallReport(BaseModel):
    """Report of calls by hour, day or agent."""

    start: datetime = Field(alias="from", description="First instant of the period.")
    end: datetime = Field(alias="to", description="First instant after it.")
    by: Grouping
    time_zone: str = Field(description="Of hours and days: the catalogue's.")
    items: list[CallReportItem] = Field(description="Every hour or day in order; agents by id, calls of nobody last.")
    total: CallNumbers = Field(description="The same of the whole period.")


def _rated(title: str, title_zh: str) -> Column:
    return Column(name="rate", title=title, title_zh=title_zh, kind=ColumnKind.RATE)


router = APIRouter(tags=["reports"], route_class=StrictRoute)


@router.get(
    "/v1/reports/calls",
    summary="Calls by hour, day or agent 话务报表",
    dependencies=[needs(READ_REPORTS)],
    response_model=CallReport,
    responses=formats(CSV, XLSX) | problems(INVALID_PERIOD),
)
async def report_calls_by(wanted: Annotated[CallReportQuery, Query()], backend: TheBackend) -> CallReport | Response:
    """Sum up calls by local hour or day, or by the agent who answered them.

    Hours and days without calls are there as well. Of agents, those who answered or were on duty are there. Rates
    are between 0 and 1.
    """
    zone = backend.zone
    found = await backend.reader.ask(_report, wanted.by, *wanted.bounds(zone), zone, backend.people)
    if wanted.format == "json":
        return found
    start = f"{found.start.astimezone(zone):%Y-%m-%d}"
    if wanted.language:
        last = f"{found.end.astimezone(zone) - timedelta(microseconds=1):%Y-%m-%d}"
        return await file_of(_table(found), f"{start}_{last}", wanted.format, backend, wanted.language)
    name = f"calls-by-{wanted.by}-{start}"
    columns = ["key", "name", *CallNumbers.model_fields]
    rows = one_page([[getattr(item, column) for column in columns] for item in found.items])
    return await backend.file(wanted.format, name, columns, rows)


_KEYS = exhaustive(
    "_KEYS",
    Grouping,
    {
        Grouping.HOUR: Column(name="hour", title="Hour", title_zh="时段", kind=ColumnKind.INSTANT),
        Grouping.DAY: Column(name="day", title="Day", title_zh="日期"),
        Grouping.AGENT: Column(name="agent", title="Agent", title_zh="话务员"),
    },
)
_COLUMNS = exhaustive(
    "_COLUMNS",
    CallNumbers.model_fields,
    {
        "offered": OFFERED,
        "answered": ANSWERED,
        "abandoned": counted("abandoned", "Abandoned after 5 s or more", "放弃"),
        "short_abandoned": counted("short_abandoned", "Abandoned within 5 s", "短时放弃"),
        "call_back_asked": counted("call_back_asked", "Call-backs asked for", "请求回电"),
        "untimed": counted("untimed", "Wait not known", "等待时长不明"),
        "under_way": counted("under_way", "Still waiting", "等待中"),
        "connected_rate": CONNECTED,
        "answered_within_15s_rate": _rated("Within 15 s, of those answered", "15 秒接通率（占接听）"),
        "answered_within_15s_of_offered_rate": _rated("Within 15 s, of those offered", "15 秒接通率（占呼入）"),
        "wait_p50_seconds": counted("wait_p50", "Median wait in s", "等待中位数（秒）"),
        "wait_p95_seconds": counted("wait_p95", "Wait of 95 % in s", "95% 等待（秒）"),
        "talk_seconds": counted("talk", "Talk in s", "通话时长（秒）"),
        "agents_on_duty": counted("agents", "Agents on duty", "在岗人数"),
        "duty_seconds": counted("duty", "Duty in s", "在岗时长（秒）"),
    },
)
"""Columns of files for people."""


def _table(found: CallReport) -> Table:
    rows = [(item.name or item.key, *(getattr(item, name) for name in _COLUMNS)) for item in found.items]
    columns = _KEYS[found.by], *_COLUMNS.values()
    return Table(name=f"calls-by-{found.by}", title="Calls", title_zh="话务", columns=columns, rows=tuple(rows))


def _report(
    connection: ReadConnection, by: Grouping, start: datetime, end: datetime, zone: ZoneInfo, people: People
) -> CallReport:
    """Run in the thread that reads, as thousands of items take a while."""

    def shown(key: str | None) -> dict[str, str | None]:
        person = people.get(key) if by is Grouping.AGENT and key else None
        if person or key is None or by is not Grouping.AGENT:
            return {"key": key, "name": person.name if person else None}
        # A name of the telephone system may be a telephone.
        return {"key": mask_agent(key), "name": None}

    found = call_report(connection, by, start, end, zone)
    return CallReport(
        **{"from": start, "to": end},
        by=by,
        time_zone=zone.key,
        items=[CallReportItem.of(each.figures, each.duty, **shown(each.key)) for each in found.items],
        total=CallNumbers.of(found.total.figures, found.total.duty),
    )
