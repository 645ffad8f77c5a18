"""Events that nobody asks for: time, the catalogue, an incident or the delivery of notifications brings them."""

from domain.case.automatic import credit, internal_updates, lateness, left_out
from domain.case.state import EventKind

AUTOMATIC: tuple[EventKind, ...] = (
    lateness.ESCALATE,
    lateness.NOTICE,
    lateness.CRITICISE,
    internal_updates.UNDELIVERED,
    internal_updates.RECOGNISE,
    EventKind.cancellation("case", by_time=True),
    internal_updates.CATALOGUE_CHANGE,
    credit.KIND,
    left_out.KIND,
)
