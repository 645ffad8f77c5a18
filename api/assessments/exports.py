"""Assessments as rows of files: the scores of a month, and the cases behind a number."""

from collections.abc import Iterable

from pydantic_core import to_jsonable_python

from api.assessments.answers import AssessedItem, amount_text
from domain.reports.report import Cell
from readmodel.assessments.months import CountedCase

PAGE = 5000
"""Cases that are read at once, so that neither SQL nor memory holds more of them."""
CASE_COLUMNS = ("number", "at", "counts", "amount", "excluded")
_OF_FIGURE = ("value", "numerator", "denominator", "excluded", "weight", "points", "left_out", "link")
_OF_SUBJECT = ("score", "grade")
SCORE_COLUMNS = ("subject", "name", "name_zh", "figure", *_OF_FIGURE, *_OF_SUBJECT)


def case_cells(page: Iterable[CountedCase]) -> list[list[Cell]]:
    return [[one.number, to_jsonable_python(one.at), one.counts, amount_text(one), one.excluded] for one in page]


def score_cells(items: Iterable[AssessedItem]) -> list[list[Cell]]:
    """Return the cells of these results, one row for each figure of each subject."""
    return [
        [
            *(item.subject, item.name, item.name_zh, figure),
            *(getattr(value, name) for name in _OF_FIGURE),
            *(getattr(item, name) for name in _OF_SUBJECT),
        ]
        for item in items
        for figure, value in item.figures.items()
    ]
