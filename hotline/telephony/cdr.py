"""Call detail records (话单) of Asterisk in CSV: `Master.csv` of its module cdr_csv.

Columns and their options are those of `cdr.conf`: the first sixteen are always there.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Any, ClassVar

from domain.calls.call import Call, Timing
from domain.shared.text import CALL_ID, LONGEST_URL, PHONE, RECORDING_URL
from hotline.files.formats import TIME, LineFault, instant_in
from hotline.telephony.call_lines import LeftOutLine
from hotline.telephony.people import NAME, Agents

COLUMNS = (
    "accountcode",
    "src",
    "dst",
    "dcontext",
    "clid",
    "channel",
    "dstchannel",
    "lastapp",
    "lastdata",
    "start",
    "answer",
    "end",
    "duration",
    "billsec",
    "disposition",
    "amaflags",
    "uniqueid",
    "userfield",
)
ALWAYS = 16
"""Columns that are always there; `uniqueid` and `userfield` follow where `cdr.conf` switches them on."""
FURTHER = 3
"""Columns that `newcdrcolumns` adds at the end: peeraccount, linkedid, sequence. They are not read."""
OTHER_CONTEXT = LeftOutLine("rows of other contexts")
_ID = re.compile(CALL_ID)
_UNIQUE_ID = re.compile(r"([!-~]{1,50}-)?[0-9]{9,11}\.[0-9]{1,12}")
"""Id that Asterisk makes: perhaps the name of the system, then seconds and a count."""
_PHONE = re.compile(PHONE)
_URL = re.compile(RECORDING_URL)
_SECONDS = re.compile(r"[0-9]{1,6}", re.ASCII)
_ROUNDING = timedelta(seconds=2)
"""Most by which a duration differs from the times, each of which has whole seconds."""
_QUEUE = re.compile(r"[^,|\x00-\x1f]{1,80}")


class Cdr:
    """Format of call detail records of a telephone system in a time zone.

    `contexts` are the `dcontext` of calls to the hotline; none: every row is one. `latest` is the latest instant that
    is not in the future. `menu`: a menu answers calls before anybody's telephone rings.
    """

    dialect: ClassVar[Mapping[str, Any]] = {}
    width: ClassVar = len(COLUMNS)

    def __init__(
        self, zone: tzinfo, contexts: Collection[str], agents: Agents, latest: datetime, *, menu: bool = False
    ) -> None:
        self._zone = zone
        self._instant = partial(instant_in, zone)
        self._contexts = frozenset(contexts)
        self._agents = agents
        self._latest = latest
        self._menu = menu

    def call(self, cells: Sequence[str]) -> Call | LeftOutLine | None:
        """Return the call of a row; None for a line of column names. Raises LineFault."""
        count = len(cells)
        if not ALWAYS <= count <= len(COLUMNS) + FURTHER:
            columns = f"{', '.join(COLUMNS[:ALWAYS])}, then uniqueid and userfield if cdr.conf has them"
            raise LineFault("", f"{count} columns; accepted: 16 to 18: {columns}", torn=count < ALWAYS)
        if not cells[9][:1].isdigit():
            _check_header(cells)
            return None
        if self._contexts and cells[3] not in self._contexts:
            return OTHER_CONTEXT
        _, src, _, _, _, channel, dstchannel, lastapp, lastdata, start, *times, _, disposition, _ = cells[:ALWAYS]
        started_at, answered_at, ended_at = self._instants(start, *times)
        unique_id, userfield = _options(cells)
        answered = disposition == "ANSWERED"
        # A queue, a menu or a voicemail answers the channel as well; only a second channel is somebody's telephone.
        by_person = bool(dstchannel and answered_at) and not self._menu
        timed = lastapp != "Queue" and (by_person or not answered)
        agent, known = self._agents.named(dstchannel) if timed and answered else (None, True)
        if agent and not NAME.fullmatch(agent):
            raise LineFault("dstchannel", "accepted: a channel whose name has at most 80 characters")
        queue = _QUEUE.match(lastdata) if lastapp == "Queue" else None
        return Call(
            unique_id or _digest(start, src, channel),
            started_at,
            answered_at if timed and answered else None,
            ended_at,
            queue[0] if queue else None,
            src if _PHONE.fullmatch(src) else None,
            agent,
            recording_url=userfield if len(userfield) <= LONGEST_URL and _URL.fullmatch(userfield) else None,
            timing=Timing.CHANNEL if timed else Timing.UNTIMED,
            agent_known=known,
            hung_up=True,
        )

    def _instants(self, start: str, answer: str, end: str, duration: str) -> tuple[datetime, datetime | None, datetime]:
        """Return start, answer and end. In the hour that clocks repeat, the duration tells which of two is meant."""
        started_at, ended_at = self._instant("start", start), self._instant("end", end)
        told = timedelta(seconds=int(duration)) if _SECONDS.fullmatch(duration) else None
        if ended_at < started_at or (told is not None and abs(ended_at - started_at - told) > _ROUNDING):
            ended_at = self._instant("end", end, started_at + max((told or timedelta()) - _ROUNDING, timedelta()))
            if told is not None:
                started_at = self._instant("start", start, ended_at - told - _ROUNDING)
        answered_at = self._instant("answer", answer, started_at) if answer else None
        if answered_at and answered_at < started_at:
            raise LineFault("answer", "the call is answered before it starts; accepted: a time from start to end")
        if ended_at < started_at:
            raise LineFault("end", "the call ends before it starts; accepted: a time not before start")
        if answered_at and ended_at < answered_at:
            raise LineFault("answer", "the call is answered after it ends; accepted: a time from start to end")
        if ended_at > self._latest:
            column = "start" if started_at > self._latest else "end"
            raise LineFault(column, f"it is in the future; accepted: a time that has come, in {self._zone}")
        return started_at, answered_at, ended_at


def _check_header(cells: Sequence[str]) -> None:
    """Accept a line of column names. Raises LineFault if it has another order, or is none."""
    named = [cell.strip().lower() for cell in cells]
    if {"src", "dst", "disposition"}.isdisjoint(named):
        raise LineFault("start", TIME)
    if tuple(named[:ALWAYS]) != COLUMNS[:ALWAYS]:
        raise LineFault("", f"the columns have another order; accepted: {', '.join(COLUMNS)}")


def _options(cells: Sequence[str]) -> tuple[str, str]:
    """Return `uniqueid` and `userfield`, each empty if the row does not have it. Raises LineFault."""
    own = cells[ALWAYS:] if len(cells) <= len(COLUMNS) else cells[ALWAYS:-FURTHER]
    if len(own) == 2:  # noqa: PLR2004 - both
        unique_id, userfield = own
        if unique_id and not _ID.fullmatch(unique_id):
            raise LineFault("uniqueid", "accepted: an id like 1366720340.303267, at most 80 characters")
        return unique_id, userfield
    if not own:
        return "", ""
    # Either of the two may be switched on alone.
    return (own[0], "") if _UNIQUE_ID.fullmatch(own[0]) else ("", own[0])


def _digest(start: str, src: str, channel: str) -> str:
    """Return an id for the rows of one call, from which nobody's telephone can be read."""
    return f"cdr-{hashlib.sha256(f'{start}|{src}|{channel}'.encode()).hexdigest()[:32]}"
