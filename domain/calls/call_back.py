"""Call-back (回电) of a caller whom nobody answered: who takes it, and how it ends. Instants are UTC."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.shared.errors import ProblemType, Refused
from domain.shared.value import NamedCode

OLDEST = timedelta(days=7)
"""Age of a call at its report beyond which its caller is not called back: nobody waits that long. An assumption."""
HELD = timedelta(minutes=30)
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
        """Return the instant until which somebody has it; None if nobody has."""
        until = self.taken_at and self.taken_at + HELD
        return until if until and at < until and self.ended_at is None else None

    def state(self, at: datetime) -> CallBackState:
        if self.ended_at:
            return CallBackState.DONE
        return CallBackState.TAKEN if self.held_until(at) else CallBackState.WAITING

    def take(self, person: str, at: datetime, note: str | None = None, named: ShowName = str) -> "CallBack":
        """Return the call-back as this person takes it; once more changes nothing. Raises Refused."""
        self._check(person, at, named)
        if self.held_until(at):
            return self if note is None else self._replace(note=note)
        return self._replace(person=person, taken_at=at, note=note or self.note)

    def tried(
        self, person: str, at: datetime, *, reached: bool, note: str | None = None, named: ShowName = str
    ) -> "CallBack":
        """Return the call-back after a try of this person; the same report again changes nothing. Raises Refused."""
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
            listed = ("a call that GET /v1/call-backs lists",)
            raise Refused(CALL_BACK_OVER, f"The call-back is over: {self.result}.", listed)
        if self.person and self.person != person and (until := self.held_until(at)):
            wait = f"from {until.isoformat()} on"
            raise Refused(CALL_BACK_TAKEN, f"{named(self.person)} has taken the call-back; others may {wait}.", (wait,))
