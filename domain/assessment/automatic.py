"""Events that nobody asks for: the month is computed, published and final; people are told before a time ends."""

from datetime import datetime

from domain.assessment.actions.object_ import OBJECTIONS
from domain.assessment.state import AssessmentEvent, AssessmentFields, AssessmentKind, Computation, Sampled
from domain.catalogue.terms import MISS, Edition
from domain.kit.event import Addressees, EventData

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


class Computed(EventData):
    """Result of a computation."""

    computed: Computation


class Reminded(EventData):
    """Time that is running out, or over: what is to be done, and the percentage of it that is used up."""

    limit: str
    percent: int
    fell_at: datetime


def _draw(month: AssessmentFields, data: Drawn, event: AssessmentEvent) -> None:
    month.drawn = True
    if data.sample and month.standard.inspection_seconds:
        month.open_limit(INSPECTIONS, event.at, month.standard.inspection_seconds)


def _publish(month: AssessmentFields, data: Computed, event: AssessmentEvent) -> None:
    month.computed, month.published_at = data.computed, event.at
    month.close_limit(INSPECTIONS)
    month.open_limit(OBJECTIONS, event.at, month.standard.objection_seconds)


def _finish(month: AssessmentFields, data: Computed, _: AssessmentEvent) -> None:
    month.computed, month.limits = data.computed, ()


def _remind(month: AssessmentFields, data: Reminded, _: AssessmentEvent) -> None:
    month.limits = tuple(
        each.model_copy(update={"rung": data.percent}) if each.name == data.limit else each for each in month.limits
    )


def _reminds(_: AssessmentFields, data: Reminded, __: AssessmentEvent) -> Addressees:
    if data.limit == OBJECTIONS:
        return ("agent", "crew", "supervisor")
    return ("supervisor", "manager", *(("general_manager",) if data.percent >= MISS else ()))


ASSESSMENT_OPEN = AssessmentKind(
    name="open", zh="开始考核", description="The month is over and is assessed.", data=AssessmentOpened
)
DRAW = AssessmentKind(
    name="draw_sample",
    zh="抽样",
    description="Cases of each agent were drawn, by the recorded seed, to be inspected.",
    data=Drawn,
    sets=("sample",),
    evolve=_draw,
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
    data=Computed,
    evolve=_publish,
    notifies=("agent", "crew", "supervisor", "manager"),
)
REMIND = AssessmentKind(
    name="remind",
    zh="提醒",
    description="A rung of the ladder was reached: a time is running out, or over.",
    data=Reminded,
    evolve=_remind,
    notifies=_reminds,
)
ASSESSMENT_FINISH = AssessmentKind(
    name="finish",
    zh="定稿",
    description="The month is final; nothing changes it any more.",
    data=Computed,
    evolve=_finish,
    notifies=("supervisor", "manager", "general_manager"),
)
ASSESSMENT_CANCELLATION = AssessmentKind.cancellation("assessment")
ASSESSMENT_AUTOMATIC: tuple[AssessmentKind, ...] = (
    ASSESSMENT_OPEN,
    DRAW,
    COMPUTE,
    PUBLISH,
    REMIND,
    ASSESSMENT_FINISH,
    ASSESSMENT_CANCELLATION,
)
