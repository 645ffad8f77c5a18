"""Complaints as rows of a file, masked for their reader as JSON is."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import from_json, to_jsonable_python

from domain.case.lifecycle import ENDED
from domain.reports.report import Cell
from domain.rights.masking import masked, masks_for
from domain.shared.actors import Actor

PAGE = 500
"""Complaints that are read at once, so that neither SQL nor memory holds more of them."""
NAME = "complaints"
"""Name of the file, without its extension."""
_OF_CALLER = {"caller_name": "name", "caller_phone": "phone", "caller_account_no": "account_no"}
COLUMNS = (
    *("number", "state", "service_code", "priority", "sla", "overdue", "owner", "department", "assignee", "cycle"),
    *("flags", "incident", "channel", "registered_at", "closed_at", "next_due_at", *_OF_CALLER, "district", "address"),
    *("description", "result", "reply"),
)
"""Fields of a complaint; those of `caller` and `location` without these names, or with `caller_` before them."""


def cells(rows: Iterable[Mapping[Any, Any]], reader: Actor) -> list[list[Cell]]:
    """Return the cells of these rows of `readmodel.cases.queries.list_rows`, as this reader may see them."""
    return [_cells(row, reader) for row in rows]


def _cells(row: Mapping[Any, Any], reader: Actor) -> list[Cell]:
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
    return [shown[name] for name in COLUMNS]
