"""Words of the caller's page: how a case stands, what happens next and by when; each in Chinese and in English."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple, get_args

from domain.calendar.work_calendar import on_the_wall
from domain.case.lifecycle import State
from domain.case.views import CaseView, ClockView
from domain.catalogue.terms import ClockName
from domain.shared.value import Phrase, exhaustive

STATE_FOR_CALLERS: Mapping[State, Phrase] = exhaustive(
    "STATE_FOR_CALLERS",
    State,
    {
        State.REGISTERED: ("已受理", "registered"),
        State.DISPATCHED: ("已通知处理部门", "the department has been told"),
        State.PENDING_REDISPATCH: ("正在转交其他部门", "being passed to another department"),
        State.IN_PROGRESS: ("处理中", "in progress"),
        State.SUSPENDED: ("暂缓处理", "on hold"),
        State.AWAITING_APPROVAL: ("公司审批中", "awaiting approval"),
        State.PENDING_REPLY: ("已处理，即将答复您", "handled, we will tell you about it"),
        State.PENDING_FOLLOW_UP: ("已处理，等待您的评价", "handled, waiting for your answer"),
        State.CLOSED: ("已办结", "closed"),
        State.REFUSED: ("不属于受理范围", "not a matter of the company"),
        State.WITHDRAWN: ("已撤销", "withdrawn"),
    },
)
"""The states in plain words."""
_NEXT: Mapping[State, Phrase] = exhaustive(
    "_NEXT",
    State,
    {
        State.REGISTERED: ("我们正在安排处理部门。", "We are passing it to the department that handles it."),
        State.DISPATCHED: ("处理部门签收后即安排处理。", "The department will take it up."),
        State.PENDING_REDISPATCH: ("我们正在改派其他部门处理。", "We are choosing another department for it."),
        State.IN_PROGRESS: ("处理部门正在处理。", "The department is working on it."),
        State.SUSPENDED: ("暂缓期间不计处理时限。", "While it is on hold, our time limits stand still."),
        State.AWAITING_APPROVAL: ("公司批准后继续处理。", "The work goes on once management has approved it."),
        State.PENDING_REPLY: ("处理已完成，我们将答复您结果。", "The work is done. We will tell you the result."),
        State.PENDING_FOLLOW_UP: (
            "我们会致电回访，您也可以通过链接评价。",
            "We will call to ask how it went, unless you tell us by the link.",
        ),
        State.CLOSED: ("事项已办结。", "Nothing more is to be done."),
        State.REFUSED: ("原因请致电客服热线了解。", "Please call us to hear why."),
        State.WITHDRAWN: ("事项已撤销，不再处理。", "It was withdrawn, and nothing more will be done."),
    },
)
"""Next step of a case by its state, without the time."""


class _Promised(NamedTuple):
    """Words for a promise that is still to be kept, and for one that is late; `{at}` is when it falls or fell due."""

    ahead: Phrase
    late: Phrase


_PROMISED: Mapping[str, _Promised | None] = exhaustive(
    "_PROMISED",
    get_args(ClockName),
    {
        "acknowledge": None,  # between the company and its department
        "arrive": _Promised(
            ("工作人员将于 {at} 前到场。", "A crew will be there by {at}."),
            (
                "工作人员应于 {at} 前到场，现已超时，敬请谅解。",
                "A crew was due by {at}. We are late, and sorry.",
            ),
        ),
        "resolve": _Promised(
            ("将于 {at} 前处理完毕。", "The work will be done by {at}."),
            ("应于 {at} 前处理完毕，现已超时，敬请谅解。", "The work was to be done by {at}. We are late, and sorry."),
        ),
        "reply": _Promised(
            ("将于 {at} 前答复您。", "We will tell you the result by {at}."),
            ("应于 {at} 前答复您，现已超时，敬请谅解。", "We were to tell you by {at}. We are late, and sorry."),
        ),
        "follow_up": _Promised(
            ("将于 {at} 前回访您。", "We will call you by {at}."),
            ("应于 {at} 前回访您，现已超时，敬请谅解。", "We were to call you by {at}. We are late, and sorry."),
        ),
    },
)
"""Promises that the caller is told of."""
_IN_INCIDENT: Phrase = (
    "您反映的情况与其他用户的来电属同一原因，正在统一处理。",
    "Others are affected by the same cause, which is handled for all together.",
)
_WAKES: Phrase = ("最迟于 {at} 恢复处理。", "The work goes on by {at} at the latest.")
_WINDOW: Phrase = (
    "如问题再次出现，可在 {at} 前要求重新处理。",
    "Should the trouble come back, ask for it to be done again by {at}.",
)


class Speaker(NamedTuple):
    """Speaker to one caller, in Chinese or English and in the local time of `zone`; `now` tells the year."""

    zh: bool
    zone: str
    now: datetime

    def say(self, words: Phrase) -> str:
        return words[0 if self.zh else 1]

    def time(self, at: datetime) -> str:
        """Tell day and minute, and the year if it is another one."""
        local, today = on_the_wall(at, self.zone), on_the_wall(self.now, self.zone)
        other = local.year != today.year
        if self.zh:
            return f"{f'{local.year}年' if other else ''}{local.month}月{local.day}日 {local:%H:%M}"
        return f"{local.day} {local:%B}{f' {local.year}' if other else ''}, {local:%H:%M}"

    def at(self, words: Phrase, at: datetime) -> str:
        return self.say(words).format(at=self.time(at))

    def next_steps(self, case: CaseView, *, waits: bool) -> Iterator[str]:
        """Yield what happens next and by when; `waits` is set while the case waits for its incident."""
        yield self.say(_IN_INCIDENT if waits else _NEXT[case.state])
        if case.state is State.SUSPENDED and case.wake_at:
            yield self.at(_WAKES, case.wake_at)
        if case.state is State.CLOSED and case.reopen_ends_at and self.now < case.reopen_ends_at:
            yield self.at(_WINDOW, case.reopen_ends_at)
        mine = (clock for clock in case.clocks if clock.cycle == case.cycle and not clock.part and not clock.stopped_at)
        running = ((clock.due_at, clock) for clock in mine if clock.due_at)
        for due_at, clock in sorted(running, key=itemgetter(0)):
            yield from self._promised(clock, due_at)

    def _promised(self, clock: ClockView, due_at: datetime) -> Iterator[str]:
        # A clock that stands still has no due time that anybody knows; one that is missed keeps the one it had.
        if words := _PROMISED.get(clock.name):
            yield self.at(words.late if clock.missed_at else words.ahead, due_at)
