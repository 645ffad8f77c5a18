"""Complaints as rows of a file, masked for their reader as JSON is."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from domain.case.lifecycle import ENDED
from domain.reports.report import Cell
from domain.rights.rights import PERSONAL_DATA, masked, masks_for
from domain.shared.actors import Actor
from domain.shared.value import complete

PAGE = 500
"""Complaints that are read at once, so that neither SQL nor memory holds more of them."""
NAME = "complaints"
"""Name of the file, without its extension."""
_OF_CASE = ("number", "state", "service_code", "priority", "sla", "overdue", "owner", "department", "assignee", "cycle")
MASKED_AS: Mapping[str, str | None] = {
    **dict.fromkeys(_OF_CASE),
    **dict.fromkeys(("flags", "incident", "channel", "registered_at", "closed_at", "next_due_at")),
    "caller_name": "caller.name",
    "caller_phone": "caller.phone",
    "caller_account_no": "caller.account_no",
    "district": None,
    "address": "location.address",
    "description": None,
    "result": None,
    "reply": None,
}
"""Columns, each with the field of `PERSONAL_DATA` as which it is masked; None: it holds no personal data."""
COLUMNS = tuple(MASKED_AS)
_PERSONAL = {name: field.split(".") for name, field in MASKED_AS.items() if field}
_FIELDS = {field for kind in PERSONAL_DATA for field in kind.fields}
complete("PERSONAL_DATA", filter(None, MASKED_AS.values()), _FIELDS)
_NAMES = {*(field.replace(".", "_") for field in _FIELDS), *(field.rpartition(".")[2] for field in _FIELDS)}
complete("MASKED_AS", _NAMES.intersection(COLUMNS), _PERSONAL)  # A personal column is never in clear by oversight.


def cells(rows: Iterable[Mapping[Any, Any]], reader: Actor) -> list[list[Cell]]:
    """Return the cells of rows of `list_rows`, as this reader may see them."""
    return [_cells(row, reader) for row in rows]


def _cells(row: Mapping[Any, Any], reader: Actor) -> list[Cell]:
    values: dict[str, Any] = {name: to_jsonable_python(row[name]) for name in COLUMNS}
    values["flags"] = " ".join(row["flags"])
    nested = {name: {of: {field: values[name]}} for name, (of, field) in _PERSONAL.items()}
    shown, _ = masked(values | nested, masks_for(reader.role, ended=row["state"] in ENDED))
    shown |= {name: shown[name][of][field] for name, (of, field) in _PERSONAL.items()}
    return [shown[name] for name in COLUMNS]
