"""A call (来电) on the hotline, what follows from its times, the case that it is about, and its call-back (回电).

Beside them stand the figures of calls (话务指标), and the duties (班次) of the roster.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple, Self

from domain.shared.errors import ProblemType, Refused
from domain.shared.value import NamedCode, exhaustive, rate

SHORT_WAIT = timedelta(seconds=5)
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


OFFERED_OUTCOMES = frozenset(
    {CallOutcome.ANSWERED, CallOutcome.ABANDONED, CallOutcome.SHORT_ABANDONED, CallOutcome.CALL_BACK_ASKED}
)
"""Outcomes of calls that count as offered: those that were answered or have ended, with a known wait."""
CONVERSATIONS = frozenset({CallOutcome.UNDER_WAY, CallOutcome.ANSWERED, CallOutcome.UNTIMED})
"""Outcomes of calls that an agent has answered, or perhaps has."""
MISSED_OUTCOMES = frozenset({CallOutcome.ABANDONED, CallOutcome.CALL_BACK_ASKED})
"""Outcomes after which the caller is called back."""
exhaustive(
    "OFFERED_OUTCOMES, or not offered", CallOutcome, OFFERED_OUTCOMES | {CallOutcome.UNDER_WAY, CallOutcome.UNTIMED}
)
exhaustive(
    "CONVERSATIONS, MISSED_OUTCOMES or neither",
    CallOutcome,
    CONVERSATIONS | MISSED_OUTCOMES | {CallOutcome.SHORT_ABANDONED},
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
        return CallOutcome.SHORT_ABANDONED if self.ended_at - self.started_at < SHORT_WAIT else CallOutcome.ABANDONED

    def merged(self, other: "Call") -> "Call":
        """Merge two reports of one call. Repetitions do not matter, and order not for times.

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
    """None if the call went on after the last of them."""
    return max((at for at in instants if at and at >= went_on_at), default=None)


def _queues(texts: Iterable[str | None]) -> set[str]:
    return {name for text in texts if text for name in text.split("|")}


AFTER_CALL_WORK = timedelta(minutes=15)
"""Time after the end of a call in which its agent may still write the case down. An assumption."""
LONGEST_CALL = timedelta(hours=2)
"""Time after the start of a call in which its case is registered at the latest. An assumption."""


def call_of(registered_at: datetime, calls: Iterable[Call]) -> Call | None:
    """Call in which a case was registered then, out of the `calls` of its telephone; None if there is none.

    It is the last conversation that had begun, unless that had ended long before.
    """
    begun = [
        call
        for call in calls
        if call.outcome in CONVERSATIONS and registered_at - LONGEST_CALL <= call.started_at <= registered_at
    ]
    last = max(begun, key=lambda call: (call.started_at, call.call_id), default=None)
    if last is None or (last.ended_at and last.ended_at + AFTER_CALL_WORK < registered_at):
        return None
    return last


ARRIVES_WITHIN = timedelta(days=1)
"""Time after the withdrawal within which its call, with agent and telephone, is reported."""


class CallMismatch(NamedCode):
    """Reason why a call does not confirm a withdrawal."""

    AGENT = "agent", "非本人接听"
    TELEPHONE = "telephone", "来电号码不符"
    EARLIER = "earlier", "早于受理"
    UNKNOWN = "unknown", "无此来电"


def mismatch_of(
    call: Call | None, agent: str, number: str, registered_at: datetime, *, same_telephone: bool
) -> CallMismatch | None:
    """None if the call confirms the withdrawal by this agent of the case of this number.

    `same_telephone`: the call came from the telephone of the case. A call that names the case is of it anyway. A call
    that was over before the registration is not about the case. `UNKNOWN` is one that is not reported yet, or not
    completely: by whom it was taken, also if only the telephone system knows the name, or from which telephone.
    """
    if call is None:
        return CallMismatch.UNKNOWN
    taken_by = call.agent if call.agent_known else None
    if taken_by not in (None, agent):
        return CallMismatch.AGENT
    is_of_case = same_telephone or call.complaint == number
    if call.caller_phone and not is_of_case:
        return CallMismatch.TELEPHONE
    if (call.ended_at or call.started_at + LONGEST_CALL) + CLOCKS_DIFFER < registered_at:
        return CallMismatch.EARLIER
    return None if taken_by and is_of_case else CallMismatch.UNKNOWN


@dataclass
class CallFigures:
    """Figures of some calls.

    Attributes:
        calls: number of calls by outcome.
        waits: number of answered calls by wait, in whole seconds, rounded up.
        talk_ms: time of all conversations that have ended, in milliseconds.
    """

    calls: Counter[CallOutcome] = field(default_factory=Counter)
    waits: dict[int, int] = field(default_factory=dict)
    talk_ms: int = 0

    def add(self, outcome: CallOutcome, wait_seconds: int | None, calls: int, talk_ms: int) -> None:
        """Add further calls of one outcome; `wait_seconds` is the wait of each, None if it was not answered."""
        self.calls[outcome] += calls
        if wait_seconds is not None:
            # A counter would call Python for each new wait, of which an hour has a hundred.
            self.waits[wait_seconds] = self.waits.get(wait_seconds, 0) + calls
        self.talk_ms += talk_ms

    def include(self, others: Iterable["CallFigures"]) -> Self:
        for other in others:
            self.calls.update(other.calls)
            for wait, calls in other.waits.items():
                self.waits[wait] = self.waits.get(wait, 0) + calls
            self.talk_ms += other.talk_ms
        return self

    @property
    def offered(self) -> int:
        return sum(self.calls[outcome] for outcome in OFFERED_OUTCOMES)

    @property
    def connected_rate(self) -> float | None:
        """Share of the offered calls that were answered; None if none was offered."""
        return rate(self.calls[CallOutcome.ANSWERED], self.offered)

    def in_time(self, seconds: int) -> int:
        return sum(calls for wait, calls in self.waits.items() if wait <= seconds)

    def answered_within(self, seconds: int, *, of_offered: bool = False) -> float | None:
        """Share of the answered calls, or of the offered ones; None if there are none."""
        return rate(self.in_time(seconds), self.offered if of_offered else self.calls[CallOutcome.ANSWERED])

    def wait(self, percent: int) -> int | None:
        """Seconds that this percentage of the answered calls did not wait longer than (nearest rank), or None."""
        # Whole numbers: a product with 0.95 may lie above the rank.
        left = -(-sum(self.waits.values()) * percent // 100)
        for seconds, calls in sorted(self.waits.items()):
            left -= calls
            if left <= 0:
                return seconds
        return None


LONGEST_DUTY = timedelta(hours=25)
"""Longest duty: a whole day on which clocks go back. Queries look so far back for duties that have not ended."""


class Duty(NamedTuple):
    """Duty of a person. Instants are UTC; `ends_at` is later than `starts_at`, by LONGEST_DUTY at most."""

    person: str
    starts_at: datetime
    ends_at: datetime

    def overlaps(self, other: "Duty") -> bool:
        return self.person == other.person and self.starts_at < other.ends_at and other.starts_at < self.ends_at


CALL_BACK_AGE = timedelta(days=7)
"""Age of a call at its report beyond which its caller is not called back: nobody waits that long. An assumption."""
CALL_BACK_TIME = timedelta(minutes=30)
"""Time in which whoever takes a call-back has it; then others may take it. An assumption."""
MOST_TRIES = 3
"""Tries after which a caller counts as unreachable, as at a follow-up."""

ShowName = Callable[[str], str]
"""Returns the words that show a person, by id."""
CALL_BACK_TAKEN = ProblemType("conflict", "call_back_taken", "Call-back taken by another person", "该回电已由他人领取")
CALL_BACK_OVER = ProblemType("conflict", "call_back_over", "Call-back over", "该回电已了结")


class CallBackState(NamedCode):
    """State of a call-back."""

    WAITING = "waiting", "待回电"
    TAKEN = "taken", "回电中"
    DONE = "done", "已了结"


class CallBackResult(NamedCode):
    """Result of a call-back."""

    REACHED = "reached", "已联系上"
    UNREACHABLE = "unreachable", "联系不上"
    CALLED_AGAIN = "called_again", "再次来电"


class CallBack(NamedTuple):
    """Call-back of a telephone. `person` has it, or tried last; `taken_at` is None if nobody has it."""

    person: str | None = None
    taken_at: datetime | None = None
    tries: int = 0
    ended_at: datetime | None = None
    result: CallBackResult | None = None
    note: str | None = None

    def held_until(self, at: datetime) -> datetime | None:
        """None if nobody has it."""
        until = self.taken_at and self.taken_at + CALL_BACK_TIME
        return until if until and at < until and self.ended_at is None else None

    def state(self, at: datetime) -> CallBackState:
        if self.ended_at:
            return CallBackState.DONE
        return CallBackState.TAKEN if self.held_until(at) else CallBackState.WAITING

    def take(self, person: str, at: datetime, note: str | None = None, named: ShowName = str) -> "CallBack":
        """Take it; once more by the same person changes nothing. Raises Refused."""
        self._check(person, at, named)
        if self.held_until(at):
            return self if note is None else self._replace(note=note)
        return self._replace(person=person, taken_at=at, note=note or self.note)

    def tried(
        self, person: str, at: datetime, *, reached: bool, note: str | None = None, named: ShowName = str
    ) -> "CallBack":
        """Note a try; the same report again changes nothing. Raises Refused."""
        same = {CallBackResult.REACHED} if reached else {None, CallBackResult.UNREACHABLE}
        if self.person == person and self.taken_at is None and self.tries and self.result in same:
            return self
        self._check(person, at, named)
        after = self._replace(person=person, taken_at=None, tries=self.tries + 1, note=note or self.note)
        if reached:
            return after._replace(ended_at=at, result=CallBackResult.REACHED)
        if after.tries >= MOST_TRIES:
            return after._replace(ended_at=at, result=CallBackResult.UNREACHABLE)
        return after

    def _check(self, person: str, at: datetime, named: ShowName) -> None:
        if self.ended_at:
            raise Refused(
                CALL_BACK_OVER, f"The call-back is over: {self.result}.", (("其他回电", "another call-back"),)
            )
        if self.person and self.person != person and (until := self.held_until(at)):
            message = f"{named(self.person)} has taken the call-back; others may from {until.isoformat()} on."
            raise Refused(CALL_BACK_TAKEN, message, (until.isoformat(),))
