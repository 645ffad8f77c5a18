"""Formats of the files in which Asterisk lists calls."""

import csv
import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import ClassVar, NamedTuple

from domain.calls.call import Call, Timing
from domain.shared.phones import PHONE
from domain.shared.value import CALL_ID, LONGEST_URL, RECORDING_URL
from hotline.files.formats import TIME, YEARS, LineFault, instant_in
from hotline.telephony.call_lines import CallFormat, LeftOutLine
from hotline.telephony.people import NAME, Agents

_CALL_ID = re.compile(CALL_ID)
_PHONE = re.compile(PHONE)
_SECONDS = re.compile(r"[0-9]{1,6}", re.ASCII)

CDR_COLUMNS = (
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
BASE_COLUMNS = 16
"""Columns that are always there; `uniqueid` and `userfield` follow where `cdr.conf` switches them on."""
NEW_COLUMNS = 3
"""Columns that `newcdrcolumns` adds at the end: peeraccount, linkedid, sequence. They are not read."""
OTHER_CONTEXT = LeftOutLine("rows of other contexts")
_UNIQUE_ID = re.compile(r"([!-~]{1,50}-)?[0-9]{9,11}\.[0-9]{1,12}")
"""Id that Asterisk makes: perhaps the name of the system, then seconds and a count."""
_URL = re.compile(RECORDING_URL)
_ROUNDING = timedelta(seconds=2)
"""Most by which a duration differs from the times, each of which has whole seconds."""
_QUEUE = re.compile(r"[^,|\x00-\x1f]{1,80}")


class Cdr(CallFormat):
    """Format of call detail records (话单) in CSV, `Master.csv` of the module cdr_csv, with times of a zone.

    Columns and their options are those of `cdr.conf`: the first sixteen are always there. `contexts` are the `dcontext`
    of calls to the hotline; none: every row is one. `menu`: a menu answers calls before anybody's telephone rings.
    """

    width: ClassVar = len(CDR_COLUMNS)

    def __init__(
        self, zone: tzinfo, contexts: Collection[str], agents: Agents, latest: datetime, *, menu: bool = False
    ) -> None:
        super().__init__(agents, latest)
        self._zone = zone
        self._instant = partial(instant_in, zone)
        self._contexts = frozenset(contexts)
        self._menu = menu

    def call(self, cells: Sequence[str]) -> Call | LeftOutLine | None:
        """None for a line of column names. Raises LineFault."""
        count = len(cells)
        if not BASE_COLUMNS <= count <= len(CDR_COLUMNS) + NEW_COLUMNS:
            columns = f"{', '.join(CDR_COLUMNS[:BASE_COLUMNS])}, then uniqueid and userfield if cdr.conf has them"
            raise LineFault("", f"{count} columns; accepted: 16 to 18: {columns}", torn=count < BASE_COLUMNS)
        if not cells[9][:1].isdigit():
            _check_header(cells)
            return None
        if self._contexts and cells[3] not in self._contexts:
            return OTHER_CONTEXT
        _, src, _, _, _, channel, dstchannel, lastapp, lastdata, start, *times, _, disposition, _ = cells[:BASE_COLUMNS]
        started_at, answered_at, ended_at = self._instants(start, *times)
        unique_id, userfield = _options(cells)
        answered = disposition == "ANSWERED"
        # A queue, a menu or a voicemail answers the channel as well; only a second channel is somebody's telephone.
        by_person = bool(dstchannel.strip() and answered_at) and not self._menu
        timed = lastapp != "Queue" and (by_person or not answered)
        agent, known = self._agents.named("dstchannel", dstchannel) if timed and answered else (None, True)
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
        """Start, answer and end. In the hour that clocks repeat, the duration tells which of two is meant."""
        started_at, ended_at = self._instant("start", start), self._instant("end", end)
        stated = timedelta(seconds=int(duration)) if _SECONDS.fullmatch(duration) else None
        if ended_at < started_at or (stated is not None and abs(ended_at - started_at - stated) > _ROUNDING):
            ended_at = self._instant("end", end, started_at + max((stated or timedelta()) - _ROUNDING, timedelta()))
            if stated is not None:
                started_at = self._instant("start", start, ended_at - stated - _ROUNDING)
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
    if tuple(named[:BASE_COLUMNS]) != CDR_COLUMNS[:BASE_COLUMNS]:
        raise LineFault("", f"the columns have another order; accepted: {', '.join(CDR_COLUMNS)}")


def _options(cells: Sequence[str]) -> tuple[str, str]:
    """`uniqueid` and `userfield`, each empty if the row does not have it. Raises LineFault."""
    own = cells[BASE_COLUMNS:] if len(cells) <= len(CDR_COLUMNS) else cells[BASE_COLUMNS:-NEW_COLUMNS]
    if len(own) == 2:  # noqa: PLR2004 - both
        unique_id, userfield = own
        if unique_id and not _CALL_ID.fullmatch(unique_id):
            raise LineFault("uniqueid", "accepted: an id like 1366720340.303267, at most 80 characters")
        return unique_id, userfield
    if not own:
        return "", ""
    # Either of the two may be switched on alone.
    return (own[0], "") if _UNIQUE_ID.fullmatch(own[0]) else ("", own[0])


def _digest(start: str, src: str, channel: str) -> str:
    """One id for the rows of one call, from which nobody's telephone can be read."""
    return f"cdr-{hashlib.sha256(f'{start}|{src}|{channel}'.encode()).hexdigest()[:32]}"


EVENT_FIELDS = 5
"""Fields before the parameters of an event."""
SILENT = frozenset(
    {
        "ADDMEMBER",
        "AGENTCALLBACKLOGIN",
        "AGENTCALLBACKLOGOFF",
        "AGENTDUMP",
        "AGENTLOGIN",
        "AGENTLOGOFF",
        "CONFIGRELOAD",
        "DID",
        "PAUSE",
        "PAUSEALL",
        "PENALTY",
        "QUEUESTART",
        "REMOVEMEMBER",
        "RINGCANCELED",
        "RINGINUSE",
        "RINGNOANSWER",
        "UNPAUSE",
        "UNPAUSEALL",
    }
)
"""Events that tell nothing about when a call waits, is answered or ends."""
_TICK = timedelta(microseconds=1)
"""Offset that orders what happens in one second: a caller leaves a queue, enters another one, and hangs up at once."""
_EPOCH = re.compile(r"[0-9]{9,11}", re.ASCII)


class _Line(NamedTuple):
    """Line of a known event of a call. `agent` is a person's id, or a name if it is not known."""

    call_id: str
    at: datetime
    queue: str
    agent: str | None
    agent_known: bool
    cells: Sequence[str]
    parameters: Sequence[str]

    def seconds(self, name: str, place: int = 0) -> timedelta:
        """Read the parameter of this name; `place` counts from the end, for what follows text with bars."""
        text = self.cells[EVENT_FIELDS + self.parameters.index(name)] if place == 0 else self.cells[place]
        if not _SECONDS.fullmatch(text):
            raise LineFault(name, "accepted: whole seconds from 0")
        return timedelta(seconds=int(text))


class _Event(NamedTuple):
    """Event of a call: its parameters, the least number of them, and the part of the call that a line of it tells."""

    parameters: tuple[str, ...]
    least: int
    call: Callable[[_Line], Call]


def _entered(line: _Line) -> Call:
    caller = line.cells[EVENT_FIELDS + 1]
    return Call(
        line.call_id,
        line.at,
        queue=line.queue,
        caller_phone=caller if _PHONE.fullmatch(caller) else None,
        went_on_at=line.at + _TICK,
        queues_entered=line.queue,
    )


def _connected(line: _Line) -> Call:
    return _talk(line, line.at - line.seconds("holdtime"), line.at)


def _completed(line: _Line) -> Call:
    return _talked(line, line.seconds("holdtime"), line.seconds("calltime"))


def _handed_on(line: _Line) -> Call:
    """Talk before an attended transfer, of which the first parameter has bars."""
    return _talked(line, line.seconds("holdtime", -3), line.seconds("calltime", -2))


def _talked(line: _Line, held: timedelta, talked: timedelta) -> Call:
    answered_at = line.at - talked
    return _ended(line, _talk(line, answered_at - held, answered_at), held + talked)


def _talk(line: _Line, started_at: datetime, answered_at: datetime) -> Call:
    return Call(line.call_id, started_at, answered_at, queue=line.queue, agent=line.agent, agent_known=line.agent_known)


def _left(line: _Line) -> Call:
    waited = line.seconds("waittime") if "waittime" in line.parameters else timedelta()
    return _ended(line, Call(line.call_id, line.at - waited, queue=line.queue), waited)


def _ended(line: _Line, call: Call, lasted: timedelta) -> Call:
    """End the call; the queue says which of those that it entered in that second it left."""
    if lasted:
        return call._replace(ended_at=line.at)
    return call._replace(ended_at=line.at + _TICK, queues_left=line.queue)


def _left_by_key(line: _Line) -> Call:
    left = _left(line)
    return left._replace(asked_at=left.ended_at)


_WAITED = _Event(("position", "origposition", "waittime"), 3, _left)
_COMPLETED = _Event(("holdtime", "calltime", "origposition"), 3, _completed)
EVENTS = {
    # Older versions write no position.
    "ENTERQUEUE": _Event(("url", "callerid", "position"), 2, _entered),
    "CONNECT": _Event(("holdtime", "bridgedchanneluniqueid", "ringtime"), 3, _connected),
    "COMPLETEAGENT": _COMPLETED,
    "COMPLETECALLER": _COMPLETED,
    "BLINDTRANSFER": _Event(("extension", "context", "holdtime", "calltime", "origposition"), 5, _completed),
    "ATTENDEDTRANSFER": _Event(("method", "data", "holdtime", "calltime", "origposition"), 5, _handed_on),
    "TRANSFER": _Event(("extension", "context", "holdtime", "calltime", "origposition"), 4, _completed),
    "ABANDON": _WAITED,
    "EXITEMPTY": _WAITED,
    "EXITWITHTIMEOUT": _WAITED,
    "WITHDRAW": _WAITED,
    "EXITWITHKEY": _Event(("key", "position", "origposition", "waittime"), 4, _left_by_key),
    "SYSCOMPAT": _Event((), 0, _left),
}
"""Events of calls by name."""


class QueueLog(CallFormat):
    """Format of the queue log (排队日志), `queue_log`, which app_queue writes.

    A line is `epoch|callid|queue|agent|event|parameters`. Each event of a call tells a part of it, and the parts merge
    in any order, also out of two files.
    """

    dialect: ClassVar = {"delimiter": "|", "quoting": csv.QUOTE_NONE}

    def call(self, cells: Sequence[str]) -> Call | LeftOutLine | None:
        """Part of a call that a line tells; None if it is not about a call. Raises LineFault."""
        if len(cells) < EVENT_FIELDS:
            raise LineFault("", "fields are missing; accepted: epoch|callid|queue|agent|event|parameters", torn=True)
        epoch, call_id, queue, agent, name = cells[:EVENT_FIELDS]
        at = self._instant(epoch)
        if name in SILENT:
            return None
        event = EVENTS.get(name)
        if event is None:
            cut = len(cells) == EVENT_FIELDS and any(known.startswith(name) for known in (*EVENTS, *SILENT))
            return LeftOutLine(f"lines of the unknown event {name[:40]!r}", torn=cut)
        if len(cells) < EVENT_FIELDS + event.least:
            raise LineFault(name, f"parameters are missing; accepted: {'|'.join(event.parameters)}", torn=True)
        if call_id == "NONE" or not _CALL_ID.fullmatch(call_id):
            raise LineFault("callid", "accepted: the unique id of a call, at most 80 characters")
        if not NAME.fullmatch(queue):
            raise LineFault("queue", "accepted: the name of a queue, at most 80 characters")
        who, known = (None, True) if agent == "NONE" else self._agents.named("agent", agent)
        return event.call(_Line(call_id, at, queue, who, known, cells, event.parameters))

    def _instant(self, epoch: str) -> datetime:
        if not _EPOCH.fullmatch(epoch):
            raise LineFault("epoch", "accepted: seconds since 1970, as in 1366720340")
        at = datetime.fromtimestamp(int(epoch), UTC)
        if at.year not in YEARS:
            raise LineFault("epoch", f"accepted: seconds since 1970, from the year {YEARS.start} on")
        if at > self._latest:
            raise LineFault("epoch", "it is in the future; accepted: a time that has come")
        return at


def is_queue_log(line: bytes) -> bool:
    """Return False if the first line of a file is one of call detail records."""
    return re.match(rb"(\xef\xbb\xbf)?[0-9]{9,11}\|", line) is not None
