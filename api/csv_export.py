"""Complaints as CSV that Excel opens: UTF-8 with a byte order mark, masked for its reader as JSON is."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import from_json, to_jsonable_python

from domain.case.lifecycle import ENDED
from domain.rights.masking import masked, masks_for
from domain.shared.actors import Actor

CSV = "text/csv"
PAGE = 500
"""Complaints that are read at once, so that neither SQL nor memory holds more of them."""
HEADERS = {"Content-Disposition": 'attachment; filename="complaints.csv"'}
_FORMULA = re.compile(r'(?<![^,;|\t\r\n])((?:"|[^\S\t\r\n])*)(?=[-=+@＝＋－＠])')
"""Beginning of a formula, in the whole cell or in what a program makes a cell of that divides lines at another sign."""
_OF_CALLER = {"caller_name": "name", "caller_phone": "phone", "caller_account_no": "account_no"}
COLUMNS = (
    *("number", "state", "service_code", "priority", "sla", "overdue", "owner", "department", "assignee", "cycle"),
    *("flags", "incident", "channel", "registered_at", "closed_at", "next_due_at", *_OF_CALLER, "district", "address"),
    *("description", "result", "reply"),
)
"""Fields of a complaint; those of `caller` and `location` without these names, or with `caller_` before them."""


def lines(rows: Iterable[Mapping[Any, Any]], reader: Actor) -> bytes:
    """Return the lines of these rows of `readmodel.case_queries.list_rows`."""
    return _lines([_cells(row, reader) for row in rows])


def _cells(row: Mapping[Any, Any], reader: Actor) -> list[str]:
    values: dict[str, Any] = {name: to_jsonable_python(row[name]) for name in COLUMNS}
    values["flags"] = " ".join(from_json(row["flags"]))
    case = {
        **values,
        "caller": {field: values[name] for name, field in _OF_CALLER.items()},
        "location": {"address": values["address"]},
    }
    shown, _ = masked(case, masks_for(reader.role, ended=row["state"] in ENDED))
    shown |= {name: shown["caller"][field] for name, field in _OF_CALLER.items()}
    shown["address"] = shown["location"]["address"]
    return [_cell(shown[name]) for name in COLUMNS]


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
    return _FORMULA.sub(r"\1'", str(value))


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


HEAD = b"\xef\xbb\xbf" + _lines([[*COLUMNS]])
"""Byte order mark, without which Excel in China reads GBK, and the names of the columns."""
