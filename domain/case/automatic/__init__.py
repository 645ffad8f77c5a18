"""Events that nobody asks for: time, the catalogue, an incident or the delivery of notifications brings them."""

from domain.case.automatic import catalogue_change, credit, escalate, left_out, notice, recognise, undelivered
from domain.case.state import EventKind

AUTOMATIC: tuple[EventKind, ...] = (
    escalate.KIND,
    notice.NOTICE,
    notice.CRITICISE,
    undelivered.KIND,
    recognise.KIND,
    EventKind.cancellation("case", by_time=True),
    catalogue_change.KIND,
    credit.KIND,
    left_out.KIND,
)
