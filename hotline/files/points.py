"""Reader of points from outside (培训学习等得分) in a CSV file."""

from collections.abc import Callable
from contextlib import suppress
from math import isfinite
from pathlib import Path

from domain.catalogue.figures import Subject
from domain.catalogue.standard import GivenPoints
from hotline.files.columns import ColumnFile, LineFault, Row
from readmodel.assessments.months import GivenValue

COLUMNS = {"figure": "指标", "subject": "对象", "value": "得分", "by": "对象类别"}
"""Columns by name, with the Chinese name; `by` is needed if the figure has several kinds of subjects."""
REQUIRED = ("figure", "subject", "value")
MOST = 1_000_000
FindSubject = Callable[[Subject, str], str | None]


def load_points(path: Path, encoding: str, given: tuple[GivenPoints, ...], subject_id: FindSubject) -> list[GivenValue]:
    """Return the points of a file, each subject once for each figure of the catalogue.

    `subject_id` returns the id or code of a subject by its kind and what a line has; None for one that is not known.
    Raises FileError if a line cannot be used, and OSError if the file cannot be read.
    """
    source = ColumnFile(path, COLUMNS, REQUIRED, "a figure, a subject and a number")
    figures = {each.code: each for each in given}

    def points(row: Row) -> GivenValue:
        figure = row["figure"]
        if figure not in figures:
            accepted = ", ".join(figures) or "none, as the catalogue has no [assessment.given]"
            raise LineFault("figure", f"accepted: {accepted}")
        kinds = [kind.value for kind in figures[figure].by]
        by = row.get("by", kinds[0] if len(kinds) == 1 else "")
        if by not in kinds:
            raise LineFault("by", f"accepted: {', '.join(kinds)}")
        subject = subject_id(Subject(by), row["subject"])
        if subject is None:
            raise LineFault("subject", f"accepted: a known {by}, by id or code")
        value = _number(row["value"])
        source.note_repeated((figure, by, subject), ", subject: line {} has the points of the same subject already")
        return GivenValue(figure, by, subject, value)

    found = source.read(encoding, points)
    source.check()
    return [value for _, value in found]


def _number(text: str) -> float:
    with suppress(ValueError):
        value = float(text)
        if isfinite(value) and 0 <= value <= MOST:
            return value
    raise LineFault("value", f"accepted: a number from 0 to {MOST}")
