"""A call (来电) on the hotline, what follows from its times, and duties (班次) of the roster."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

from domain.shared.value import NamedCode, complete

SHORT = timedelta(seconds=5)
"""An abandoned call that waited for less is counted apart: many are wrong numbers. An assumption of the field."""
CLOCKS_DIFFER = timedelta(seconds=60)
"""Time by which the clock of the telephone system may be ahead."""
_NEVER = datetime.max.replace(tzinfo=UTC)


class CallOutcome(NamedCode):
    """Outcome of a call."""

    UNDER_WAY = "under_way", "等待中"
    ANSWERED = "answered", "已接通"
    ABANDONED = "abandoned", "放弃"
    SHORT_ABANDONED = "short_abandoned", "短时放弃"
    CALL_BACK_ASKED = "call_back_asked", "请求回电"
    UNTIMED = "untimed", "等待时长不明"


class OutcomeRow(NamedTuple):
    """Meaning of an outcome: does the call count as offered, is its caller called back, did an agent perhaps answer."""

    is_offered: bool
    is_missed: bool
    is_conversation: bool


OUTCOMES: Mapping[CallOutcome, OutcomeRow] = complete(
    "OUTCOMES",
    CallOutcome,
    {
        CallOutcome.UNDER_WAY: OutcomeRow(is_offered=False, is_missed=False, is_conversation=True),
        CallOutcome.ANSWERED: OutcomeRow(is_offered=True, is_missed=False, is_conversation=True),
        CallOutcome.ABANDONED: OutcomeRow(is_offered=True, is_missed=True, is_conversation=False),
        CallOutcome.SHORT_ABANDONED: OutcomeRow(is_offered=True, is_missed=False, is_conversation=False),
        CallOutcome.CALL_BACK_ASKED: OutcomeRow(is_offered=True, is_missed=True, is_conversation=False),
        CallOutcome.UNTIMED: OutcomeRow(is_offered=False, is_missed=False, is_conversation=True),
    },
)


class Timing(IntEnum):
    """Source of a call's times, the better one higher.

    A queue answers the channel before an agent does. So of a call through a queue the channel knows neither the wait
    nor whether an agent answered (UNTIMED); of a call that rings at an agent's telephone it knows both (CHANNEL).
    """

    UNTIMED = 0
    CHANNEL = 1
    QUEUE = 2


class Call(NamedTuple):
    """Call as the telephone system reports it. Instants are UTC; `started_at` is when the caller began to wait.

    `complaint` is the case that the telephone system named, if it named one. `timing` is of `Timing`. `agent_known` is
    False if `agent` is a name that only the telephone system knows. `hung_up` is True if the channel reported the end;
    the queue's report of it may be missing. `asked_at` is when the caller asked to be called back. `went_on_at` is the
    last instant before the end at which reports show the call, None if that is the start or the answer. Of the queues,
    joined by bars, that it entered then (`queues_entered`) and left at once (`queues_left`), it waits on in
    one of the former that is not among the latter.
    """

    call_id: str
    started_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    queue: str | None = None
    caller_phone: str | None = None
    agent: str | None = None
    complaint: str | None = None
    recording_url: str | None = None
    asked_at: datetime | None = None
    timing: int = Timing.QUEUE
    agent_known: bool = True
    hung_up: bool = False
    went_on_at: datetime | None = None
    queues_entered: str | None = None
    queues_left: str | None = None

    @property
    def waited(self) -> timedelta | None:
        """Time that the caller waited; None while it lasts, or if it is not known."""
        end = self.answered_at or self.ended_at
        return None if end is None or self.timing == Timing.UNTIMED else max(end - self.started_at, timedelta())

    @property
    def seen_at(self) -> datetime:
        """Last instant before its end at which reports show it; of start and answer the second, as sources differ."""
        at = (self.answered_at or self.started_at).replace(microsecond=0)
        return max(at, self.started_at.replace(microsecond=0), self.went_on_at or at)

    @property
    def left_at(self) -> datetime | None:
        """Instant at which the call left a queue last: its end, unless it was in another one by then."""
        return self.ended_at or (self.went_on_at if self.queues_left else None)

    @property
    def talked(self) -> timedelta | None:
        """Time of the conversation; None without one, or while it lasts."""
        return max(self.ended_at - self.answered_at, timedelta()) if self.answered_at and self.ended_at else None

    @property
    def outcome(self) -> CallOutcome:
        if self.timing == Timing.UNTIMED:
            return CallOutcome.UNTIMED
        if self.answered_at:
            return CallOutcome.ANSWERED
        if self.ended_at is None:
            return CallOutcome.UNTIMED if self.hung_up else CallOutcome.UNDER_WAY
        if self.asked_at:
            return CallOutcome.CALL_BACK_ASKED
        return CallOutcome.SHORT_ABANDONED if self.ended_at - self.started_at < SHORT else CallOutcome.ABANDONED

    def merged(self, other: "Call") -> "Call":
        """Return the one call that two reports of it tell of. Repetitions do not matter, and order not for times.

        Times, agent and queue are those of the better source: the first start, the first answer with its agent and
        queue, and the last end, unless the call went on after it, in another queue for example. A known agent prevails
        over a name of the telephone system. Of two known agents of one instant, that of `self` stays. Telephone, case
        and recording are those of `other`, unless `self` has the better source.
        """
        if other == self:
            return self
        answer = min(self, other, key=_answer)
        earlier, later = (other, self) if self.timing > other.timing else (self, other)
        timed = [each for each in (self, other) if each.timing == answer.timing]
        went_on_at = max(each.seen_at for each in timed)
        left_at = _last(went_on_at, (each.left_at for each in timed))
        tied = [each for each in timed if each.went_on_at == went_on_at and left_at in (None, went_on_at)]
        entered = _queues(each.queues_entered for each in tied)
        left = _queues(each.queues_left for each in timed if left_at and each.left_at == left_at)
        merged = answer._replace(
            started_at=min(each.started_at for each in timed),
            ended_at=None if left_at == went_on_at and not entered <= left else left_at,
            asked_at=_last(went_on_at, (each.asked_at for each in timed)),
            went_on_at=None,
            queues_entered="|".join(sorted(entered)) or None,
            queues_left="|".join(sorted(left)) or None,
            caller_phone=later.caller_phone or earlier.caller_phone,
            complaint=later.complaint or earlier.complaint,
            recording_url=later.recording_url or earlier.recording_url,
            hung_up=self.hung_up or other.hung_up,
        )
        return merged._replace(went_on_at=went_on_at) if entered or went_on_at > merged.seen_at else merged


def _answer(call: Call) -> tuple[object, ...]:
    at = call.answered_at or _NEVER
    # A queue log has whole seconds.
    who = call.agent is None, not call.agent_known, at, "" if call.agent_known else call.agent
    return -call.timing, at.replace(microsecond=0), *who, call.queue is None, call.queue or ""


def _last(went_on_at: datetime, instants: Iterable[datetime | None]) -> datetime | None:
    """Return the last of the instants; None if the call went on after it."""
    return max((at for at in instants if at and at >= went_on_at), default=None)


def _queues(texts: Iterable[str | None]) -> set[str]:
    return {name for text in texts if text for name in text.split("|")}


LONGEST_DUTY = timedelta(hours=25)
"""Longest duty: a whole day on which clocks go back. Queries look so far back for duties that have not ended."""


class Duty(NamedTuple):
    """Duty of a person. Instants are UTC; `ends_at` is later than `starts_at`, by LONGEST_DUTY at most."""

    person: str
    starts_at: datetime
    ends_at: datetime

    def overlaps(self, other: "Duty") -> bool:
        """Return True if both are of one person and have an instant in common."""
        return self.person == other.person and self.starts_at < other.ends_at and other.starts_at < self.ends_at
