"""Report as Markdown in Chinese and English, for the Temporal UI."""

from collections.abc import Iterable, Iterator

from domain.reports.cells import shown
from domain.reports.report import Report, Table

LONGEST = 12_000
"""Characters: the details are in the history, and nobody reads more of them there."""
ROWS = 10
"""Rows of a table."""


def details(report: Report) -> str:
    """Return the headline numbers and the first rows of each table, with the place of the rest."""
    head = f"**{report.kind.zh} {report.kind.value.capitalize()} report {report.period}**, `{report.path}`"
    blocks = [head, *("\n".join(_table(table, report)) for table in report.tables)]
    while len(text := "\n\n".join(blocks)) > LONGEST:
        blocks = [*blocks[:-2], "…"] if blocks[-1] == "…" else [*blocks[:-1], "…"]
    return text


def _table(table: Table, report: Report) -> Iterator[str]:
    yield f"#### {table.title_zh} {table.title}"
    yield ""
    if not table.rows:
        yield "无 none"
        return
    readable = table.readable()
    titles = [f"{column.title_zh} {column.title}" for column in readable.columns]
    rows = [shown(row, readable.columns, report) for row in readable.rows[:ROWS]]
    if table.is_headline:
        yield from (f"- {title}: **{cell}**" for title, cell in zip(titles, rows[0], strict=True))
        return
    yield _line(titles)
    yield _line("---" for _ in titles)
    yield from map(_line, rows)
    if (more := len(table.rows) - ROWS) > 0:
        yield ""
        yield f"另有 {more} 行 {more} more rows"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
