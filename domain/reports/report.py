"""Report: tables that answer one question each. Every format shows the same value."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Self

from pydantic import Field

from domain.calendar.work_calendar import on_the_wall
from domain.reports.period import FORMS, ReportKind
from domain.shared.value import Immutable, NamedCode

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

    @property
    def is_figure(self) -> bool:
        return self.kind in {ColumnKind.COUNT, ColumnKind.NUMBER, ColumnKind.AMOUNT, ColumnKind.RATE}

    def with_names(self) -> tuple["Column", "Column", "Column"]:
        english = Column(name=f"{self.name}_name", title=f"{self.title}: name", title_zh=f"{self.title_zh}英文名")
        chinese = Column(name=f"{self.name}_name_zh", title=f"{self.title}: Chinese name", title_zh=self.title_zh)
        return self.model_copy(update={"kind": ColumnKind.CODE}), english, chinese


class Chart(Immutable):
    """Chart of a table: the sums of the values by label, and by series if a column is named."""

    kind: ChartKind
    label: str = Field(description="Name of the column of labels.")
    values: tuple[str, ...] = Field(description="Names of the columns of values.")
    secondary: str | None = Field(default=None, description="Name of the column of values with a scale of its own.")
    series: str | None = Field(default=None, description="Name of the column that divides a single column of values.")


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
    note: str = Field(default="", description="What the figures do not say.")
    note_zh: str = ""

    @property
    def is_headline(self) -> bool:
        """True if the table is one row of figures."""
        return len(self.rows) == 1 and all(column.is_figure for column in self.columns)

    def column(self, name: str) -> int:
        """Return the place of a column. Raises ValueError if there is none."""
        return [column.name for column in self.columns].index(name)

    def readable(self) -> Self:
        """Return the table with each code and its names in one column and without links, for people to read."""
        places = [place for place, column in enumerate(self.columns) if column.kind is ColumnKind.CODE]
        left_out = {place + offset for place in places for offset in (1, 2)}
        left_out |= {place for place, column in enumerate(self.columns) if column.kind is ColumnKind.LINK}
        kept = [place for place in range(len(self.columns)) if place not in left_out]

        def shown(row: Sequence[Cell]) -> Iterator[Cell]:
            for place in kept:
                yield _named(*row[place : place + 3]) if place in places else row[place]

        columns = tuple(
            self.columns[place].model_copy(update={"kind": ColumnKind.TEXT} if place in places else {})
            for place in kept
        )
        return self.model_copy(update={"columns": columns, "rows": tuple(tuple(shown(row)) for row in self.rows)})


def _named(code: Cell, name: Cell, name_zh: Cell) -> str:
    """Return a code's names, the Chinese one first; the code alone if it has no other name."""
    return f"{name_zh} {name}" if name_zh != name else str(code or name)


class Report(Immutable):
    """Report of one period."""

    kind: ReportKind
    period: str = Field(description="`2026-08-03` of a daily report, `2026-08` of a monthly one.")
    timezone: str = Field(description="Time zone of the period, as the catalogue names it.")
    made_at: datetime
    currency: str
    tables: tuple[Table, ...] = Field(min_length=1)

    @property
    def path(self) -> str:
        return f"/v1/reports/{self.kind.value}?{FORMS[self.kind].parameter}={self.period}"


def shown(row: Sequence[Cell], columns: Sequence[Column], report: Report) -> list[str]:
    """Return values as people read them: rates in percent, local time, separated thousands; a dash for None."""
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
            return f"{on_the_wall(datetime.fromisoformat(cell), report.timezone):%Y-%m-%d %H:%M}"
    return str(cell)
