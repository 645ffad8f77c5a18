"""Reader of points from outside (培训学习等得分) in a CSV file."""

from collections.abc import Callable
from math import isfinite
from pathlib import Path

from domain.catalogue.figures import Subject
from domain.catalogue.standard import GivenPoints
from hotline.files.columns import ColumnFile, Row
from readmodel.assessment.months import GivenValue

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
    source = ColumnFile(path, COLUMNS, REQUIRED)
    lines: dict[tuple[str, str, str], int] = {}
    found = [
        value for line, row in source.rows(encoding) if (value := _value(source, lines, given, subject_id, line, row))
    ]
    source.check()
    return found


def _value(
    source: ColumnFile,
    lines: dict[tuple[str, str, str], int],
    given: tuple[GivenPoints, ...],
    subject_id: FindSubject,
    line: int,
    row: Row,
) -> GivenValue | None:
    """Return the points of a line, or note its first fault."""
    if missing := [name for name in REQUIRED if name not in row]:
        source.fault(line, f", {missing[0]}: is missing; accepted: a figure, a subject and a number")
        return None
    figures = {each.code: each for each in given}
    if row["figure"] not in figures:
        source.fault(
            line, f", figure: accepted: {', '.join(figures) or 'none, as the catalogue has no [assessment.given]'}"
        )
        return None
    kinds = [kind.value for kind in figures[row["figure"]].by]
    by = row.get("by", kinds[0] if len(kinds) == 1 else "")
    if by not in kinds:
        source.fault(line, f", by: accepted: {', '.join(kinds)}")
        return None
    subject, value = subject_id(Subject(by), row["subject"]), _number(row["value"])
    if subject is None:
        source.fault(line, f", subject: accepted: a known {by}, by id or code")
        return None
    if value is None:
        source.fault(line, f", value: accepted: a number from 0 to {MOST}")
        return None
    if (first := lines.setdefault((row["figure"], by, subject), line)) != line:
        source.fault(line, f", subject: line {first} has the points of the same subject already")
    return GivenValue(row["figure"], by, subject, value)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and 0 <= value <= MOST else None
