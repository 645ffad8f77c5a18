"""Recorded histories, which lie in clear in the repository: sealed for a replay, and opened when they are recorded."""

import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes, HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.converter import SerializationContext, WorkflowSerializationContext

from activities.sealing.envelope import Envelope, context_named, context_of
from activities.sealing.stamps import ACTIVITY, COMMAND, RESULT, START
from tests.support.sealing import OneKey

NAMESPACE = "default"
STAMP = ("kind", "name", "id", "at")


def sealed(history: WorkflowHistory) -> WorkflowHistory:
    """Return the history with all that is sealed by the service, at the instants and for the runs of its events."""
    events = [HistoryEvent.FromString(event.SerializeToString()) for event in history.events]
    of_workflow = WorkflowSerializationContext(NAMESPACE, history.workflow_id)
    started = events[0].workflow_execution_started_event_attributes
    workflow_type, scheduled = started.workflow_type.name, dict[int, ActivityTaskScheduledEventAttributes]()
    for event in events:
        at = str(int(event.event_time.ToDatetime(UTC).timestamp() * 1000))
        asked = event.activity_task_scheduled_event_attributes
        update = event.workflow_execution_update_accepted_event_attributes.accepted_request
        done = event.activity_task_completed_event_attributes
        failed = event.activity_task_failed_event_attributes
        of = scheduled.get(done.scheduled_event_id or failed.scheduled_event_id, asked)
        name = of.activity_type.name
        if event.HasField("workflow_execution_started_event_attributes"):
            before = started.continued_execution_run_id
            _seal(started.input, of_workflow, kind=START, name=workflow_type, id=before, at=at)
        elif event.HasField("workflow_execution_update_accepted_event_attributes"):
            _seal(update.input.args, of_workflow, kind=COMMAND, name=update.input.name, id=update.meta.update_id, at=at)
        elif name:
            scheduled[event.event_id] = of
            context = context_of(NAMESPACE, history.workflow_id, workflow_type, name)
            _seal(asked.input, context, kind=ACTIVITY, name=name, id=started.original_execution_run_id)
            _seal(done.result, context, kind=RESULT, name=name, id=of.activity_id, at=at)
        elif event.HasField("marker_recorded_event_attributes"):
            details = event.marker_recorded_event_attributes.details
            told = json.loads(details["data"].payloads[0].data)
            context = context_of(NAMESPACE, history.workflow_id, workflow_type, told["activity_type"])
            _seal(details["result"], context, kind=RESULT, name=told["activity_type"], id=told["activity_id"], at=at)
        elif event.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            answered = event.workflow_execution_update_completed_event_attributes
            _seal(answered.outcome, of_workflow, id=answered.meta.update_id)
            _seal(event.user_metadata, of_workflow)
    return WorkflowHistory(history.workflow_id, events)


def opened(history: WorkflowHistory) -> WorkflowHistory:
    """Return the history in clear, without the stamps of the service."""
    events = [HistoryEvent.FromString(event.SerializeToString()) for event in history.events]
    for payload in (each for event in events for each in _payloads(event)):
        if context := context_named(payload, NAMESPACE):
            payload.CopyFrom(Envelope(OneKey(), context).open(payload))
            for part in STAMP:
                payload.metadata.pop(part, None)
    return WorkflowHistory(history.workflow_id, events)


def _seal(message: Message, context: SerializationContext, **stamp: str) -> None:
    for payload in _payloads(message):
        for part, text in stamp.items():
            payload.metadata[part] = text.encode()
        payload.CopyFrom(Envelope(OneKey(), context).seal(payload))


def _payloads(message: Any) -> Iterator[Payload]:
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields() if isinstance(message, Message) else ():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            nested = value.values() if field.message_type.fields_by_name["value"].message_type else ()
        else:
            nested = value if field.is_repeated else [value]
        for each in nested:
            yield from _payloads(each)
