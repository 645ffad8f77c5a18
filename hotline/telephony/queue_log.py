"""Queue log (排队日志) of Asterisk: `queue_log`, which app_queue writes.

A line is `epoch|callid|queue|agent|event|parameters`. Each event of a call tells a part of it, and the parts merge in
any order, also out of two files.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from domain.calls.call import Call
from domain.shared.text import CALL_ID, PHONE
from hotline.files.formats import YEARS, LineFault
from hotline.telephony.call_lines import LeftOutLine
from hotline.telephony.people import NAME, Agents

FIELDS = 5
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
_CALL_ID = re.compile(CALL_ID)
_PHONE = re.compile(PHONE)
_SECONDS = re.compile(r"[0-9]{1,6}", re.ASCII)
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
        """Return the parameter of this name; `place` counts from the end, for what follows text with bars."""
        text = self.cells[FIELDS + self.parameters.index(name)] if place == 0 else self.cells[place]
        if not _SECONDS.fullmatch(text):
            raise LineFault(name, "accepted: whole seconds from 0")
        return timedelta(seconds=int(text))


class _Event(NamedTuple):
    """Event of a call: its parameters, the least number of them, and the part of the call that a line of it tells."""

    parameters: tuple[str, ...]
    least: int
    call: Callable[[_Line], Call]


def _entered(line: _Line) -> Call:
    caller = line.cells[FIELDS + 1]
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
    """Return the talk before an attended transfer, of which the first parameter has bars."""
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
    """Return the call with its end; the queue says which of those that it entered in that second it left."""
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


class QueueLog:
    """Format of the queue log. `latest` is the latest instant that is not in the future."""

    dialect: ClassVar[Mapping[str, Any]] = {"delimiter": "|", "quoting": csv.QUOTE_NONE}
    width: ClassVar = 0

    def __init__(self, agents: Agents, latest: datetime) -> None:
        self._agents = agents
        self._latest = latest

    def call(self, cells: Sequence[str]) -> Call | LeftOutLine | None:
        """Return the part of a call that a line tells; None if it is not about a call. Raises LineFault."""
        if len(cells) < FIELDS:
            raise LineFault("", "fields are missing; accepted: epoch|callid|queue|agent|event|parameters", torn=True)
        epoch, call_id, queue, agent, name = cells[:FIELDS]
        at = self._instant(epoch)
        if name in SILENT:
            return None
        event = EVENTS.get(name)
        if event is None:
            cut = len(cells) == FIELDS and any(known.startswith(name) for known in (*EVENTS, *SILENT))
            return LeftOutLine(f"lines of the unknown event {name[:40]!r}", torn=cut)
        if len(cells) < FIELDS + event.least:
            raise LineFault(name, f"parameters are missing; accepted: {'|'.join(event.parameters)}", torn=True)
        if call_id == "NONE" or not _CALL_ID.fullmatch(call_id):
            raise LineFault("callid", "accepted: the unique id of a call, at most 80 characters")
        if not NAME.fullmatch(queue):
            raise LineFault("queue", "accepted: the name of a queue, at most 80 characters")
        who, known = (None, True) if agent == "NONE" else self._agents.named(agent)
        if who is not None and not NAME.fullmatch(who):
            raise LineFault("agent", "accepted: the name of an agent, at most 80 characters")
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
    """Return True if the first line of a file is one of a queue log, and not of call detail records."""
    return re.match(rb"(\xef\xbb\xbf)?[0-9]{9,11}\|", line) is not None
