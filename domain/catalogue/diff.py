"""Differences between two catalogues (服务目录), in words, for the person who puts one in force."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel

from domain.catalogue.catalogue import Catalogue
from domain.catalogue.norms import ClockNorm, Count, Duration, Share, WorkingDays
from domain.shared.value import Coded

_NOT_COMPARED = frozenset({"source", "sources", "also", "when", "calendar_file", "code", "offsets"})
"""Fields that are not compared: sources change nothing, and time zone rules are not the company's."""
MOST_DAYS_NAMED = 30
_FIGURES = (Duration, Count, Share, WorkingDays)


def changes(old: Catalogue, new: Catalogue) -> list[str]:
    """Each difference as `where: before → after`, in the order of the file; empty where there is none that counts."""
    return list(_differences("", old, new))


def _differences(path: str, old: Any, new: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a catalogue
    if old == new:
        return
    items = (*old, *new) if isinstance(old, tuple) and isinstance(new, tuple) else ()
    if items and all(isinstance(item, Coded) for item in items):
        yield from _of_coded(path, {each.code: each for each in old}, {each.code: each for each in new})
    elif items and all(isinstance(item, date) for item in items):
        yield from _of_days(path, sorted({*new} - {*old}), "new")
        yield from _of_days(path, sorted({*old} - {*new}), "gone")
    elif isinstance(old, BaseModel) and type(old) is type(new) and not isinstance(old, _FIGURES):
        for name in type(old).model_fields:
            if name not in _NOT_COMPARED:
                yield from _differences(f"{path}.{name}".lstrip("."), getattr(old, name), getattr(new, name))
    elif (before := _in_words(old)) != (after := _in_words(new)):
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
    if days:
        named = (
            ", ".join(map(str, days)) if len(days) <= MOST_DAYS_NAMED else f"{len(days)} days, {days[0]} to {days[-1]}"
        )
        yield f"{path}: {what}: {named}"


def _in_words(value: Any) -> str:  # noqa: ANN401 - as above
    match value:
        case None:
            words = "-"
        case Count():
            words = str(value.count)
        case Share():
            words = f"{value.percent:g} %"
        case WorkingDays():
            words = f"{value.working_days} working days"
        case Duration():
            words = _duration_in_words(value)
        case BaseModel():
            fields = ((name, getattr(value, name)) for name in type(value).model_fields if name not in _NOT_COMPARED)
            words = ", ".join(f"{name} {_in_words(each)}" for name, each in fields if each not in (None, ()))
        case int(opens), int(closes):
            words = "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (opens, closes))
        case tuple():
            words = "; ".join(map(_in_words, value)) or "-"
        case _:
            words = str(value)
    return words


def _duration_in_words(value: Duration) -> str:
    words = ", ".join(f"{amount:g} {unit.replace('_', ' ')}" for unit, amount in value.units().items())
    if not isinstance(value, ClockNorm):
        return words
    if value.in_call:
        return "in the call"
    extra = [f"outskirts {value.outskirts_minutes:g} minutes"] if value.outskirts_minutes else []
    extra += ["working time"] if value.calendar == "working" else []
    extra += [f"from the {value.starts}"] if value.starts else []
    return ", ".join([words, *extra])
