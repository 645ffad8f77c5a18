"""Effects of an action on the promises of a case, told before it is sent: it is tried on a copy of the case."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from pydantic import ValidationError

from api.desk import words
from api.desk.forms import Field
from api.desk.words import Names
from domain.case.actions import COMMANDS, link_incident
from domain.case.case import Case
from domain.case.clocks import APPROVE, Clock, ClockStatus
from domain.kit.event import Command
from domain.shared.actors import Actor
from domain.shared.errors import Refused
from domain.shared.value import Phrase

_DECIDING = ("approved", "outcome")
"""Inputs on whose choice it depends what an action does."""
_ENDS: dict[ClockStatus, Phrase] = {
    ClockStatus.MET: ("停止计时，按时完成", "stops, kept in time"),
    ClockStatus.MISSED: ("停止计时，已超时", "stops, missed"),
    ClockStatus.CANCELLED: ("取消", "is cancelled"),
}
_STARTS: Phrase = ("开始计时，%s 到期", "starts, due %s")
_ANEW: Phrase = ("重新计时，%s 到期", "starts anew, due %s")
_RUNS: Phrase = ("恢复计时，%s 到期", "runs again, due %s")
_MOVES: Phrase = ("改为 %s 到期", "is due %s instead")
_PAUSES: Phrase = ("暂停计时", "is paused")


class Effect(NamedTuple):
    """Changes of the promises in words; `choice` is the input on which they depend, empty if it is none."""

    choice: str
    changes: list[str]


def effects_of(
    case: Case, name: str, fields: Sequence[Field], actor: Actor, at: datetime, names: Names
) -> Iterator[Effect]:
    """Yield what the action would do to promises now, by choice; nothing if it would change none."""
    before = case.model_copy()
    before.advance(at)
    deciding = next((field for field in fields if field.name in _DECIDING), None)
    choices: Sequence[tuple[str | None, Phrase]] = deciding.choices if deciding else ((None, ("", "")),)
    leaves = name == link_incident.ACTION.name and case.incident is not None
    if leaves:
        choices = ((None, words.UNDO[name]),)
    for code, choice in choices:
        chosen = {"incident": None} if leaves else {deciding.name: code} if deciding else {}
        after = next(_afterwards(before, name, chosen, fields, actor, at), None)
        if after and (changes := [*_changes(before, after, names)]):
            yield Effect(names.say(choice), changes)


def _afterwards(
    case: Case, name: str, chosen: dict[str, Any], fields: Sequence[Field], actor: Actor, at: datetime
) -> Iterator[Case]:
    """Yield the case as the action would leave it, for each body like its example that is possible."""
    body = COMMANDS[name].body
    example = COMMANDS[name].example.model_dump(exclude_none=True)
    needed = {each: value for each, value in example.items() if body.model_fields[each].is_required()}
    asked = next((field.choices for field in fields if field.name == "department" and field.required), ())
    departments = [{"department": code} for code, _ in asked if code != case.department]
    for given in (needed, example):
        for where in departments or [{}]:
            try:
                command = Command(actor=actor, body=body.model_validate(given | chosen | where))
                yield case.preview(command, at)[0]
            except (ValidationError, Refused):
                continue


def _changes(before: Case, after: Case, names: Names) -> Iterator[str]:
    """Yield them in the order of the clocks; of a promise that starts anew, nothing else."""
    known = {(clock.name, clock.part) for clock in before.clocks if clock.started_at}
    told = dict[tuple[str, int], str]()
    for was, now in zip_longest(before.clocks, after.clocks):
        promise = now.name, now.part
        due_before, due = (names.local(each.due_at(after.calendar) if each else None) for each in (was, now))
        said = _change(was, now, is_known=promise in known, moves=due_before != due)
        if said and now.name != APPROVE:
            told[promise] = names.say(said).replace("%s", due)
    for (name, part), change in told.items():
        # Of a new part, the department is that of the example.
        is_old = 0 < part <= len(before.parts)
        whose = f"{names.department(after.parts[part - 1].department)} " if is_old else ""
        yield f"{whose}{names.say(words.CLOCK[name])}{names.say(('：', ': '))}{change}"


def _change(was: Clock | None, now: Clock, *, is_known: bool, moves: bool) -> Phrase | None:
    """`is_known`: the promise was counted before, by this clock or another; `moves`: it is due at another minute."""
    if not now.live:
        return _ENDS[now.status] if was and was.live else None
    if now.running_since is None:
        return _PAUSES if was and was.running_since else None
    if was is None or was.started_at is None:
        return _ANEW if is_known else _STARTS
    if was.running_since is None:
        return _RUNS
    return _MOVES if moves else None
