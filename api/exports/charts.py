"""Charts of tables as SVG, to stand in a page: no script, no font and no style from elsewhere."""

import sys
from collections import defaultdict
from collections.abc import Mapping

from pygal import Bar, Config, Line, PluginImportFixer, StackedBar
from pygal.etree import etree
from pygal.graph.graph import Graph
from pygal.style import Style

from domain.reports.report import Cell, Chart, ChartKind, Table

# The library would look for plug-ins at every later import of the process, by a protocol that Python has given up.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

MOST_LABELS, MOST_SERIES = 24, 8
"""Labels and series that a reader can tell apart; the smaller ones are left to the table."""
FONTS = '"PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif'
_KINDS: Mapping[ChartKind, type[Graph]] = {ChartKind.BAR: Bar, ChartKind.STACKED: StackedBar, ChartKind.LINE: Line}
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="#333",
    foreground_strong="#111",
    foreground_subtle="#777",
    font_family=FONTS,
    label_font_size=13,
    major_label_font_size=13,
    legend_font_size=13,
    opacity=".9",
    colors=("#1f6fb2", "#e08a1e", "#3a9d5d", "#b8433f", "#7a5ea8", "#8a6d4b", "#4aa8b5", "#999999"),
)


def svg(table: Table) -> str | None:
    """Return the chart of a table; None if it has none, or nothing to show."""
    if table.chart is None or not table.rows:
        return None
    chart = table.chart
    readable = table.readable()
    sums = _sums(readable, chart)
    labels = list(dict.fromkeys(str(row[readable.column(chart.label)]) for row in readable.rows))
    if chart.kind is not ChartKind.LINE:
        totals = {label: sum(series.get(label) or 0 for series in sums.values()) for label in labels}
        labels = sorted(labels, key=lambda label: -totals[label]) if chart.kind is ChartKind.BAR else labels
    labels = labels[:MOST_LABELS]
    config = Config(
        js=(),
        height=360,
        width=900,
        x_label_rotation=30 if len(labels) > 4 else 0,  # noqa: PLR2004 - more would touch each other
        legend_at_bottom=True,
        show_legend=len(sums) > 1,
        no_prefix=False,
    )
    drawn = _KINDS[chart.kind](config, style=_STYLE)
    drawn.x_labels = labels
    for name in sorted(sums, key=lambda name: -sum(value or 0 for value in sums[name].values()))[:MOST_SERIES]:
        drawn.add(name, [sums[name].get(label) for label in labels])
    return _without_scripts(drawn, f"{table.title_zh} {table.title}")


def _sums(table: Table, chart: Chart) -> dict[str, dict[str, float | None]]:
    """Return the sum of each series by label; None where no row has a value."""
    label = table.column(chart.label)
    series = table.column(chart.series) if chart.series else None
    found: dict[str, dict[str, float | None]] = defaultdict(dict)
    for row in table.rows:
        for name in chart.values:
            column = table.columns[table.column(name)]
            key = str(row[series]) if series is not None else f"{column.title_zh} {column.title}"
            value = _number(row[table.column(name)])
            of_series = found[key]
            if value is not None:
                of_series[str(row[label])] = (of_series.get(str(row[label])) or 0) + value
    return found


def _number(cell: Cell) -> float | None:
    return None if cell is None else float(cell)


def _without_scripts(drawn: Graph, title: str) -> str:
    """Return the chart without the script that the library adds to every chart, and with its title for readers."""
    root = drawn.render_tree()
    for parent in list(root.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    root.find("title").text = title
    return str(etree.tostring(root, encoding="unicode"))
