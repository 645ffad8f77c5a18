"""Reports in every format: each is rendered from the stored value alone, so it stays as it was made."""

import io
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any
from unicodedata import east_asian_width

from markupsafe import Markup
from pygal import Config, HorizontalBar, HorizontalStackedBar, Line, PluginImportFixer
from pygal.etree import etree
from pygal.graph.graph import Graph
from pygal.style import Style

from api.edge.browsers import TEMPLATES
from api.exports.files import BOM, LONGEST_SHEET, ExportCell, Rows, lines, sheets
from domain.calendar.work_calendar import on_the_wall
from domain.reports.report import Cell, Chart, ChartKind, Column, ColumnKind, Report, Table, headlines, shown
from domain.shared.value import Phrase, exhaustive

# The library would look for plug-ins at every later import of the process, by a protocol that Python has given up.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

MOST_LABELS, MOST_SERIES = 24, 8
"""Labels and series that a reader can tell apart. Further labels are left to the table."""
OTHERS, RIGHT = ("其他", "others"), ("（右轴）", "(right)")
WIDTH, FONT = 480, 14
"""Width of a chart and size of its letters in units, which are pixels of a desk's screen and 0.75 of a telephone's."""
ROW, LEGEND_ROW, LINES, AXIS = 26, 21, 220, 60
"""Heights of a horizontal bar, of a name in the legend, of a line chart, and of the axis of values with the margins."""
MARGIN = 20
LONGEST_LABEL, LONGEST_SERIES = 22, 32
"""Columns of a terminal up to which a name is drawn; a Chinese character has two."""
MOST_HOURS = 8
"""Labels of a line chart that have room side by side."""
MOST_STEPS = 4
"""Steps of the axis of values."""
THOUSANDS_FROM = 10_000
"""Values from which the axis shows thousands."""
Series = Counter[str]
"""Values by label; floats, which its type does not say."""
Sums = dict[str, Series]
FONTS = '"PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif'
_KINDS: Mapping[ChartKind, type[Graph]] = exhaustive(
    "_KINDS",
    ChartKind,
    {ChartKind.BAR: HorizontalBar, ChartKind.STACKED: HorizontalStackedBar, ChartKind.LINE: Line},
)
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="#333",
    foreground_strong="#111",
    foreground_subtle="#777",
    font_family=FONTS,
    **dict.fromkeys(("label_font_size", "major_label_font_size", "legend_font_size"), FONT),
    **dict.fromkeys(("guide_stroke_color", "major_guide_stroke_color"), "#ddd"),
    **dict.fromkeys(("guide_stroke_dasharray", "major_guide_stroke_dasharray"), "none"),
    opacity="1",
    colors=("#1f6fb2", "#e08a1e", "#3a9d5d", "#b8433f", "#7a5ea8", "#8a6d4b", "#4aa8b5", "#999999"),
)


def in_words(words: Phrase, *, zh: bool | None) -> str:
    """In one language or both."""
    return " ".join(words) if zh is None else words[0 if zh else 1]


def svg(table: Table, *, zh: bool | None = None) -> str | None:
    """None if the table has no chart, or nothing to show; in one language or both."""
    if table.chart is None or not table.rows:
        return None
    chart, readable = table.chart, table.readable(zh=zh)
    sums = _with_others(_sums(readable, chart, zh=zh), in_words(OTHERS, zh=zh))
    labels = _labels(readable, chart, sums)
    # Stacked values reach as high as their sum.
    summed = [_total(sums.values())] if chart.kind is ChartKind.STACKED else sums.values()
    ticks = _ticks(max((value for series in summed for value in series.values()), default=0))
    drawn = _KINDS[chart.kind](_config(chart, labels, len(sums) if len(sums) > 1 else 0), style=_STYLE)
    secondary = _title(readable, chart.secondary, zh=zh) if chart.secondary else None
    drawn.x_labels, drawn.y_labels = [shortened(label, LONGEST_LABEL) for label in labels], ticks
    for name, series in sums.items():
        values = [series.get(label) for label in labels]
        if name == secondary:
            # Whole numbers from zero, or one agent would look like none.
            steps = len(ticks) - 1
            drawn.secondary_range = 0, max(1, math.ceil(max(series.values()) / steps)) * steps
            drawn.add(f"{name} {in_words(RIGHT, zh=zh)}", values, secondary=True)
        else:
            drawn.add(shortened(name, LONGEST_SERIES), values)
    return _without_scripts(drawn, in_words((table.title_zh, table.title), zh=zh))


def _config(chart: Chart, labels: Sequence[str], legend: int) -> Config:
    """Layout of a chart with so many names in its legend, one below the other."""
    config = Config(
        js=(),
        width=WIDTH,
        margin=MARGIN,
        height=AXIS + legend * LEGEND_ROW,
        legend_at_bottom=True,
        legend_at_bottom_columns=1,
        show_legend=legend > 0,
        truncate_label=-1,
        truncate_legend=-1,
        value_formatter=_figure,
    )
    if chart.kind is ChartKind.LINE:
        config.height += LINES
        config.x_labels_major_every = math.ceil(len(labels) / MOST_HOURS)
        config.show_minor_x_labels = False
        if chart.secondary:
            # The library leaves room for the legend twice.
            config.margin_bottom = MARGIN - legend * LEGEND_ROW
    else:
        config.height += len(labels) * ROW
        # The library takes Chinese characters for as narrow as Latin ones.
        names = [shortened(label, LONGEST_LABEL) for label in labels]
        config.margin_left = MARGIN + (0.55 * max(map(_columns, names)) - 0.6 * max(map(len, names))) * FONT
    return config


def _figure(value: float) -> str:
    """In little room, as 5,000 or 10k."""
    return f"{value / 1000:,.10g}k" if value >= THOUSANDS_FROM else f"{value:,.10g}"


def _ticks(top: float) -> range:
    """Whole numbers from zero to `top` or more, in steps of 1, 2 or 5 times a power of ten."""
    step = next(size * 10**power for power in count() for size in (1, 2, 5) if size * 10**power * MOST_STEPS >= top)
    return range(0, step * max(1, math.ceil(top / step)) + 1, step)


def shortened(name: str, longest: int) -> str:
    """`longest` is in columns of a terminal; an ellipsis marks a cut."""
    if _columns(name) <= longest:
        return name
    while _columns(name) >= longest:
        name = name[:-1]
    return f"{name.rstrip()}…"


def _columns(name: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in name)


def _labels(table: Table, chart: Chart, sums: Sums) -> list[str]:
    """In the order in which they are drawn: horizontal bars from below.

    They are in the order of the table; those of single bars by their sums, and those of nothing left to the table.
    """
    labels = list(dict.fromkeys(str(row[table.column(chart.label)]) for row in table.rows))
    if chart.kind is ChartKind.BAR:
        total = _total(sums.values())
        labels = sorted([label for label in labels if total[label]] or labels, key=lambda label: -total[label])
    labels = labels[:MOST_LABELS]
    return labels if chart.kind is ChartKind.LINE else labels[::-1]


def _with_others(sums: Sums, others_name: str) -> Sums:
    """Largest first; the smallest series are one if there are too many."""
    names = sorted(sums, key=lambda name: -sum(sums[name].values()))
    if len(names) <= MOST_SERIES:
        return {name: sums[name] for name in names}
    kept, others = names[: MOST_SERIES - 1], names[MOST_SERIES - 1 :]
    return {**{name: sums[name] for name in kept}, others_name: _total(sums[name] for name in others)}


def _total(series: Iterable[Series]) -> Series:
    total = Series()
    for each in series:
        total.update(each)
    return total


def _sums(table: Table, chart: Chart, *, zh: bool | None) -> Sums:
    """Sum of each series by label; what no row has a value for is left out."""
    label = table.column(chart.label)
    series = table.column(chart.series) if chart.series else None
    found: Sums = defaultdict(Series)
    for row in table.rows:
        for name in chart.values:
            cell = row[table.column(name)]
            if cell is not None:
                key = _title(table, name, zh=zh) if series is None else str(row[series])
                found[key][str(row[label])] += float(cell)  # type: ignore[assignment]  # a Counter adds floats as well
    return found


def _title(table: Table, name: str, *, zh: bool | None) -> str:
    column = table.columns[table.column(name)]
    return in_words((column.title_zh, column.title), zh=zh)


def _without_scripts(drawn: Graph, title: str) -> str:
    """Drop the script that the library adds to every chart, and set its title for readers."""
    root = drawn.render_tree()
    for parent in list(root.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    root.find("title").text = title
    return str(etree.tostring(root, encoding="unicode"))


ROWS = 50
"""Rows of a table that a page shows: what matters most comes first, and files have all."""


@dataclass(frozen=True)
class Reading:
    """Language and time zone of who reads a file, and the words for codes that stand without names, by column."""

    zh: bool
    zone: str
    words: Mapping[str, Callable[[Any], ExportCell]] = field(default_factory=dict)

    def title(self, named: Table | Column) -> str:
        return named.title_zh if self.zh else named.title

    def of(self, table: Table) -> tuple[Sequence[Column], list[str], Rows]:
        """Columns, headings and rows of a table in words and local times."""
        shown = table.readable(zh=self.zh)
        rows = [[*map(self._cell, shown.columns, row)] for row in shown.rows]
        return shown.columns, [self.title(column) for column in shown.columns], rows

    def _cell(self, column: Column, cell: Cell) -> ExportCell:
        if cell is None:
            return None
        if column.kind is ColumnKind.INSTANT:
            return on_the_wall(datetime.fromisoformat(str(cell)), self.zone).replace(tzinfo=None)
        return self.words[column.name](cell) if column.name in self.words else cell


def as_csv(tables: Iterable[Table], reading: Reading | None = None) -> bytes:
    """All tables below each other, each with its name before it and an empty line after it; None: for programs."""

    def block(table: Table) -> Iterator[Sequence[ExportCell]]:
        if reading:
            _, headings, rows = reading.of(table)
            yield from ([reading.title(table)], headings, *rows, [])
        else:
            heads = [table.name, table.title, table.title_zh], [column.name for column in table.columns]
            yield from (*heads, *table.rows, [])

    return BOM + lines(row for table in tables for row in block(table))


def _of_both(table: Table) -> tuple[Sequence[Column], list[str], Rows]:
    return table.columns, [f"{column.title_zh} {column.title}" for column in table.columns], table.rows


def as_xlsx(tables: Iterable[Table], company: str, title: str, reading: Reading | None = None) -> bytes:
    """Write a sheet for each table, in both languages if nobody is known to read it."""
    file = io.BytesIO()
    with sheets(file, company, title) as book:
        for table in tables:
            columns, headings, rows = reading.of(table) if reading else _of_both(table)
            name = reading.title(table) if reading else table.title_zh
            book.begin(name[:LONGEST_SHEET], headings, [column.kind for column in columns])
            book.write(rows)
    return file.getvalue()


def page(report: Report, *, zh: bool | None = None, links: Mapping[str, str] | None = None) -> str:
    """Page in one language or both that needs nothing from elsewhere. `links` are by name; none in mail."""
    return TEMPLATES.get_template("report.html").render(
        zh=zh,
        links=links or {},
        report=report,
        made_at=f"{on_the_wall(report.made_at, report.timezone):%Y-%m-%d %H:%M}",
        tables=[_shown(table, report, zh=zh) for table in report.tables],
    )


def _shown(table: Table, report: Report, *, zh: bool | None) -> Mapping[str, Any]:
    """Show a table of one row as a list of headline numbers."""
    readable, chart = table.readable(zh=zh), svg(table, zh=zh)
    rows = [list(zip(readable.columns, shown(row, readable.columns, report), strict=True)) for row in readable.rows]
    return (
        dict(table)
        | {
            # Made of escaped text by the library that draws it.
            "chart": Markup(chart) if chart else None,  # noqa: S704 - as said
            "headline": headlines(readable, report) if table.is_headline else None,
            "columns": readable.columns,
            "rows": rows[:ROWS],
            "more": max(0, len(rows) - ROWS),
        }
    )
