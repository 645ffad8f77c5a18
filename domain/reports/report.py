"""Reports that managers read: their periods in the time zone of the catalogue, and their tables."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple, Self

from pydantic import Field, computed_field

from domain.calendar.work_calendar import on_the_wall
from domain.shared.errors import Accepted
from domain.shared.value import Immutable, NamedCode, exhaustive


class ReportKind(NamedCode):
    """Kind of report, by the length of its period."""

    DAILY = "daily", "日报"
    MONTHLY = "monthly", "月报"


_DAY = timedelta(days=1)
MONTH = "20[0-9]{2}-(0[1-9]|1[0-2])"


class PeriodForm(NamedTuple):
    """Form of the periods of one kind: word, parameter in a path; format, pattern and example of their names."""

    word: str
    parameter: str
    name: str
    pattern: str
    example: str


FORMS = exhaustive(
    "FORMS",
    ReportKind,
    {
        ReportKind.DAILY: PeriodForm("day", "date", "%Y-%m-%d", f"{MONTH}-[0-9]{{2}}", "2026-08-03"),
        ReportKind.MONTHLY: PeriodForm("month", "month", "%Y-%m", MONTH, "2026-08"),
    },
)
MOST_DUE = 62
"""Reports that are made up for after a long absence: two months of days."""


class PeriodError(ValueError):
    """A text that names no period of this kind."""


class NoReportError(Exception):
    """A period of which there can be no report; `accepted` says which periods would be accepted."""

    def __init__(self, detail: str, *accepted: Accepted) -> None:
        super().__init__(detail)
        self.accepted = accepted


class NotEndedError(NoReportError):
    """A period that has not ended."""


class BeforeFirstCaseError(NoReportError):
    """A period that ended before the first case was registered."""


class Period(NamedTuple):
    """Local days from `first` until before `after`."""

    kind: ReportKind
    first: date
    after: date

    @classmethod
    def parse(cls, kind: ReportKind, name: str) -> Self:
        """Raise PeriodError if the name is none of a period of this kind."""
        form = FORMS[kind]
        with suppress(ValueError):
            if re.fullmatch(form.pattern, name):
                return cls.containing(kind, date.fromisoformat(f"{name}-01"[:10]))
        raise PeriodError(f"{name!r} is no {form.word}; accepted: a {form.word} as {form.example}")

    @classmethod
    def ended_before(cls, kind: ReportKind, at: datetime, zone: tzinfo) -> Self:
        return cls.containing(kind, at.astimezone(zone).date()).before

    @classmethod
    def containing(cls, kind: ReportKind, day: date) -> Self:
        if kind is ReportKind.DAILY:
            return cls(kind, day, day + _DAY)
        first = day.replace(day=1)
        return cls(kind, first, (first + 31 * _DAY).replace(day=1))

    @property
    def name(self) -> str:
        return self.first.strftime(FORMS[self.kind].name)

    @property
    def last(self) -> date:
        return self.after - _DAY

    @property
    def before(self) -> Self:
        return self.containing(self.kind, self.first - _DAY)

    def bounds(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """First instant of the period and the first one after it, in UTC."""
        first, after = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (self.first, self.after))
        return first, after

    def check(self, now: datetime, zone: tzinfo, first_case_at: datetime | None) -> None:
        """Raise NoReportError if there can be no report of the period: it has not ended, or was before any case."""
        _, end = self.bounds(zone)
        last = self.ended_before(self.kind, now, zone).name
        first = self.containing(self.kind, (first_case_at or now).astimezone(zone).date()).name
        zh, en = f"{first}（结束后）", f"{first}, once it has ended"
        if first <= last:
            zh, en = f"{first} 至 {last}", f"{first} to {last}"
        if end > now:
            raise NotEndedError(f"{self.name} has not ended; accepted: {en}.", (zh, en))
        if first_case_at is None:
            raise BeforeFirstCaseError(f"{self.name} ended before the first case: none is registered yet.")
        if end <= first_case_at:
            raise BeforeFirstCaseError(f"{self.name} ended before the first case; accepted: {en}.", (zh, en))


def month_of(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m}"


def next_month(month: str) -> str:
    return f"{Period.parse(ReportKind.MONTHLY, month).after:%Y-%m}"


def month_bounds(month: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """First instant of the month in this time zone, and that of the next month, in UTC."""
    return Period.parse(ReportKind.MONTHLY, month).bounds(zone)


def due_periods(
    kind: ReportKind, first_case_at: datetime | None, known: Collection[str], now: datetime, zone: tzinfo
) -> list[Period]:
    """Periods that are over and wait for their report, the oldest first; the latest MOST_DUE of them.

    Those since the first of the `known` ones that are none of them, so that a night that was missed is made up for;
    without any, the last period that has ended. None is before the first case, or without one.
    """
    if first_case_at is None:
        return []
    period, found = Period.ended_before(kind, now, zone), list[Period]()
    first = min(known, default=period.name)
    while len(found) < MOST_DUE and period.name >= first and period.bounds(zone)[1] > first_case_at:
        if period.name not in known:
            found.append(period)
        period = period.before
    return found[::-1]


Cell = int | float | str | None


class ColumnKind(NamedCode):
    """Kind of the values of a column."""

    CODE = "code", "代码"
    TEXT = "text", "文字"
    COUNT = "count", "数量"
    NUMBER = "number", "数值"
    AMOUNT = "amount", "金额"
    RATE = "rate", "比率"
    INSTANT = "instant", "时刻"
    LINK = "link", "链接"


class ChartKind(NamedCode):
    """Kind of a chart."""

    BAR = "bar", "柱形图"
    STACKED = "stacked", "堆积柱形图"
    LINE = "line", "折线图"


class Column(Immutable):
    """Column of a table. A column of codes is followed by those of their English and their Chinese names."""

    name: str
    title: str
    title_zh: str
    kind: ColumnKind = ColumnKind.TEXT
    before: str | None = Field(None, description="Name of the column with the value of the period before.")

    @property
    def is_figure(self) -> bool:
        return self.kind in {ColumnKind.COUNT, ColumnKind.NUMBER, ColumnKind.AMOUNT, ColumnKind.RATE}

    def with_names(self) -> tuple["Column", "Column", "Column"]:
        english = Column(name=f"{self.name}_name", title=f"{self.title}: name", title_zh=f"{self.title_zh}英文名")
        chinese = Column(name=f"{self.name}_name_zh", title=f"{self.title}: Chinese name", title_zh=self.title_zh)
        return self.model_copy(update={"kind": ColumnKind.CODE}), english, chinese

    def compared(self) -> tuple["Column", "Column"]:
        """Return this column, and the one with its value of the period before."""
        name = f"{self.name}_before"
        changes = {"name": name, "title": f"{self.title}, before", "title_zh": f"上期{self.title_zh}"}
        return self.model_copy(update={"before": name}), self.model_copy(update=changes)


class Chart(Immutable):
    """Chart of a table: the sums of the values by label, and by series if a column is named."""

    kind: ChartKind
    label: str = Field(description="Name of the column of labels.")
    values: tuple[str, ...] = Field(description="Names of the columns of values.")
    secondary: str | None = Field(None, description="Name of the column of values with a scale of its own.")
    series: str | None = Field(None, description="Name of the column that divides a single column of values.")


class Table(Immutable):
    """Answer to one question."""

    name: str
    title: str
    title_zh: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...] = Field(
        description="Amounts are decimal texts, rates are from 0 to 1, instants are UTC, links are paths of the API."
    )
    chart: Chart | None = None
    note: str = Field("", description="What the figures do not say.")
    note_zh: str = ""

    @property
    def is_headline(self) -> bool:
        return len(self.rows) == 1 and all(column.is_figure for column in self.columns)

    def column(self, name: str) -> int:
        """Raise ValueError if there is no such column."""
        return [column.name for column in self.columns].index(name)

    def readable(self, *, zh: bool | None = None) -> Self:
        """Each code and its names in one column and without links, for people to read; in one language or both."""
        places = [place for place, column in enumerate(self.columns) if column.kind is ColumnKind.CODE]
        left_out = {place + offset for place in places for offset in (1, 2)}
        left_out |= {place for place, column in enumerate(self.columns) if column.kind is ColumnKind.LINK}
        kept = [place for place in range(len(self.columns)) if place not in left_out]

        def shown(row: Sequence[Cell]) -> Iterator[Cell]:
            for place in kept:
                yield _named(*row[place : place + 3], zh=zh) if place in places else row[place]

        columns = tuple(
            self.columns[place].model_copy(update={"kind": ColumnKind.TEXT} if place in places else {})
            for place in kept
        )
        return self.model_copy(update={"columns": columns, "rows": tuple(tuple(shown(row)) for row in self.rows)})


def _named(code: Cell, name: Cell, name_zh: Cell, *, zh: bool | None) -> str:
    """Chinese name first if it is in both languages; the code alone if it has no other name."""
    if zh is not None:
        return str((name_zh if zh else name) or code)
    return f"{name_zh} {name}" if name_zh != name else str(code or name)


_BRIDGE = (
    ("reported", "月报时限", "promises of the report"),
    ("approvals", "− 审批时限", "− times of approvers"),
    ("elsewhere", "− 计入他月或待计", "− counted in another month, or later"),
    ("added", "+ 他月转入或时限变更", "+ of other months, or terms"),
    ("excluded", "− 剔除及申诉", "− excluded"),
    ("changed", "+ 其后变动", "+ changed since"),
    ("assessed", "= 考核时限", "= of the assessment"),
)
"""Fields of `Bridge` with their signs and words."""


class Bridge(Immutable):
    """Sum from the promises of a month's report, kept and missed, to those of its assessment."""

    reported: int = Field(description="By the report.")
    approvals: int = Field(description="Less: times of approvers.")
    elsewhere: int = Field(description="Less: counted in another month, or later.")
    added: int = Field(description="Plus: of other months, or with other terms since.")
    excluded: int = Field(description="Less: left out by exclusions and objections.")
    changed: int = Field(description="Remainder: changed since.")
    assessed: int = Field(description="By the assessment of the company.")

    @computed_field(description="In Chinese words.")  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def line_zh(self) -> str:
        return " ".join(f"{zh} {getattr(self, name)}" for name, zh, _ in _BRIDGE)

    @computed_field(description="In English words.")  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def line(self) -> str:
        return " ".join(f"{english} {getattr(self, name)}" for name, _, english in _BRIDGE)

    @property
    def table(self) -> Table:
        """Table of one row for files, whose titles begin with the signs."""
        return Table(
            name="bridge",
            title="Bridge to the assessment",
            title_zh="与考核的衔接",
            columns=tuple(
                Column(name=name, title=english, title_zh=zh, kind=ColumnKind.COUNT) for name, zh, english in _BRIDGE
            ),
            rows=(tuple(getattr(self, name) for name, *_ in _BRIDGE),),
        )


class Report(Immutable):
    """Report of one period."""

    kind: ReportKind
    company: str = Field(description="Name in the catalogue.")
    company_zh: str
    period: str = Field(description="`2026-08-03` of a daily report, `2026-08` of a monthly one.")
    until: datetime | None = Field(None, description="End of the figures in a period so far; null: that of the period.")
    timezone: str = Field(description="Time zone of the period, as the catalogue names it.")
    made_at: datetime
    currency: str
    tables: tuple[Table, ...] = Field(min_length=1)
    bridge: Bridge | None = Field(None, description="To the month's assessment, as it is now.")

    def titled(self, *, zh: bool = True) -> str:
        """Name with the period, and the end of its figures if it has not ended."""
        name, until = (self.kind.zh, "截至") if zh else (f"{self.kind.value.capitalize()} report", "until")
        return f"{name} {self.period}" + (f" {until} {_local(self.until, self.timezone)}" if self.until else "")

    @property
    def file_name(self) -> str:
        until = f"-until-{on_the_wall(self.until, self.timezone):%Y-%m-%dT%H%M}" if self.until else ""
        return f"{self.kind.value}-{self.period}{until}"

    @property
    def path(self) -> str:
        return f"/v1/reports/{self.kind.value}?{FORMS[self.kind].parameter}={self.period}"


class Headline(NamedTuple):
    """Headline number as people read it, the one of the period before, and the change; None where that is not known."""

    column: Column
    value: str
    before: str | None
    change: str | None


def headlines(table: Table, report: Report) -> list[Headline]:
    """Numbers of a table of one row, each beside that of the period before."""
    cells = {column.name: (column, cell) for column, cell in zip(table.columns, table.rows[0], strict=True)}
    compared = {column.before for column in table.columns}
    return [
        Headline(column, _shown(cell, column, report), *_compared(column, cell, cells, report))
        for name, (column, cell) in cells.items()
        if name not in compared
    ]


def _compared(
    column: Column, cell: Cell, cells: Mapping[str, tuple[Column, Cell]], report: Report
) -> tuple[str | None, str | None]:
    if column.before is None or (before := cells[column.before][1]) is None:
        return None, None
    if cell is None:
        return _shown(before, column, report), None
    change = round(float(cell) - float(before), 4)
    # In points of the percentage that is shown.
    text = f"{change * 100:+.1f}" if column.kind is ColumnKind.RATE else f"{change:+,.10g}"
    text = text if change else "0"
    return _shown(before, column, report), text


def shown(row: Sequence[Cell], columns: Sequence[Column], report: Report) -> list[str]:
    """As people read them: rates in percent, local time, separated thousands; a dash for None."""
    return [_shown(cell, column, report) for cell, column in zip(row, columns, strict=True)]


def _shown(cell: Cell, column: Column, report: Report) -> str:
    match column.kind, cell:
        case _, None:
            return "-"
        case ColumnKind.RATE, int() | float():
            return f"{cell:.1%}"
        case ColumnKind.COUNT, int():
            return f"{cell:,}"
        case ColumnKind.INSTANT, str():
            return _local(datetime.fromisoformat(cell), report.timezone)
    return str(cell)


def _local(at: datetime, zone: str) -> str:
    return f"{on_the_wall(at, zone):%Y-%m-%d %H:%M}"
