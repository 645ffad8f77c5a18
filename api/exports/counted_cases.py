"""Cases behind a number of an assessment, as rows of a file."""

from collections.abc import Iterable

from pydantic_core import to_jsonable_python

from api.assessments import amount_text
from domain.reports.report import Cell
from readmodel.assessment.months import CountedCase

PAGE = 5000
"""Cases that are read at once, so that neither SQL nor memory holds more of them."""
COLUMNS = ("number", "at", "counts", "amount", "excluded")


def cells(page: Iterable[CountedCase]) -> list[list[Cell]]:
    """Return the cells of these cases."""
    return [[one.number, to_jsonable_python(one.at), one.counts, amount_text(one), one.excluded] for one in page]
