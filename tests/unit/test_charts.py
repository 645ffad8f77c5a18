"""Charts of tables: what they draw, and that nothing in them runs or is loaded."""

import sys

import pytest

from api.exports.reports import MOST_LABELS, MOST_SERIES, OTHERS, in_words, svg
from domain.reports.report import Cell, Chart, ChartKind, Column, ColumnKind, Table

COLUMNS = (
    Column(name="label", title="Label", title_zh="标签"),
    Column(name="series", title="Series", title_zh="系列"),
    Column(name="cases", title="Cases", title_zh="工单数", kind=ColumnKind.COUNT),
    Column(name="agents", title="Agents", title_zh="人数", kind=ColumnKind.NUMBER),
)
CHARTS = (
    Chart(kind=ChartKind.BAR, label="label", values=("cases",)),
    Chart(kind=ChartKind.STACKED, label="label", values=("cases",), series="series"),
    Chart(kind=ChartKind.LINE, label="label", values=("cases", "agents"), secondary="agents"),
)


def drawn(chart: Chart, *rows: tuple[Cell, ...]) -> str:
    found = svg(Table(name="t", title="Title", title_zh="标题", columns=COLUMNS, rows=rows, chart=chart))
    assert found is not None
    return found


@pytest.mark.parametrize("chart", CHARTS, ids=[chart.kind for chart in CHARTS])
@pytest.mark.parametrize("value", [0, 1, 7, 12_345])
@pytest.mark.parametrize("agents", [None, 0, 2.5])
def test_every_chart_is_drawn_whatever_its_values(chart: Chart, value: int, agents: float | None) -> None:
    shown = drawn(chart, ("a", "x", value, agents), ("b", "y", 0, None))
    assert "<title>标题 Title</title>" in shown
    assert "<script" not in shown
    assert "http://" not in shown.replace("http://www.w3.org/", "").replace("http://pygal.org", "").replace(
        "http://github.com/Kozea/pygal", ""
    )


def test_texts_are_escaped() -> None:
    assert "<b>" not in drawn(CHARTS[1], ("<b>", "<b>", 1, None), ("c", "d", 2, None))


def test_the_smallest_of_many_series_are_one() -> None:
    rows = [("a", f"series {place}", 20 - place, None) for place in range(MOST_SERIES + 3)]
    shown = drawn(CHARTS[1], *rows)
    assert in_words(OTHERS, zh=None) in shown
    assert f"series {MOST_SERIES - 2}" in shown
    assert f"series {MOST_SERIES - 1}" not in shown


def test_the_first_of_many_labels_are_drawn() -> None:
    rows = [(f"label {place}.", "x", 100 - place, None) for place in range(MOST_LABELS + 1)]
    shown = drawn(CHARTS[0], *rows)
    assert f"label {MOST_LABELS - 1}." in shown
    assert f"label {MOST_LABELS}." not in shown


def test_a_table_without_rows_or_chart_has_no_picture() -> None:
    table = Table(name="t", title="Title", title_zh="标题", columns=COLUMNS, rows=(), chart=CHARTS[0])
    assert svg(table) is None
    assert svg(table.model_copy(update={"rows": (("a", "x", 1, None),), "chart": None})) is None


def test_the_library_looks_for_no_plug_ins() -> None:
    assert [finder for finder in sys.meta_path if type(finder).__module__ == "pygal"] == []
