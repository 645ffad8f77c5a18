"""Tables of keys and options: the operator's files, request bodies and commands."""

import inspect
import re
import types
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import typer.main
from pydantic import AwareDatetime, BaseModel, SecretStr, WithJsonSchema
from pydantic.fields import FieldInfo

from activities.notifications.routing import ChannelFile
from api.complaints.cases import NewComplaint
from api.parameters import Listing
from domain.calendar.work_calendar import WorkCalendar
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.norms import ClockNorm, Count, Duration, Share, Tries, WorkingDays
from hotline.cli import main as cli
from hotline.files.catalogue import CalendarRules
from tools.docs.markdown import Entry, explained, sections, wrapped

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
    tuple[int, int]: "hours",
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
_SHORTER = {"true or false": "true/false", "whole number": "integer", ", as text": "", " of text": "", "`, `": "`/`"}
"""Words of lists in the place of those of tables."""
_CHOICES = 10
"""Most accepted values that a list of fields shows."""


class _Place(NamedTuple):
    """A table of a file: its heading, its model and its meaning."""

    head: str
    model: Model
    meaning: str = ""


def catalogue() -> str:
    """Return the list of a catalogue's keys."""
    return _places(Catalogue)


def channels() -> str:
    """Return the list of the keys of the channels file."""
    return _places(ChannelFile)


def registration() -> str:
    """Return the list of the fields that register a complaint."""
    return wrapped(explained(_entries(NewComplaint)))


def filters() -> str:
    """Return the list of the parameters of a list of complaints."""
    return wrapped(explained(_entries(Listing)))


def options() -> str:
    """Return the list of all arguments and options, by command."""
    found = _commands(typer.main.get_command(cli.app), "")
    entries = {f"`{name}`": [*map(_option, command.params)] for name, command in found if command.params}
    return sections("By command", entries)


def _option(parameter: Any) -> Entry:  # noqa: ANN401 - the library's own types are private
    written = parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
    default = "" if parameter.default in (None, False, "") else f"(default {parameter.default}): "
    return f"{written}{'' if parameter.required else '?'}", default + parameter.help


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - the library's own types are private
    for own, command in getattr(group, "commands", {}).items():
        yield from _commands(command, f"{name} {own}".lstrip())
    if not hasattr(group, "commands"):
        yield name, group


def _places(file: Model) -> str:
    """Return the keys of a file: of each table, then of the tables in it, each heading once."""
    ahead, found = [_Place("the file", file)], dict[str, list[Entry]]()
    told = set[str]()
    while ahead:
        place = ahead.pop(0)
        if place.head not in told:
            told.add(place.head)
            inner = {
                name: [
                    _inner(place.head, name, field, CalendarRules if model is WorkCalendar else model)
                    for model in _models(field.annotation)
                ]
                for name, field in place.model.model_fields.items()
            }
            tables = {name for name, places in inner.items() if any(each.model not in _INLINE for each in places)}
            # A table that is an inline one with more keys refers to it.
            others = (each for each, word in _INLINE.items() if issubclass(place.model, each) and word != place.head)
            base = next(others, None)
            tables |= base.model_fields.keys() if base else set()
            own = [entry for entry in _entries(place.model) if entry[0].rstrip("?") not in tables]
            if own:
                head = f"**{place.head}**{f' ({place.meaning})' * bool(place.meaning)}"
                found[f"{head}, with the keys of {_INLINE[base]}" if base else head] = own
            ahead[:0] = [each for places in inner.values() for each in places]
    return sections("By table", found)


def _keys(model: Model) -> Iterator[tuple[str, str, str]]:
    with_defaults = model.model_config.get("json_schema_serialization_defaults_required", False)
    for name, field in model.model_fields.items():
        if name not in _UNWRITTEN and not field.exclude:
            mark = "" if field.is_required() or (with_defaults and not field.exclude_if) else "?"
            yield f"{name}{mark}", _takes(field), _meaning(field)


def _meaning(field: FieldInfo) -> str:
    said = (inspect.getdoc(model) for model in _models(field.annotation) if model not in _INLINE)
    return field.description or (next(said, "") or "").partition("\n")[0]


def _entries(model: Model) -> Iterator[Entry]:
    """Yield each key with what it takes, unless that is text or one of many values, and its meaning."""
    for name, takes, meaning in _keys(model):
        choices = re.findall("`([a-z0-9_]+)`", takes)
        told = len(choices) > _CHOICES or all(choice in meaning for choice in choices)
        shown = "" if takes == "text" or (choices and told) else takes
        for long, short in _SHORTER.items():
            shown = shown.replace(long, short)
        if name != "kind":
            yield name, f"({shown})" * bool(shown) + ": " * bool(shown and meaning) + _sentence(meaning)


def _sentence(text: str) -> str:
    return text if not text or text.endswith(".") else f"{text}."


def _inner(outer: str, name: str, field: FieldInfo, model: Model) -> _Place:
    """Return the table that a field contains."""
    if model in _INLINE:
        return _Place(_INLINE[model], model)
    path = f"{re.sub('[^a-z_.]', '', outer) if '[' in outer else ''}.{name}".removeprefix(".")
    origin = get_origin(_bare(field.annotation))
    if "code" in model.model_fields or origin is dict:
        years = origin is dict and _type(get_args(_bare(field.annotation))[0]) == _WORDS[int]
        head = f"`[{path}.{'YEAR' if years else 'NAME'}]`"
    else:
        head = f"`[[{path}]]`" if origin is tuple else f"`[{path}]`"
    if "kind" in model.model_fields:
        (kind,) = get_args(model.model_fields["kind"].annotation)
        return _Place(f'{head} with `kind = "{kind}"`', model)
    meaning = "" if head.strip("`") in _meaning(field) else _meaning(field).removesuffix(".")
    meaning = meaning.removesuffix(", and where it comes from")
    return _Place(head if field.is_required() else f"{head}?", model, meaning)


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
    return f"{_type(field.annotation)} {bounds(field)}".rstrip()


def bounds(field: FieldInfo) -> str:
    """Return the accepted range, as `1–200`, `≥0` or `>0–60`; empty without one."""
    found = {sign: getattr(rule, sign) for rule in field.metadata for sign in ("ge", "gt", "le") if hasattr(rule, sign)}
    least = f">{found['gt']}" if "gt" in found else str(found.get("ge", ""))
    return f"{least}–{found['le']}" if "le" in found else f"{'≥' * ('ge' in found)}{least}"


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
