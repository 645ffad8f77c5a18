"""Charts of tables as SVG, to stand in a page: no script, no font and no style from elsewhere."""

import math
import sys
from collections import defaultdict
from collections.abc import Mapping

from pygal import Bar, Config, Line, PluginImportFixer, StackedBar
from pygal.etree import etree
from pygal.graph.graph import Graph
from pygal.style import Style

from domain.reports.report import Chart, ChartKind, Table

# The library would look for plug-ins at every later import of the process, by a protocol that Python has given up.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

MOST_LABELS, MOST_SERIES = 24, 8
"""Labels and series that a reader can tell apart. Further labels are left to the table."""
OTHERS, RIGHT = "其他 others", "（右轴 right）"
LEVEL = 4
"""Labels that have room for their names side by side."""
FEW = 10
"""Values up to which each whole number has a line, as there are no halves of a case."""
Sums = dict[str, dict[str, float]]
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
    chart, readable = table.chart, table.readable()
    sums = _with_others(_sums(readable, chart))
    labels = _labels(readable, chart, sums)
    drawn = _KINDS[chart.kind](
        Config(js=(), height=360, width=900, legend_at_bottom=True, show_legend=len(sums) > 1),
        style=_STYLE,
        x_label_rotation=30 if len(labels) > LEVEL else 0,
    )
    secondary = _title(readable, chart.secondary) if chart.secondary else None
    drawn.x_labels = labels
    if (top := _top(sums, stacked=chart.kind is ChartKind.STACKED)) <= FEW:
        drawn.y_labels = range(max(1, math.ceil(top)) + 1)
    for name, series in sums.items():
        values = [series.get(label) for label in labels]
        if name == secondary:
            # From zero, as the other scale, or one agent would look like none.
            drawn.secondary_range = 0, max(1, math.ceil(max(series.values())))
            drawn.add(f"{name} {RIGHT}", values, secondary=True)
        else:
            drawn.add(name, values)
    return _without_scripts(drawn, f"{table.title_zh} {table.title}")


def _labels(table: Table, chart: Chart, sums: Sums) -> list[str]:
    """Return the labels in the order of the table; those of bars by their sums."""
    labels = list(dict.fromkeys(str(row[table.column(chart.label)]) for row in table.rows))
    if chart.kind is ChartKind.BAR:
        labels.sort(key=lambda label: -sum(series.get(label, 0) for series in sums.values()))
    return labels[:MOST_LABELS]


def _with_others(sums: Sums) -> Sums:
    """Return the series, the largest first; the smallest ones are one series if there are too many."""
    names = sorted(sums, key=lambda name: -sum(sums[name].values()))
    if len(names) <= MOST_SERIES:
        return {name: sums[name] for name in names}
    others: dict[str, float] = defaultdict(float)
    for name in names[MOST_SERIES - 1 :]:
        for label, value in sums[name].items():
            others[label] += value
    return {**{name: sums[name] for name in names[: MOST_SERIES - 1]}, OTHERS: others}


def _top(sums: Sums, *, stacked: bool) -> float:
    """Return the largest value, or the largest sum of the values of a label if they are stacked."""
    labels = {label for series in sums.values() for label in series}
    values = ([series.get(label, 0) for series in sums.values()] for label in labels)
    return max(map(sum if stacked else max, values), default=0)


def _sums(table: Table, chart: Chart) -> Sums:
    """Return the sum of each series by label; what no row has a value for is left out."""
    label = table.column(chart.label)
    series = table.column(chart.series) if chart.series else None
    found: Sums = defaultdict(dict)
    for row in table.rows:
        for name in chart.values:
            key = str(row[series]) if series is not None else _title(table, name)
            cell = row[table.column(name)]
            if cell is not None:
                found[key][str(row[label])] = found[key].get(str(row[label]), 0) + float(cell)
    return found


def _title(table: Table, name: str) -> str:
    column = table.columns[table.column(name)]
    return f"{column.title_zh} {column.title}"


def _without_scripts(drawn: Graph, title: str) -> str:
    """Return the chart without the script that the library adds to every chart, and with its title for readers."""
    root = drawn.render_tree()
    for parent in list(root.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    root.find("title").text = title
    return str(etree.tostring(root, encoding="unicode"))
