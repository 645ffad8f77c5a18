"""Reports in every format: each is rendered from the stored value alone, so it stays as it was made."""

import io
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from api.edge.browsers import TEMPLATES
from api.exports.charts import svg
from api.exports.files import BOM, lines, sheets
from domain.calendar.work_calendar import on_the_wall
from domain.reports.report import Report, Table, shown

ROWS = 50
"""Rows of a table that a page shows: what matters most comes first, and files have all."""


def as_csv(report: Report) -> bytes:
    """Return all tables below each other, each with its name before it and an empty line after it."""
    blocks = (
        [[table.name, table.title, table.title_zh], [column.name for column in table.columns], *table.rows, []]
        for table in report.tables
    )
    return BOM + lines(row for block in blocks for row in block)


def as_xlsx(report: Report) -> bytes:
    file = io.BytesIO()
    with sheets(file) as book:
        for table in report.tables:
            titles = [f"{column.title_zh} {column.title}" for column in table.columns]
            book.begin(table.title_zh, titles, [column.kind for column in table.columns])
            book.write(table.rows)
    return file.getvalue()


def page(report: Report) -> str:
    """Return a page with charts that needs nothing from elsewhere. It has no links: mail is read elsewhere."""
    return TEMPLATES.get_template("report.html").render(
        report=report,
        made_at=f"{on_the_wall(report.made_at, report.timezone):%Y-%m-%d %H:%M}",
        tables=[_shown(table, report) for table in report.tables],
    )


def _shown(table: Table, report: Report) -> Mapping[str, Any]:
    """Return what the template shows of a table. A table of one row is a list of headline numbers."""
    readable, chart = table.readable(), svg(table)
    rows = [list(zip(readable.columns, shown(row, readable.columns, report), strict=True)) for row in readable.rows]
    return {
        "title": table.title,
        "title_zh": table.title_zh,
        "note": table.note,
        "note_zh": table.note_zh,
        # Made of escaped text by the library that draws it.
        "chart": Markup(chart) if chart else None,  # noqa: S704 - as said
        "headline": rows[0] if table.is_headline else None,
        "columns": readable.columns,
        "rows": rows[:ROWS],
        "more": max(0, len(rows) - ROWS),
    }
