"""Reader of the files in which a telephone system lists calls: checked to the end before a call is written.

What the lines tell waits in a temporary file, so that the size of a file does not matter.
"""

import csv
import os
import pickle
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple

from domain.calls.call import Call
from domain.shared.errors import FileError
from hotline.files.formats import LineFault, wrong_encoding
from hotline.telephony.people import Agents

CALLS_TOGETHER = 2000
"""Calls of one transaction: others wait for it."""
MOST_FAULTS = 20
"""Most faults of a file that are listed; the others are counted."""
_MARK = b"\xef\xbb\xbf"


class LeftOutLine(NamedTuple):
    """Reason for which a line is left out, as it is counted. `torn` is as that of `LineFault`."""

    reason: str
    torn: bool = False


def windows(calls: Iterable[Call]) -> Iterator[list[Call]]:
    """Yield the calls in groups, each merged from reports of it that lie close together."""
    held: dict[str, Call] = {}
    for call in calls:
        before = held.get(call.call_id)
        held[call.call_id] = before.merged(call) if before else call
        if len(held) == 2 * CALLS_TOGETHER:
            # The later half may still get further lines.
            yield [held.pop(call_id) for call_id in [*islice(held, CALLS_TOGETHER)]]
    for start in range(0, len(held), CALLS_TOGETHER):
        yield [*islice(held.values(), start, start + CALLS_TOGETHER)]


class CallFormat(ABC):
    """Format of such a file, which names people as `agents` know them. Nothing in it is later than `latest`.

    `dialect` are options of the csv module. `width` is the number of cells of a line; 0: it differs, and only its line
    break shows that a line is whole.
    """

    dialect: ClassVar[Mapping[str, Any]] = {}
    width: ClassVar = 0

    def __init__(self, agents: Agents, latest: datetime) -> None:
        self._agents = agents
        self._latest = latest

    @abstractmethod
    def call(self, cells: Sequence[str]) -> Call | LeftOutLine | None:
        """None if the line tells nothing about a call. Raises LineFault."""


class CallFile:
    """File of the telephone system, opened once: what is appended later is for the next import.

    `file` was opened by its path in binary mode, and is seekable. `spool` is a temporary file for what the lines tell.
    """

    def __init__(self, file: BinaryIO, spool: BinaryIO, format: CallFormat, encoding: str) -> None:  # noqa: A002 - it is one
        self.path = Path(file.name)
        self.format = format
        self.left_out: Counter[str] = Counter()
        """Numbers of lines by the reason for which they were left out."""
        self.first_lines: dict[str, int] = {}
        """First line of each reason."""
        self.torn_line: int | None = None
        """Last line, if its end is missing."""
        self._file = file
        self._spool = spool
        self._encoding = encoding
        self._size = os.fstat(file.fileno()).st_size
        self._whole = True
        self._faults: list[str] = []
        self._further_faults = 0

    def check(self) -> None:
        """Read all lines, and note what is left out. Raises FileError with the first faults."""
        self._spool.seek(0)
        self._spool.truncate()
        for group in windows(self._read()):
            if not self._faults:
                pickle.dump(group, self._spool, pickle.HIGHEST_PROTOCOL)
        if self._further_faults:
            self._faults.append(f"{self.path}: {self._further_faults} further lines cannot be used")
        if self._faults:
            raise FileError(self._faults)

    def groups(self) -> Iterator[list[Call]]:
        """Yield the calls of a checked file in groups, each merged from what lines that lie close together tell."""
        self._spool.seek(0)
        with suppress(EOFError):
            while True:
                yield pickle.load(self._spool)  # noqa: S301 - written by this process

    def _read(self) -> Iterator[Call]:
        self.left_out.clear()
        rows = csv.reader(self._lines(), strict=True, **self.format.dialect)
        line, width = 1, 0
        while True:
            try:
                cells = next(rows, None)
                if cells is None:
                    return
                found = self._parsed(cells, width)
            except (LineFault, csv.Error, UnicodeDecodeError) as fault:
                torn = not self._whole and rows.line_num <= line and getattr(fault, "torn", True)
                if torn:
                    self.torn_line = line
                if not torn or (line == 1 and self.format.width):
                    self._note_fault(line, fault)
                if torn or not isinstance(fault, LineFault):
                    return
            else:
                width = width or len(cells)
                if isinstance(found, Call):
                    yield found
                elif found is not None:
                    self._leave_out(found, line)
            line = rows.line_num + 1

    def _parsed(self, cells: Sequence[str], width: int) -> Call | LeftOutLine | None:
        if not self._whole and (not self.format.width or len(cells) < (width or self.format.width)):
            raise LineFault("", "its end is missing", torn=True)
        return self.format.call(cells) if cells else None

    def _leave_out(self, found: LeftOutLine, line: int) -> None:
        if found.torn and not self._whole:
            self.torn_line = line
        else:
            self.left_out[found.reason] += 1
            self.first_lines.setdefault(found.reason, line)

    def _note_fault(self, line: int, fault: Exception) -> None:
        if len(self._faults) == MOST_FAULTS:
            self._further_faults += 1
            return
        reason = str(fault)
        if isinstance(fault, UnicodeDecodeError):
            reason = wrong_encoding(self._encoding)
        elif isinstance(fault, csv.Error):
            reason = f": {fault}; from here on the file cannot be read. Is a quotation mark missing?"
        self._faults.append(f"{self.path}, line {line}{reason}")

    def _lines(self) -> Iterator[str]:
        self._file.seek(0)
        left = self._size
        self._whole = True
        for read in self._file:
            raw = read[:left]
            if left == self._size:
                raw = raw.removeprefix(_MARK)
            left -= len(read)
            self._whole = raw.endswith(b"\n")
            yield raw.decode(self._encoding)
            if left <= 0:
                return
