"""Forms of actions and intakes, computed from the models of their bodies: a new field has its input here."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, Literal, NamedTuple, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from api.desk.words import VALUES, of_code, words_of
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import CustomerClass
from domain.shared.value import NamedCode, exhaustive
from workflows.kit.words import Phrase

Kind = Literal["choice", "truth", "several", "texts", "lines", "line", "instant", "number"]
_SECTIONS = {
    "department": "departments",
    "takes_over": "departments",
    "district": "districts",
    "districts": "districts",
    "service_code": "services",
    "services": "services",
    "findings": "findings",
}
"""Sections of the catalogue whose codes a field takes."""
_LONG = 300
"""Characters from which a text gets several lines."""
_WHOLE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,15})?", re.ASCII)


class Field(NamedTuple):
    """Input of a form. `name` is the field of the body, with a dot before a field within a field.

    `several` are ticked among the choices; `texts` are typed, one on a line.
    `clears`: the field must be given, and an empty input gives null.
    """

    name: str
    words: Phrase
    kind: Kind
    required: bool
    choices: tuple[tuple[str, Phrase], ...] = ()
    longest: int | None = None
    clears: bool = False


def fields_of(model: type[BaseModel], catalogue: Catalogue, within: str = "") -> Iterator[Field]:
    """Yield the inputs of a body, in the order of its model; a note comes last."""
    shown = _schemas(model)
    for name in sorted(model.model_fields, key="note".__eq__):
        info = model.model_fields[name]
        if inner := _model_in(info):
            yield from fields_of(inner, catalogue, f"{within}{name}.")
            continue
        types = shown[name].get("anyOf", [shown[name]])
        *_, option = options = [each for each in types if each.get("type") != "null"]
        choices = _choices(name, info, option, catalogue)
        longest = option.get("maxLength")
        required, kind = info.is_required() and not within, _kind(option, choices, longest or 0)
        clears = required and len(types) > len(options)
        named = words_of(name, model)
        yield Field(f"{within}{name}", named, kind, required and not clears, choices, longest, clears)


@cache
def _schemas(model: type[BaseModel]) -> Mapping[str, Any]:
    """Schemas of the fields, by name; to make them takes milliseconds."""
    shown: Mapping[str, Any] = model.model_json_schema()["properties"]
    return shown


def _types(info: FieldInfo) -> Iterator[type]:
    yield from (each for each in (info.annotation, *get_args(info.annotation)) if isinstance(each, type))


def _model_in(info: FieldInfo) -> type[BaseModel] | None:
    return next((each for each in _types(info) if issubclass(each, BaseModel)), None)


def _choices(
    name: str, info: FieldInfo, option: Mapping[str, Any], catalogue: Catalogue
) -> tuple[tuple[str, Phrase], ...]:
    if section := _SECTIONS.get(name):
        return tuple((each.code, (each.name_zh, each.name)) for each in getattr(catalogue, section))
    if named := next((each for each in _types(info) if issubclass(each, NamedCode)), None):
        return tuple((member.value, of_code(member)) for member in named)
    # The schema of codes that may be given by name has no `enum`.
    codes = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    values = ("true", "false") if option.get("type") == "boolean" else option.get("enum", codes)
    return tuple((value, VALUES[value]) for value in values)


def _kind(option: Mapping[str, Any], choices: Sequence[object], longest: int) -> Kind:
    if option.get("type") == "array":
        return "several" if choices else "texts"
    if option.get("type") == "boolean":
        return "truth"
    if choices:
        return "choice"
    if option.get("format") == "date-time":
        return "instant"
    if option.get("type") in ("integer", "number"):
        return "number"
    return "lines" if longest > _LONG else "line"


def body_of(fields: Sequence[Field], given: Mapping[str, Sequence[str]], zone: str) -> dict[str, Any]:
    """Body of the action from what was typed: empty inputs are left out, local times are of this zone.

    What cannot be read stays as it was typed: the API says what is wrong with it.
    """
    body: dict[str, Any] = {}
    for field in fields:
        values = [value for value in given.get(field.name, ()) if value.strip()]
        if not (values or field.clears):
            continue
        *outer, name = field.name.split(".")
        place = body
        for each in outer:
            place = place.setdefault(each, {})
        if field.kind == "texts":
            values = [line.strip() for value in values for line in value.splitlines() if line.strip()]
        found = [_value(field, value, zone) for value in values]
        place[name] = found if field.kind in ("several", "texts") else next(iter(found), None)
    return body


def _value(field: Field, text: str, zone: str) -> Any:  # noqa: ANN401 - as JSON has it
    if field.kind == "truth":
        return {"true": True, "false": False}.get(text, text)
    if field.kind == "number":
        number = text.strip()
        if _WHOLE.fullmatch(number):
            return int(number)
        return float(number) if _DECIMAL.fullmatch(number) else text
    if field.kind == "instant":
        with suppress(ValueError):
            read = datetime.fromisoformat(text)
            return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))).isoformat()
    return text


exhaustive("VALUES", get_args(CustomerClass), VALUES)
