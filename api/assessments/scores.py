"""Scores of a month in words, for files and pages of people."""

from collections.abc import Iterable, Mapping

from api.assessments.answers import AssessedItem, FigureItem, StandardItem
from domain.catalogue.figures import FIGURE_OF, FigureUnit, Subject
from domain.reports.report import Cell, Column, ColumnKind, Table
from domain.shared.value import Phrase


def _column(name: str, title_zh: str, title: str, kind: ColumnKind = ColumnKind.NUMBER) -> Column:
    return Column(name=name, title=title, title_zh=title_zh, kind=kind)


COLUMNS = (
    _column("subject", "对象", "Subject", ColumnKind.TEXT),
    _column("figure", "指标", "Figure", ColumnKind.TEXT),
    _column("value", "值", "Value", ColumnKind.TEXT),
    _column("numerator", "计入数", "Counted", ColumnKind.COUNT),
    _column("denominator", "总数", "Of", ColumnKind.COUNT),
    _column("excluded", "剔除", "Excluded", ColumnKind.COUNT),
    _column("weight", "权重", "Weight"),
    _column("points", "得分", "Points"),
    _column("deducted", "扣分", "Deducted"),
    _column("left_out", "未计分原因", "Left out", ColumnKind.TEXT),
    _column("score", "总分", "Score"),
    _column("grade", "等级", "Grade", ColumnKind.TEXT),
)
COLUMN_NAMES = tuple(column.name for column in COLUMNS)


LEFT_OUT: Mapping[str, Phrase] = {"no_data": ("无数据", "no data"), "objection": ("申诉", "objection")}
"""Reasons why a figure is no part of a score."""


def scores(standard: StandardItem, by: Subject, items: Iterable[AssessedItem], *, zh: bool) -> Table:
    """Row for each figure of each subject, in one language."""
    given = {each.code: (each.name_zh, each.name) for each in (*standard.given, *standard.grades)}

    def said(words: Phrase) -> str:
        return words[0 if zh else 1]

    def row(item: AssessedItem, name: str, value: FigureItem) -> tuple[Cell, ...]:
        figure = FIGURE_OF.get(name)
        is_rate = figure is not None and figure.unit is FigureUnit.RATE
        return (
            (item.name_zh if zh else item.name) or item.name or item.subject,
            said((figure.zh, figure.title) if figure else given.get(name, (name, name))),
            f"{value.value:.1%}" if is_rate and isinstance(value.value, float) else value.value,
            *(value.numerator, value.denominator, value.excluded, value.weight, value.points),
            _deducted(value),
            said(LEFT_OUT[value.left_out]) if value.left_out else None,
            item.score,
            said(given.get(item.grade, (item.grade, item.grade))) if item.grade else None,
        )

    rows = tuple(row(item, *each) for item in items for each in item.figures.items())
    title, title_zh = f"Assessment by {by}", f"{by.zh}月度考核"
    return Table(name=f"assessment-{by}", title=title, title_zh=title_zh, columns=COLUMNS, rows=rows)


def _deducted(value: FigureItem) -> float | None:
    """Points of the weight that the figure does not earn; None for what is no part of the score."""
    return None if value.weight is None or value.points is None else round(value.weight - value.points, 2)
