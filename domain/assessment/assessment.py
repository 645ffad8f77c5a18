"""The assessment of one month (月度考核): pure and event-sourced, as the case is.

A month is a draft while its sample is inspected, then it is published for objections, and final when the last of them
is decided.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import ClassVar

from pydantic import ConfigDict, Field

from domain.assessment.actions import ASSESSMENT_ACTION_OF, ASSESSMENT_ACTIONS, OBJECTIONS
from domain.assessment.state import AssessmentEvent, AssessmentFields, AssessmentKind, Computation, S, Sampled
from domain.catalogue.figures import Standard
from domain.catalogue.terms import MISS, Edition
from domain.kit.entity import EntityRules, EntityTable
from domain.kit.event import Addressees, EventData, Notification, by_name, notifications_of
from domain.shared.value import Immutable, english

INSPECTIONS = "inspections"
"""Name of the time in which the sample is inspected."""


class AssessmentOpened(EventData):
    """Month that is assessed: its bounds, the seed of its sample, and the catalogue that its standard is of."""

    since: datetime
    until: datetime
    seed: str
    edition: Edition


class Drawn(EventData):
    """Sample of cases that are to be inspected."""

    sample: tuple[Sampled, ...]

    def evolve(self, month: AssessmentFields, event: AssessmentEvent) -> None:
        month.drawn = True
        if self.sample and month.standard.inspection_seconds:
            month.open_limit(INSPECTIONS, event.at, month.standard.inspection_seconds)


class Computed(EventData):
    """Result of a computation."""

    computed: Computation


class Published(Computed):
    """Result to which objections are taken."""

    def evolve(self, month: AssessmentFields, event: AssessmentEvent) -> None:
        month.published_at = event.at
        month.close_limit(INSPECTIONS)
        month.open_limit(OBJECTIONS, event.at, month.standard.objection_seconds)


class MonthFinished(Computed):
    """Result that nothing changes any more."""

    def evolve(self, month: AssessmentFields, _: AssessmentEvent) -> None:
        month.limits = ()


class Reminded(EventData):
    """Time that is running out, or over: what is to be done, and the percentage of it that is used up."""

    limit: str
    percent: int
    fell_at: datetime

    def evolve(self, month: AssessmentFields, _: AssessmentEvent) -> None:
        month.limits = tuple(
            each.model_copy(update={"rung": self.percent}) if each.name == self.limit else each for each in month.limits
        )

    def notifies(self, _: AssessmentFields, __: AssessmentEvent) -> Addressees:
        if self.limit == OBJECTIONS:
            return ("agent", "crew", "supervisor")
        return ("supervisor", "manager", *(("general_manager",) if self.percent >= MISS else ()))


ASSESSMENT_OPEN = AssessmentKind(
    name="open", zh="开始考核", description="The month is over and is assessed.", data=AssessmentOpened
)
DRAW = AssessmentKind(
    name="draw_sample",
    zh="抽样",
    description="Cases of each agent were drawn, by the recorded seed, to be inspected.",
    data=Drawn,
    sets=("sample",),
    notifies=("supervisor",),
)
COMPUTE = AssessmentKind(
    name="compute",
    zh="计算",
    description="The figures were computed, anew after an accepted objection or an exclusion.",
    data=Computed,
    sets=("computed",),
)
PUBLISH = AssessmentKind(
    name="publish",
    zh="公示",
    description="The draft is published: objections are taken.",
    data=Published,
    sets=("computed",),
    notifies=("agent", "crew", "supervisor", "manager"),
)
REMIND = AssessmentKind(
    name="remind",
    zh="提醒",
    description="An escalation step was reached: a time is running out, or over.",
    data=Reminded,
)
ASSESSMENT_FINISH = AssessmentKind(
    name="finish",
    zh="定稿",
    description="The month is final; nothing changes it any more.",
    data=MonthFinished,
    sets=("computed",),
    notifies=("supervisor", "manager", "general_manager"),
)
_AUTOMATIC = (ASSESSMENT_OPEN, DRAW, COMPUTE, PUBLISH, REMIND, ASSESSMENT_FINISH)
ASSESSMENT_KINDS: dict[str, AssessmentKind] = by_name(
    *ASSESSMENT_ACTIONS, *_AUTOMATIC, AssessmentKind.cancellation("assessment")
)


class AssessmentOpening(AssessmentOpened):
    """Values that the assessment of a month starts from; keys that it does not know are ignored."""

    model_config = ConfigDict(extra="ignore")

    month: str
    at: datetime
    standard: Standard


class Assessment(AssessmentFields, EntityRules[AssessmentEvent]):
    """One assessment, from the end of its month until it is final."""

    TABLE: ClassVar[EntityTable] = EntityTable("assessment of", ASSESSMENT_KINDS, ASSESSMENT_ACTION_OF)

    @classmethod
    def open(cls, start: AssessmentOpening) -> tuple["Assessment", AssessmentEvent]:
        opened = cls(**{**start.__dict__, "number": start.month, "version": 0, "opened_at": start.at})
        return opened, opened.add_event(ASSESSMENT_OPEN, start.at, AssessmentOpened.of(start))

    def draw(self, sample: tuple[Sampled, ...], at: datetime) -> AssessmentEvent:
        return self.add_event(DRAW, at, Drawn(sample=sample))

    def note_computation(self, computed: Computation, step: AssessmentKind | None, at: datetime) -> AssessmentEvent:
        """Note the figures, which `step` makes public or final; None: neither."""
        step = step or COMPUTE
        state = {PUBLISH.name: S.OBJECTIONS, ASSESSMENT_FINISH.name: S.FINAL}.get(step.name)
        return self.add_event(step, at, step.data.model_validate({"computed": computed}), state)

    @property
    def must_draw(self) -> bool:
        return bool(self.computed and self.standard.sample_per_agent and not self.drawn)

    def next_step(self, at: datetime) -> AssessmentKind | None:
        """None while the first figures are missing, or people act; `at` is when they were computed."""
        inspections, objections = self.limit_of(INSPECTIONS), self.limit_of(OBJECTIONS)
        if self.computed is None or self.must_draw:
            return None
        if self.state is S.DRAFT:
            waits = inspections is not None and self.uninspected and at < inspections.ends_at
            return None if waits else PUBLISH
        if self.state is S.OBJECTIONS and objections and at >= objections.ends_at and not self.undecided:
            return ASSESSMENT_FINISH
        return None

    def is_settled(self, at: datetime) -> bool:
        """Return True if the month is final, or at `at` only its last computation is outstanding."""
        return self.over or self.next_step(at) is ASSESSMENT_FINISH

    def remind(self, at: datetime) -> tuple[AssessmentEvent, ...]:
        """Each reminder that fell due until `at`, in order, exactly once."""
        events = []
        while (due := self._next_reminder()) and due.fell_at <= at:
            events.append(self.add_event(REMIND, at, due))
        return tuple(events)

    def next_deadline(self, at: datetime) -> datetime | None:
        """None if only people act."""
        instants = [each.ends_at for each in self.limits if each.ends_at > at]
        if due := self._next_reminder():
            instants.append(due.fell_at)
        return min(instants, default=None)

    def _next_reminder(self) -> Reminded | None:
        reminders = []
        for limit in self.limits:
            # Nobody has to object: once the time for it is over, nobody is told of it.
            percents = [each for each in self.standard.rungs if each <= MISS or limit.name != OBJECTIONS]
            if percent := min((each for each in percents if each > limit.rung), default=None):
                falls_at = self.standard.limit(limit.starts_at, limit.seconds * percent / 100)
                reminders.append(Reminded(limit=limit.name, percent=percent, fell_at=falls_at))
        return min(reminders, key=attrgetter("fell_at", "percent", "limit"), default=None)


ASSESSMENT_PREFIX = "assessment_"
"""Prefix of the kind of a notification, so that templates can tell it from an event of a case."""
ASSESSMENT_NOTIFICATION_ZH = {
    f"{ASSESSMENT_PREFIX}{kind.name}": kind.zh for kind in ASSESSMENT_KINDS.values() if kind.is_notified
}
_LIMIT_ZH = {INSPECTIONS: "质检评分期", OBJECTIONS: "申诉期", "decision": "申诉裁决期"}


def limit_zh(name: str) -> str:
    kind, _, serial = name.partition("-")
    return f"{_LIMIT_ZH[kind]}{serial}"


def assessment_notifications(month: AssessmentFields, event: AssessmentEvent) -> tuple[Notification, ...]:
    kind = ASSESSMENT_KINDS[event.action]
    text_zh = f"{month.number}考核：{kind.zh}，现为{event.to_state.zh}"
    text_en = f"Assessment of {month.number}: {english(event.action)}, now {english(event.to_state)}"
    if isinstance(event.data, Reminded):
        text_zh += f"；{limit_zh(event.data.limit)}已用{event.data.percent}%"
        text_en += f"; {event.data.percent} % of the time for {english(event.data.limit)} is used"
    recipients = kind.addressees(month, event)
    return notifications_of(month.number, event, recipients, f"{ASSESSMENT_PREFIX}{event.action}", (text_zh, text_en))


class AssessmentBatch(Immutable):
    """One publication of one assessment. Written again, it writes the same rows."""

    assessment: Assessment
    events: tuple[AssessmentEvent, ...] = Field(min_length=1)


class Computing(Immutable):
    """Order to compute the figures of a month, with what counted until `as_of`; `serial` names what is written."""

    assessment: Assessment
    as_of: datetime
    serial: int


class DrawingSample(Immutable):
    """Order to draw so many cases of each agent of a computed month, by the seed."""

    month: str
    computation: int
    seed: str
    per_agent: int


def draw(seed: str, per_agent: int, cases: Iterable[tuple[str, str]]) -> tuple[Sampled, ...]:
    """Draw so many cases of each agent, of pairs of number and agent; the same seed draws the same cases."""
    of_agents: dict[str, list[tuple[bytes, str]]] = {}
    for number, agent in cases:
        lot = hashlib.sha256(f"{seed}\0{number}".encode()).digest()
        of_agents.setdefault(agent, []).append((lot, number))
    return tuple(
        Sampled(complaint=number, agent=agent)
        for agent, lots in sorted(of_agents.items())
        for _, number in sorted(lots)[:per_agent]
    )
