"""Events that nobody asks for: time, the catalogue, an incident or the delivery of notifications brings them."""

from domain.case.automatic import credit, external, lateness, left_out
from domain.case.state import EventKind

AUTOMATIC: tuple[EventKind, ...] = (
    lateness.ESCALATE,
    lateness.NOTICE,
    lateness.CRITICISE,
    external.UNDELIVERED,
    external.RECOGNISE,
    EventKind.cancellation("case", by_time=True),
    external.CATALOGUE_CHANGE,
    credit.KIND,
    left_out.KIND,
)
