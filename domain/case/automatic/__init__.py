"""Events that nobody asks for: time, the catalogue, an incident or the delivery of notifications brings them."""

from domain.case.automatic import credit, escalate, external, left_out, notice
from domain.case.state import EventKind

AUTOMATIC: tuple[EventKind, ...] = (
    escalate.KIND,
    notice.NOTICE,
    notice.CRITICISE,
    external.UNDELIVERED,
    external.RECOGNISE,
    EventKind.cancellation("case", by_time=True),
    external.CATALOGUE_CHANGE,
    credit.KIND,
    left_out.KIND,
)
