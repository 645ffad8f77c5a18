"""Scores of a month as rows of a file: one for each figure of each subject."""

from collections.abc import Iterable

from api.assessments import AssessedItem
from domain.reports.report import Cell

_OF_FIGURE = ("value", "numerator", "denominator", "excluded", "weight", "points", "left_out", "link")
_OF_SUBJECT = ("score", "grade")
COLUMNS = ("subject", "name", "name_zh", "figure", *_OF_FIGURE, *_OF_SUBJECT)


def cells(items: Iterable[AssessedItem]) -> list[list[Cell]]:
    """Return the cells of these results."""
    return [
        [
            *(item.subject, item.name, item.name_zh, figure),
            *(getattr(value, name) for name in _OF_FIGURE),
            *(getattr(item, name) for name in _OF_SUBJECT),
        ]
        for item in items
        for figure, value in item.figures.items()
    ]
