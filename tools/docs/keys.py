"""Tables of keys and options: the operator's files, request bodies and commands."""

import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import typer.main
from pydantic import AwareDatetime, BaseModel, SecretStr, WithJsonSchema
from pydantic.fields import FieldInfo

from activities.notifications.routing import ChannelFile
from api.complaints.cases import Complaint, NewComplaint
from api.parameters import Listing
from demo import __main__ as demo
from domain.calendar.work_calendar import WorkCalendar
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.norms import ClockNorm, Count, Duration, Share, Tries, WorkingDays
from hotline.cli import main as cli
from hotline.files.catalogue import CalendarRules
from tools.docs.markdown import table

Model = type[BaseModel]

_WORDS: Mapping[Any, str] = {
    str: "text",
    SecretStr: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Decimal: "decimal, as text",
    date: "date",
    time: "time of day",
    datetime: "instant",
    AwareDatetime: "instant",
    tuple[int, int]: "text like `08:30-12:00`",
    Any: "anything",
}
_INLINE: Mapping[Model, str] = {
    ClockNorm: "a clock",
    Duration: "a time",
    WorkingDays: "working days",
    Count: "a count",
    Tries: "a count",
    Share: "a share",
}
"""Models that a file contains as an inline table: `{ hours = 2, source = "I" }`."""
_UNWRITTEN = {"code", "calendar_file"}
"""Fields of the catalogue that are not keys of a file."""


class _Place(NamedTuple):
    """A table of a file: its heading and its model."""

    head: str
    model: Model


def catalogue() -> str:
    """Return the table of a catalogue's keys."""
    rows = [("", "`extends?`", "text", "a catalogue, by its path from this file, which contains the differences")]
    return _table([*rows, *_rows(_Place("", Catalogue))], "in")


def channels() -> str:
    """Return the table of the keys of the channels file."""
    return _table(_rows(_Place("", ChannelFile)), "in")


def registration() -> str:
    """Return the table of the fields that register a complaint."""
    return _fields(NewComplaint)


def complaint_fields() -> str:
    """Return the table of a complaint's fields, but for those whose names say it all."""
    return _table(row[1:] for row in _keys(_Place("", Complaint)) if row[-1])


def filters() -> str:
    """Return the table of the parameters of a list of complaints."""
    return _fields(Listing)


def options() -> str:
    """Return the table of all arguments and options."""
    rows, own = [], ("python -m demo", typer.main.get_command(demo.app))
    for name, command in (own, *_commands(typer.main.get_command(cli.app), "hotline")):
        for parameter in command.params:
            written = parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
            default = "" if parameter.default in (None, False, "") else f" Default: {parameter.default}."
            mark = "" if parameter.required else "?"
            rows.append((f"`{name}`", f"`{written}{mark}`", f"{parameter.help}{default}"))
    return table(("command", "argument or option", "meaning"), rows)


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - the library's own types are private
    for own, command in getattr(group, "commands", {}).items():
        yield from _commands(command, f"{name} {own}")
    if not hasattr(group, "commands"):
        yield name, group


def _fields(model: Model) -> str:
    return _table(row[1:] for row in _keys(_Place("", model)))


def _table(rows: Iterable[tuple[str, ...]], *first: str) -> str:
    return table((*first, "key", "takes", "meaning"), rows)


def _rows(begin: _Place) -> Iterator[tuple[str, str, str, str]]:
    """Yield the keys of a table, then of the tables in it, each heading once."""
    ahead, told = [begin], set()
    while ahead:
        place = ahead.pop(0)
        if place.head not in told:
            told.add(place.head)
            yield from _keys(place)
            ahead[:0] = [
                _inner(place.head, name, field, CalendarRules if model is WorkCalendar else model)
                for name, field in place.model.model_fields.items()
                for model in _models(field.annotation)
            ]


def _keys(place: _Place) -> Iterator[tuple[str, str, str, str]]:
    with_defaults = place.model.model_config.get("json_schema_serialization_defaults_required", False)
    for name, field in place.model.model_fields.items():
        if name not in _UNWRITTEN and not field.exclude:
            mark = "" if field.is_required() or (with_defaults and not field.exclude_if) else "?"
            said = (inspect.getdoc(model) for model in _models(field.annotation) if model not in _INLINE)
            meaning = field.description or (next(said, "") or "").partition("\n")[0]
            yield place.head, f"`{name}{mark}`", _takes(field), meaning


def _inner(outer: str, name: str, field: FieldInfo, model: Model) -> _Place:
    """Return the table that a field contains."""
    if model in _INLINE:
        return _Place(_INLINE[model], model)
    path = f"{outer.strip('`[]')}.{name}".removeprefix(".")
    origin = get_origin(_bare(field.annotation))
    if "code" in model.model_fields or origin is dict:
        years = origin is dict and _type(get_args(_bare(field.annotation))[0]) == _WORDS[int]
        head = f"`[{path}.{'YEAR' if years else 'NAME'}]`"
    else:
        head = f"`[[{path}]]`" if origin is tuple else f"`[{path}]`"
    if "kind" in model.model_fields:
        (kind,) = get_args(model.model_fields["kind"].annotation)
        head = f"{head} of kind `{kind}`"
    return _Place(head, model)


def _bare(annotation: Any) -> Any:  # noqa: ANN401 - an annotation may be anything
    """Strip annotations and None from a type."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not types.NoneType]
        return _bare(parts[0]) if len(parts) == 1 else annotation
    return annotation


def _models(annotation: Any) -> list[Model]:  # noqa: ANN401 - an annotation may be anything
    """Return the models that a type contains."""
    bare = _bare(annotation)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return [bare]
    return list(dict.fromkeys(model for part in get_args(bare) for model in _models(part)))


def _takes(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = ((sign, getattr(rule, key, None)) for rule in field.metadata for key, sign in signs.items())
    bounds = [f"{sign} {value}" for sign, value in found if value is not None]
    return " ".join([_type(field.annotation), *([f"({', '.join(bounds)})"] if bounds else [])])


def _type(annotation: Any) -> str:  # noqa: ANN401 - an annotation may be anything
    bare = _bare(annotation)
    origin, parts = get_origin(bare), get_args(bare)
    schemas = (rule for rule in getattr(annotation, "__metadata__", ()) if isinstance(rule, WithJsonSchema))
    enum = next(((rule.json_schema or {}).get("enum", ()) for rule in schemas), ())
    if choices := parts if origin is Literal else enum:
        return ", ".join(f"`{choice}`" for choice in choices if choice)
    if word := _WORDS.get(bare) or _INLINE.get(bare):
        return word
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_type, parts)))
    if origin in (tuple, list, dict):
        inner = _type(parts[origin is dict])
        return "tables" if inner == "table" else f"{'table' if origin is dict else 'list'} of {inner}"
    if issubclass(bare, Enum):
        return ", ".join(f"`{choice.value}`" for choice in bare)
    return "table" if issubclass(bare, BaseModel) else str(bare.__name__)
