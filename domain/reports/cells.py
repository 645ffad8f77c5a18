"""Values of a report in words, as every format for people shows them."""

from collections.abc import Sequence
from datetime import datetime

from domain.calendar.work_calendar import on_the_wall
from domain.reports.report import Cell, Column, ColumnKind, Report


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
