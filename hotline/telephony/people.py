"""People at the telephone: the names that the telephone system has for them, and their roster (排班)."""

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple

from domain.calls.call import LONGEST_DUTY, Duty
from domain.shared.errors import FileError
from hotline.files.formats import ColumnFile, LineFault, Row, instant_in
from readmodel.people.people import Directory, folded

EXTENSION_COLUMNS = {"extension": "分机", "person": "人员"}
ROSTER_COLUMNS = {"person": "人员", "from": "上班", "to": "下班"}
"""Columns of the files by name, with the Chinese names; all are required."""
NO_PERSON = "there is no such person; accepted: an id that `hotline person list` shows, or a name that one person has"
NAME = re.compile(r"[^\x00-\x1f\x7f]{1,80}")
"""Name that can be kept, of an agent or a queue."""
_CHANNEL = re.compile(r"(?:[A-Za-z][A-Za-z0-9]*/)?([^@/;]+?)(?:@[^;]*)?(?:-[0-9a-f]{8})?(?:;[12])?")
"""`PJSIP/chen-0000001a`, `Local/chen@agents/n`, `Agent/1001`: the name without technology, context and suffix."""


class Agents:
    """People by the names that the telephone system has for them.

    Ids of people by extension come before the directory, where those who have left are found by their ids.
    """

    def __init__(self, directory: Directory, extensions: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._known = {extension: (person, True) for extension, person in (extensions or {}).items()}

    def named(self, column: str, channel: str) -> tuple[str, bool]:
        """Id of the person and True, or the name and False if nobody has it. Raises LineFault."""
        name = stripped(channel)
        if name not in self._known:
            person = person_id(self._directory, name)
            if person is None and not NAME.fullmatch(name):
                raise LineFault(column, "accepted: the name of an agent, at most 80 characters")
            self._known[name] = (name, False) if person is None else (person, True)
        return self._known[name]


def stripped(channel: str) -> str:
    """Drop technology and suffix of a name, and nothing of a text of another form."""
    found = _CHANNEL.fullmatch(channel)
    return (found[1] if found else channel).strip()


def person_id(directory: Directory, text: str) -> str | None:
    """Find a person by id, or else by a unique name; None if there is none."""
    wanted = folded(text)
    found = [each for each in directory.people if folded(each.id) == wanted] or directory.named(text)
    return found[0].id if len(found) == 1 else None


def known_id(directory: Directory, text: str) -> str:
    """As `person_id`. Raises LineFault if there is no such person."""
    if (found := person_id(directory, text)) is None:
        raise LineFault("person", NO_PERSON)
    return found


def load_extensions(path: Path, encoding: str, directory: Directory) -> dict[str, str]:
    """Ids of people by extension. Raises FileError and OSError."""
    source = ColumnFile(path, EXTENSION_COLUMNS, tuple(EXTENSION_COLUMNS), "an extension and a person")

    def extension(row: Row) -> tuple[str, str]:
        name = stripped(row["extension"])
        source.note_repeated(name, ", extension: it stands on line {} already")
        return name, known_id(directory, row["person"])

    return dict(source.read(encoding, extension))


class RosterFile(NamedTuple):
    """Duties of a file, and the days that they cover: from midnight before the first start to that after the last."""

    duties: list[Duty]
    start: datetime
    end: datetime


def load_roster(path: Path, encoding: str, zone: tzinfo, directory: Directory) -> RosterFile:
    """Count times without a zone as of `zone`. Raises FileError and OSError."""
    source = ColumnFile(path, ROSTER_COLUMNS, tuple(ROSTER_COLUMNS), "a person, and when the duty begins and ends")
    before: defaultdict[str, list[tuple[int, Duty]]] = defaultdict(list)

    def duty(row: Row) -> Duty:
        person, starts_at = known_id(directory, row["person"]), instant_in(zone, "from", row["from"])
        ends_at = instant_in(zone, "to", row["to"], starts_at)
        if not starts_at < ends_at <= starts_at + LONGEST_DUTY:
            raise LineFault("to", "accepted: a time after from, at most 25 hours later")
        made = Duty(person, starts_at, ends_at)
        for line, other in before[person]:
            if made.overlaps(other):
                raise LineFault("from", f"it overlaps the duty of line {line}; accepted: duties one after the other")
        before[person].append((source.line, made))
        return made

    duties = sorted(source.read(encoding, duty))
    if not duties:
        raise FileError([f"{path}, line 1: no duty follows; accepted: a line for each duty"])
    days = [each.starts_at.astimezone(zone).date() for each in duties]
    midnights = (datetime.combine(day, time(), zone) for day in (min(days), max(days) + timedelta(days=1)))
    return RosterFile(duties, *(each.astimezone(UTC) for each in midnights))
