"""Explanations of pydantic's errors for people: the place, what is wrong there, and what is accepted."""

from collections.abc import Container, Sequence
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Location = Sequence[str | int]


def message(fault: ErrorDetails) -> str:
    """Return pydantic's message without the prefix of our own validators' messages."""
    return fault["msg"].removeprefix("Value error, ")


def causes(faults: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Return the faults without those of lists that are too short only because faulty items do not count."""
    places = [fault["loc"] for fault in faults]
    return [fault for fault in faults if fault["type"] != "too_short" or not _has_inner(fault["loc"], places)]


def key_at(location: Location) -> str:
    """Return a place of a file as `services[2].clocks.reply`; empty for the whole file."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def table_at(root: type[BaseModel], location: Location) -> type[BaseModel]:
    """Return the model of the innermost table of a place, as far as the place is known."""
    table = root
    for part in location:
        field = table.model_fields.get(part) if isinstance(part, str) else None
        table = (_nested(field.annotation) if field else None) or table
    return table


def explain(fault: ErrorDetails, table: type[BaseModel], hidden: Container[str] = ()) -> str:
    """Return what is wrong with a key of a table, and what is accepted.

    Args:
        fault: an error of pydantic. Its input is quoted if it has one.
        table: the model that has the key, or should have it.
        hidden: fields that no file has.
    """

    def keys(model: type[BaseModel]) -> str:
        return ", ".join(name for name in model.model_fields if name not in hidden)

    if fault["type"] == "extra_forbidden":
        return f"is no key of this table; accepted: {keys(table)}"
    if fault["type"] == "missing":
        field = table.model_fields[str(fault["loc"][-1])]
        inner = _nested(field.annotation)
        return f"is missing; accepted: {field.description or (keys(inner) if inner else field.annotation)}"
    text = message(fault).replace("Input should be", "must be")
    given = fault.get("input")
    return f"{text}, not {given!r}" if isinstance(given, str | int | float) and fault["type"] != "value_error" else text


def _has_inner(outer: Location, places: Sequence[Location]) -> bool:
    """Return True if one of the places is within the outer one."""
    return any(len(place) > len(outer) and place[: len(outer)] == outer for place in places)


def _nested(annotation: object) -> type[BaseModel] | None:
    """Return the model in an annotation like `tuple[Model, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _nested(part))), None)
