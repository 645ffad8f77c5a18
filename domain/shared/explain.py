"""Explanations of pydantic's errors for people: the place, what is wrong there, and what is accepted."""

from collections.abc import Container, Sequence
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from domain.shared.value import CALL_ID, LINES, ONE_LINE, PHONE, RECORDING_URL

Location = Sequence[str | int]
_FORMS = {
    LINES: (
        "Text without control characters but line ends and tabs, without hidden characters and marks of direction",
        "应填文字，不含控制字符（换行和制表符除外）和不可见字符",
    ),
    ONE_LINE: (
        "Text without control characters, hidden characters and marks of direction",
        "应填一行文字，不含控制字符和不可见字符",
    ),
    r"^[a-z][a-z0-9_]{0,39}$": (
        "A code: a lower-case letter, then lower-case letters, digits or _, at most 40 in all",
        "应填代码：小写字母开头，只含小写字母、数字和下划线，不超过 40 个字符",
    ),
    PHONE: (
        "A telephone number: 3 to 25 digits, spaces or dashes, + before them if need be",
        "应填电话号码：3 至 25 位数字、空格或连字符，前面可加 +",
    ),
    r"^[0-9A-Za-z-]{1,32}$": (
        "An account number: 1 to 32 letters, digits or dashes",
        "应填户号：1 至 32 位字母、数字或连字符",
    ),
    CALL_ID: (
        "The id of a call: 1 to 80 visible ASCII characters",
        "应填来电编号：1 至 80 个可见的 ASCII 字符",
    ),
    RECORDING_URL: (
        "An address of http or https in visible ASCII characters",
        "应填 http 或 https 网址，只含可见的 ASCII 字符",
    ),
    r"^[iI][0-9]{11}$": (
        "A number of an incident: i and eleven digits",
        "应填突发事件编号：i 加 11 位数字",
    ),
}
"""Accepted forms by pattern, in English and Chinese."""
_PLAIN = {
    **dict.fromkeys(("tuple_type", "set_type", "frozen_set_type"), "Input should be a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "Input should be an object"),
}
"""Messages of faults that pydantic words for Python, by type."""


def form_of(fault: ErrorDetails) -> tuple[str, str]:
    """Return the form that a text must have, in English and Chinese, if its pattern is not kept."""
    return _FORMS.get(str(fault.get("ctx", {}).get("pattern")), (message(fault), "格式不对"))


def message(fault: ErrorDetails) -> str:
    """Return pydantic's message without Python's words, and without the prefix of our own validators' messages."""
    plain = _PLAIN.get(fault["type"], fault["msg"])
    return plain.removeprefix("Value error, ").replace("Tuple should", "List should")


def causes(faults: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Return the faults without those of lists that are too short only because faulty items do not count."""
    outer = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    return [fault for fault in faults if fault["type"] != "too_short" or fault["loc"] not in outer]


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


def tables_at(root: object, location: Location) -> list[type[BaseModel]]:
    """Return the models that an unknown key of a place may be meant for: of one of several roots if the place tells."""
    models = [model for part in get_args(root) or (root,) if (model := _nested(part))]
    known = [model for model in models if not location or location[0] in model.model_fields]
    return [table_at(model, location) for model in known or models]


def explain(fault: ErrorDetails, table: type[BaseModel], hidden: Container[str] = ()) -> str:
    """Return what is wrong with a key of a table, and what is accepted. An input that the fault has is quoted.

    `table` is the model that has the key, or should have it; `hidden` are fields that no file has.
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


def _nested(annotation: object) -> type[BaseModel] | None:
    """Return the model in an annotation like `tuple[Model, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _nested(part))), None)
