"""Payloads in histories that the service has sealed: starts, commands, answers, and requests for activities.

What it has not sealed for its place, somebody has written who posed as its worker: it counts for nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar, cast

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter, PayloadCodec

from activities.run_status import UnopenedError, UnreadableError
from activities.sealing.envelope import FOREIGN, context_of
from activities.sealing.stamps import ACTIVITY, RESULT, Stamp, UnknownKeyError, answer_fault, check_sealed
from domain.case.state import ProjectionBatch
from domain.incident.incident import IncidentBatch, News

WRITTEN: dict[str, tuple[type[Any], str]] = {
    "publish": (ProjectionBatch, "ComplaintWorkflow"),
    "publish_incident": (IncidentBatch, "IncidentWorkflow"),
    "inform_callers": (News, "IncidentWorkflow"),
}
"""Type of the argument of each activity that writes to SQL, and of the workflow that asks for it, by the activity."""
ANSWER_KIND = ""
"""Kind of the answers of updates: their stamp has the id of the update alone."""
T = TypeVar("T")


class Origin(NamedTuple):
    """Context of the payloads of a history: data converter, namespace, id of the workflow, and start of the run."""

    converter: DataConverter
    namespace: str
    workflow_id: str
    begun_at: datetime = datetime.max.replace(tzinfo=UTC)

    def of(self, *activity: str) -> DataConverter:
        """For starts, updates and answers, or for the arguments of an activity, by both types."""
        return self.converter.with_context(context_of(self.namespace, self.workflow_id, *activity))

    async def opened(self, payloads: Sequence[Payload], *activity: str) -> Payload | None:
        """Open the only payload of a message; None if the service has not sealed it for this place."""
        if len(payloads) != 1:
            return None
        [payload] = await cast("PayloadCodec", self.of(*activity).payload_codec).decode(payloads)
        return None if payload.metadata.get("encoding") == FOREIGN else payload


class WriteRequest(NamedTuple):
    """Request for an activity that writes to SQL: types of workflow and activity, argument, and place in the run."""

    activity: tuple[str, str]
    argument: Any
    place: str

    async def is_done(self, origin: Origin, event: HistoryEvent) -> bool:
        """Return True if the service has sealed this result of the activity: SQL has had what it was to write.

        A result that cannot be told, sealed with an unknown key, does not count: people rather hear of it twice.
        """
        result = await origin.opened(event.activity_task_completed_event_attributes.result.payloads, *self.activity)
        try:
            return result is not None and not answer_fault(result, RESULT, self.place, origin.begun_at)
        except UnknownKeyError:
            return False


async def write_requested(origin: Origin, event: HistoryEvent) -> WriteRequest | None:
    """None unless this event schedules an activity that writes to SQL."""
    scheduled = event.activity_task_scheduled_event_attributes
    if (name := scheduled.activity_type.name) not in WRITTEN:
        return None
    kind, workflow_type = WRITTEN[name]
    payload = await origin.opened(scheduled.input.payloads, workflow_type, name)
    if payload is None or (argument := _value(origin, payload, ACTIVITY, kind)) is None:
        return None
    return WriteRequest((workflow_type, name), argument, Stamp.of(payload).id.partition("/")[2])


async def read_message(
    origin: Origin, payloads: Sequence[Payload], message: str, kind: type[T], update: str = ""
) -> T | None:
    """Read a start, or what came with this update; None if the service has not sealed it so. Raises as `_value`."""
    payload = await origin.opened(payloads)
    return None if payload is None else _value(origin, payload, message, kind, update)


def _value(origin: Origin, payload: Payload, message: str, kind: type[T], update: str = "") -> T | None:
    """None if it is another message, which somebody has copied.

    Raises UnopenedError, and UnreadableError if this release does not know what it says.
    """
    try:
        check_sealed(payload)
        stamp = Stamp.of(payload)
        # Some updates answer nothing, or a text.
        is_other = message == ANSWER_KIND and not payload.data.startswith(b"{")
        if is_other or stamp.kind != message or (update and stamp.id != update):
            return None
        [value] = origin.converter.payload_converter.from_payloads([payload], [kind])
    except UnknownKeyError as error:
        raise UnopenedError(str(error)) from None
    except (ValidationError, RuntimeError, KeyError) as error:
        # Nothing is quoted: it may be personal.
        raise UnreadableError(f"a {kind.__name__} cannot be read: {type(error).__name__}") from None
    return value if isinstance(value, kind) else None
