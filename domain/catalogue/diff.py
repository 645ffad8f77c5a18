"""Differences between two catalogues (服务目录), in words, for the person who puts one in force."""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import singledispatch
from typing import Any

from pydantic import BaseModel

from domain.catalogue.catalogue import Catalogue
from domain.catalogue.norms import Count, Duration, Duty, Share, WorkingDays
from domain.shared.value import Coded

_UNTOLD = frozenset({"source", "sources", "also", "when", "calendar_file", "code", "offsets"})
"""Fields that are not compared: sources change nothing, and time zone rules are not the company's."""
NAMED = 30
"""Days that are told one by one."""
PAIR = 2
_FIGURES = (Duration, Count, Share, WorkingDays)
"""Values that are compared as a whole."""


def changes(old: Catalogue, new: Catalogue) -> list[str]:
    """Each difference as `where: before → after`, in the order of the file; empty where there is none that counts."""
    return list(_differences("", old, new))


def _differences(path: str, old: Any, new: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a catalogue
    if old == new:
        return
    if _is_many(old, new, Coded):
        yield from _of_coded(path, {each.code: each for each in old}, {each.code: each for each in new})
    elif _is_many(old, new, date):
        yield from _of_days(path, sorted({*new} - {*old}), "new")
        yield from _of_days(path, sorted({*old} - {*new}), "gone")
    elif isinstance(old, BaseModel) and type(old) is type(new) and not isinstance(old, _FIGURES):
        for name in type(old).model_fields:
            if name not in _UNTOLD:
                yield from _differences(f"{path}.{name}".lstrip("."), getattr(old, name), getattr(new, name))
    elif (before := _said(old)) != (after := _said(new)):
        yield f"{path}: {before} → {after}"


def _of_coded(path: str, old: dict[str, Coded], new: dict[str, Coded]) -> Iterator[str]:
    for code in (*old, *(code for code in new if code not in old)):
        if code not in new:
            yield f"{path}.{code}: is gone ({old[code].name} {old[code].name_zh})"
        elif code not in old:
            yield f"{path}.{code}: is new ({new[code].name} {new[code].name_zh})"
        else:
            yield from _differences(f"{path}.{code}", old[code], new[code])


def _of_days(path: str, days: Sequence[date], what: str) -> Iterator[str]:
    """Name a year's holidays; of a whole calendar's, say how many."""
    if days:
        named = ", ".join(map(str, days)) if len(days) <= NAMED else f"{len(days)} days, {days[0]} to {days[-1]}"
        yield f"{path}: {what}: {named}"


def _is_many(old: Any, new: Any, kind: type) -> bool:  # noqa: ANN401 - as above
    both = (old, new)
    return (
        all(isinstance(each, tuple) for each in both)
        and all(isinstance(item, kind) for each in both for item in each)
        and any(both)
    )


@singledispatch
def _said(value: object) -> str:
    """In words; what has none of its own, as it is written."""
    return "-" if value is None else str(value)


@_said.register
def _(value: BaseModel) -> str:
    told = ((name, getattr(value, name)) for name in type(value).model_fields if name not in _UNTOLD)
    return ", ".join(f"{name} {_said(each)}" for name, each in told if each not in (None, ()))


@_said.register
def _(value: tuple) -> str:  # type: ignore[type-arg]
    if len(value) == PAIR and all(isinstance(each, int) for each in value):
        return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in value)
    return "; ".join(map(_said, value)) or "-"


@_said.register
def _(value: Count) -> str:
    return str(value.count)


@_said.register
def _(value: Share) -> str:
    return f"{value.percent:g} %"


@_said.register
def _(value: WorkingDays) -> str:
    return f"{value.working_days} working days"


@_said.register
def _(value: Duration) -> str:
    said = ", ".join(f"{amount:g} {unit.replace('_', ' ')}" for unit, amount in value.units().items())
    if not isinstance(value, Duty):
        return said
    if value.in_call:
        return "in the call"
    extra = [f"outskirts {value.outskirts_minutes:g} minutes"] if value.outskirts_minutes else []
    extra += ["working time"] if value.calendar == "working" else []
    extra += [f"from the {value.starts}"] if value.starts else []
    return ", ".join([said, *extra])
