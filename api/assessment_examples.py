"""Examples of the documented answers about assessments, made here in memory."""

from datetime import UTC, datetime, timedelta

from api.assessments import (
    ExclusionItem,
    InspectionItem,
    ObjectionItem,
    exclusion_item,
    inspection_items,
    objection_item,
)
from api.examples import NOON, NUMBER, TERMS
from domain.assessment.actions import object_
from domain.assessment.assessment import Assessment, AssessmentOpening
from domain.assessment.exclusion import Exclusion
from domain.assessment.state import Computation, Objection, Sampled
from domain.catalogue.standard import Standard
from domain.catalogue.terms import Edition
from readmodel.assessment.months import CountedCase

_UNTIL = datetime(2026, 8, 31, 16, tzinfo=UTC)
STANDARD = Standard(
    objection_seconds=75_600,
    decision_seconds=75_600,
    inspection_seconds=75_600,
    rungs=(50, 100),
    calendar=TERMS.calendar,
)
MONTH, _ = Assessment.open(
    AssessmentOpening(
        month="2026-08",
        at=_UNTIL + timedelta(minutes=20),
        since=datetime(2026, 7, 31, 16, tzinfo=UTC),
        until=_UNTIL,
        seed="c0ffee",
        standard=STANDARD,
        edition=Edition(digest="0123456789ab", name="Zhongshan", name_zh="中山"),
    )
)
MONTH.sample = (Sampled(complaint=NUMBER, agent="10023"),)
MONTH.computed = Computation(serial=1, as_of=MONTH.opened_at, digest="0" * 64, entries=11, results=())
CASE = CountedCase(NUMBER, 7, NOON, counts=False, amount=None, excluded=None)
INSPECTIONS: list[InspectionItem] = inspection_items(MONTH)
OBJECTION: ObjectionItem = objection_item(
    MONTH.number,
    Objection.taken_from(
        object_.ACTION.example, id=1, raised_by="10023", raised_at=_UNTIL, due_at=_UNTIL + timedelta(days=3)
    ),
)
EXCLUSION: ExclusionItem = exclusion_item(
    Exclusion("0" * 32, NUMBER, "beyond_duty", "The pipe is the neighbour's. 非供水设施", None, "10023", NOON)
)
