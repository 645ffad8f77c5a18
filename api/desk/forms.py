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

from api.desk.words import DECISIONS, VALUES, of_code, words_of
from domain.case.progress import LIMIT_REACHED
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import CustomerClass
from domain.shared.value import NamedCode, Phrase, exhaustive

Kind = Literal["choice", "truth", "several", "texts", "lines", "line", "instant", "number"]
_SECTIONS = {
    "department": "departments",
    "takes_over": "departments",
    "district": "districts",
    "districts": "districts",
    "service_code": "services",
    "services": "services",
    "findings": "findings",
    "ground": "exemptions",
}
"""Sections of the catalogue whose codes a field takes."""
NOTHING = "-"
"""Choice that there is to be nothing."""
WAS = "was."
"""Before the name of an input: the text that the form showed in it."""
POINT = {"location.lat", "location.lng"}
_LONG = 300
"""Characters from which a text gets several lines."""
_WHOLE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,15})?", re.ASCII)


class Field(NamedTuple):
    """Input of a form. `name` is the field of the body, with a dot before a field within a field.

    `several` are ticked among the choices; `texts` are typed, one on a line.
    """

    name: str
    words: Phrase
    kind: Kind
    required: bool
    choices: tuple[tuple[str, Phrase], ...] = ()


def fields_of(model: type[BaseModel], catalogue: Catalogue, within: str = "") -> Iterator[Field]:
    """Yield the inputs of a body, in the order of its model; a note comes last."""
    shown = _schemas(model)
    for name in sorted(model.model_fields, key="note".__eq__):
        info = model.model_fields[name]
        if inner := _model_in(info):
            yield from fields_of(inner, catalogue, f"{within}{name}.")
            continue
        *_, option = (each for each in shown[name].get("anyOf", [shown[name]]) if each.get("type") != "null")
        choices = _choices(name, info, option, catalogue)
        required, kind = info.is_required() and not within, _kind(option, choices)
        yield Field(f"{within}{name}", words_of(name, model), kind, required, choices)


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
        own = (LIMIT_REACHED,) if name == "ground" else ()
        entries = ((each.code, (each.name_zh, each.name)) for each in getattr(catalogue, section))
        return (*entries, *((code, VALUES[code]) for code in own))
    if named := next((each for each in _types(info) if issubclass(each, NamedCode)), None):
        return tuple((member.value, of_code(member)) for member in named)
    # The schema of codes that may be given by name has no `enum`.
    codes = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    values = ("true", "false") if option.get("type") == "boolean" else option.get("enum", codes)
    said = DECISIONS if name == "approved" else VALUES
    return tuple((value, said[value]) for value in values)


def _kind(option: Mapping[str, Any], choices: Sequence[object]) -> Kind:
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
    return "lines" if option.get("maxLength", 0) > _LONG else "line"


def body_of(fields: Sequence[Field], given: Mapping[str, Sequence[str]], zone: str) -> dict[str, Any]:
    """Body of the action from what was typed: empty inputs are left out, local times are of this zone.

    What was chosen to be nothing, or cleared, is null. What cannot be read stays as it was typed: the API says what is
    wrong with it.
    """
    body: dict[str, Any] = {}
    for field in fields:
        typed = given.get(field.name, [""])
        values = [value for value in typed if value.strip() and (value != NOTHING or not field.choices)]
        if not values and typed not in ([], [NOTHING]):
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


def present(fields: Sequence[Field], facts: Mapping[str, Any]) -> dict[str, str]:
    """Texts of the inputs that show these facts, by their names; facts of a part of the case are within it."""
    found = {}
    for field in fields:
        part, _, name = field.name.rpartition(".")
        value = (facts[part] if part else facts).get(name)
        if value is not None and (not field.choices or value in dict(field.choices)):
            found[field.name] = str(value)
    return found


def edited(given: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Leave out inputs that are as they were shown, by `was.` and their names; what was emptied is cleared."""
    shown = {name.removeprefix(WAS): values for name, values in given.items() if name.startswith(WAS)}
    as_shown = {name for name, values in shown.items() if given.get(name) == values}
    if not as_shown >= POINT:  # coordinates go together
        as_shown -= POINT
    others = {name: values for name, values in given.items() if name not in as_shown}
    return {name: [] for name in shown.keys() - as_shown} | others


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
