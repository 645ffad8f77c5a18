"""Agents as the telephone system names them, and the people who they are."""

import re
from collections.abc import Mapping
from pathlib import Path

from hotline.files.formats import ColumnFile, LineFault, Row
from readmodel.people.people import Directory, folded

COLUMNS = {"extension": "分机", "person": "人员"}
"""Columns of a file of extensions, with the Chinese names."""
NOBODY = "there is no such person; accepted: an id that `hotline person list` shows, or a name that one person has"
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
        self._known: dict[str, tuple[str, bool]] = {
            extension: (person, True) for extension, person in (extensions or {}).items()
        }

    def named(self, channel: str) -> tuple[str, bool]:
        """Return the id of the person, and True; if nobody has this name, the name and False."""
        name = stripped(channel)
        if name not in self._known:
            person = person_id(self._directory, name)
            self._known[name] = (name, False) if person is None else (person, True)
        return self._known[name]


def stripped(channel: str) -> str:
    """Return a name without technology and suffix, or the whole text if it has another form."""
    found = _CHANNEL.fullmatch(channel)
    return (found[1] if found else channel).strip()


def person_id(directory: Directory, text: str) -> str | None:
    """Return the id of the person of this id, or else of this unique name; None if there is none."""
    wanted = folded(text)
    found = [each for each in directory.people if folded(each.id) == wanted] or directory.named(text)
    return found[0].id if len(found) == 1 else None


def known_id(directory: Directory, text: str) -> str:
    """Return the id as `person_id` does. Raises LineFault if there is no such person."""
    if (found := person_id(directory, text)) is None:
        raise LineFault("person", NOBODY)
    return found


def load_extensions(path: Path, encoding: str, directory: Directory) -> dict[str, str]:
    """Return the ids of people by extension, from a CSV file with the columns `extension` and `person`.

    Raises FileError if a line cannot be used, and OSError if the file cannot be read.
    """
    source = ColumnFile(path, COLUMNS, tuple(COLUMNS), "an extension and a person")

    def extension(row: Row) -> tuple[str, str]:
        name = stripped(row["extension"])
        source.note_repeated(name, ", extension: it stands on line {} already")
        return name, known_id(directory, row["person"])

    found = source.read(encoding, extension)
    source.check()
    return dict(pair for _, pair in found)
