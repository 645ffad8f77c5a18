"""Stamps: the kind of a sealed message, its name, the id that it is for, and when it was sent.

The envelope says that the service has sealed a payload for a workflow. The stamp says what for: who copies a sealed
payload can neither start a workflow again with it, nor repeat an update, nor have an activity done in another's place.
"""

import logging
import time
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple, Self

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError

from activities.names import UNSEALED, action_meant
from activities.sealing.envelope import FOREIGN, Envelope, key_of

log = logging.getLogger("hotline.worker")

STAMP_VALID = timedelta(minutes=5)
"""Time for which a start or an update is taken: longer than a client waits for an answer, and shorter than the key of a
command is known, so that nobody can send it again when the key is forgotten."""
ACCEPTED_WITHIN = 3 * STAMP_VALID
"""The same for an update by Temporal's clock, which alone a replay knows: that of the worker may be off."""
START, COMMAND, ACTIVITY, RESULT, FAILURE, HEARTBEAT = "start", "command", "activity", "result", "failure", "heartbeat"
QUERY, REFUSAL = "query", "refusal"
ASKED_HEADER = "asked"
"""Header of a query: drawn for each. It is stamped on the answer, so that nobody gives one to another query for it."""
ENDED_FIRST = "AcceptedUpdateCompletedWorkflow"
"""Type of the failure by which Temporal itself, without a seal, answers an update whose workflow ended before it.

Somebody else's worker can answer so as well, while the workflow runs."""
NOT_OURS = "the service has not sealed it"
_ACTED_ON_BY = {
    "ComplaintWorkflow": "/v1/complaints/NUMBER/actions/{}",
    "IncidentWorkflow": "/v1/incidents/NUMBER/actions/{}",
    "AssessmentWorkflow": "/v1/assessments/MONTH/inspections or objections",
}


class Stamp(NamedTuple):
    """Stamp of a message: its kind, its name, the id that it is for, and when it was sent, in ms since 1970 as a text.

    What is empty is not written.
    """

    kind: str = ""
    name: str = ""
    id: str = ""
    at: str = ""

    @classmethod
    def of(cls, payload: Payload) -> Self:
        """Empty if the payload was not opened, as it may name anything then."""
        if key_of(payload) is not None:
            return cls()
        return cls(*(payload.metadata.get(part, b"").decode() for part in cls._fields))

    def put_on(self, payload: Payload) -> None:
        for part, text in self._asdict().items():
            if text:
                payload.metadata[part] = text.encode()

    def stamped(self, converter: PayloadConverter, values: Sequence[Any]) -> list[RawValue]:
        payloads = converter.to_payloads(values)
        for payload in payloads:
            self.put_on(payload)
        return [*map(RawValue, payloads)]


asked_of: ContextVar[Stamp] = ContextVar("asked_of", default=Stamp())  # noqa: B039 - it is immutable
"""Stamp of every argument of the present activity; empty if they differ."""


class Run(NamedTuple):
    """Run whose payloads are decoded.

    Attributes:
        info: what the SDK says of it.
        first_seed: seed of its random numbers when it began. Each reset gives it another.
        asked: number in the run of each activity that it has asked for; after a reset, with the seed.
    """

    info: workflow.Info
    first_seed: int
    asked: list[str]


present_run: ContextVar[Run | None] = ContextVar("present_run", default=None)
"""The run whose payloads are decoded in this thread; None in clients and activities."""


class UndecidedError(RuntimeError):
    """Error for what cannot be judged here: its key, or the type of the workflow, is unknown, or nobody has sealed it.

    The task is tried again, later each time: the service may have sent it, so the workflow does not fail.
    """


class UnknownKeyError(UndecidedError):
    """Error for what is sealed with a key that this process does not have."""


def milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


def asked_for(asked: bytes, arguments: Sequence[Payload], run_id: str) -> str:
    """Purpose of the answer to the query with this header: it is for that, these arguments and this run."""
    digest = sha256(b"\n".join(each.data for each in arguments)).hexdigest()
    return f"{asked.decode(errors='replace')}/{digest}/{run_id}"


def stamped_answer(converter: PayloadConverter, answer: object, kind: str, name: str) -> RawValue:
    """Of the present activity, a result or what is sealed of its failure; `name` is its type, or the failure's."""
    info = activity.info()
    place = asked_of.get().id.partition("/")[2] or info.activity_id
    return Stamp(kind, name, place, milliseconds(info.started_time.timestamp())).stamped(converter, [answer])[0]


def stamp_refusal(failure: Failure, converter: PayloadConverter) -> None:
    """Stamp the failure of the present update, if there is one, with its type and words."""
    if update := workflow.current_update_info():
        if not failure.HasField("encoded_attributes"):
            failure.encoded_attributes.CopyFrom(converter.to_payloads([None])[0])
        Stamp(REFUSAL, _type_and_message(failure), update.id).put_on(failure.encoded_attributes)


def check_refusal(update_id: str, failure: Failure, envelope: Envelope) -> None:
    """Raise UndecidedError if the service has not refused the update of this id so."""
    payload = envelope.open(failure.encoded_attributes)
    check_sealed(payload)
    if Stamp.of(payload)[:3] != (REFUSAL, _type_and_message(failure), update_id):
        raise UndecidedError("the refusal of an update was sealed for another, or with other words")


def _type_and_message(failure: Failure) -> str:
    return f"{failure.application_failure_info.type} {failure.message}"


def note_asked(arguments: Sequence[Payload]) -> None:
    """Keep what these arguments of the present activity are for: the SDK decodes them before it asks interceptors."""
    stamps = {*map(Stamp.of, arguments)}
    asked_of.set(stamps.pop() if len(stamps) == 1 else Stamp())


def own_heartbeats(payloads: Sequence[Payload]) -> Sequence[Payload]:
    """All of them if earlier attempts of this activity have sent each, and it has arguments; else none.

    The id is that of the arguments, which are decoded before.
    """
    asked = asked_of.get().id
    return payloads if asked and all(Stamp.of(each)[:3] == (HEARTBEAT, "", asked) for each in payloads) else ()


def check_start(payload: Payload, run: workflow.Info) -> None:
    """Raise ApplicationError if the service has not started the run with this argument; UndecidedError."""
    if fault := start_fault(payload, run.workflow_type, run.continued_run_id, run.workflow_start_time):
        message = f"Not started: {fault}. The service alone starts workflows: use its HTTP API or its commands."
        raise ApplicationError(message, type=UNSEALED, non_retryable=True)


def start_fault(payload: Payload, workflow_type: str, continued_run_id: str | None, started_at: datetime) -> str | None:
    """Reason why the service cannot have started a run with this argument; None if it has.

    `payload` is the argument, opened; `continued_run_id` the run that it goes on from, None or empty for a first run;
    `started_at` when Temporal took the start. Raises UndecidedError.
    """
    if fault := _fault(payload, START, workflow_type):
        return fault
    if Stamp.of(payload).id != (continued_run_id or ""):
        return "it was sealed for another run"
    return None if continued_run_id else _age_fault(payload, started_at.timestamp())


def check_command(payload: Payload, update: workflow.UpdateInfo) -> None:
    """Raise ApplicationError if the service has not sent the update with this argument; UndecidedError.

    A replay takes what was accepted, unless it had been sealed long before: somebody else has accepted it then. So
    nothing is accepted that a replay would not take, which would stop the workflow for good.
    """
    is_replay = workflow.unsafe.is_replaying()
    try:
        fault = _fault(payload, COMMAND, update.name)
    except UnknownKeyError as error:
        if is_replay:
            raise
        fault = str(error)
    if not fault and Stamp.of(payload).id != update.id:
        fault = "it was sealed for another update"
    if not fault and not is_replay:
        fault = _age_fault(payload, time.time())
    if not fault and (old := _age_fault(payload, workflow.now().timestamp(), ACCEPTED_WITHIN)):
        fault = f"by Temporal's clock, {old}"
    rebuilt_at: datetime | None = workflow.instance().rebuilt_at
    if not fault and rebuilt_at and int(Stamp.of(payload).at) < rebuilt_at.timestamp() * 1000:
        fault = "it was sealed before its workflow was rebuilt, and may have been done"
    if not fault:
        return
    if is_replay:
        raise UndecidedError(f"the update {update.name} of the history cannot be taken: {fault}")
    instead = "只有本系统可以发送", "The service alone sends it."
    if action_meant(update.name):
        path = f"POST {_ACTED_ON_BY[workflow.info().workflow_type].format(update.name)}"
        instead = (
            f"请登录本系统，在其 Temporal 界面 /temporal/ 办理，或通过 HTTP 接口办理（{path}）",
            f"Sign in to the service and act in its Temporal UI, /temporal/, or over the HTTP API: {path}.",
        )
    message = f"未办理：不是本系统封装的内容，{instead[0]}。Not accepted: {fault}. {instead[1]}"
    raise ApplicationError(message, type=UNSEALED, non_retryable=True)


def check_answer(answer: Any, run: Run) -> None:  # noqa: ANN401 - a message of the SDK's core
    """Raise UndecidedError if the service has not answered so for this activity of the run.

    No activity of the service has a limit of tries or of the time for all of them. So a failure that comes to a
    workflow is one that is not tried again, of the type that is sealed with it.
    """
    failure = answer.result.failed.failure.cause
    if answer.result.HasField("completed"):
        answered: tuple[Any, ...] = answer.result.completed.result, RESULT, None
    elif answer.result.HasField("failed"):
        answered = failure.encoded_attributes, FAILURE, failure.application_failure_info.type
    else:
        return
    payload, kind, name = answered
    if fault := answer_fault(payload, kind, run.asked[answer.seq - 1], run.info.workflow_start_time, name):
        raise UndecidedError(f"the answer of an activity cannot be taken: {fault}")


def answer_fault(payload: Payload, kind: str, place: str, started_at: datetime, name: str | None = None) -> str | None:
    """Reason why the service cannot have answered so for the activity with this place in the run; None if it has.

    `name` is the type of a failure, `started_at` when Temporal took the start of the run. Raises UnknownKeyError.
    """
    if fault := _fault(payload, kind, name):
        return fault
    if Stamp.of(payload).id != place:
        return "it was sealed for another activity, or before a reset"
    # Both are by Temporal's clock, but for a local activity, which is tried again; the stamp has whole milliseconds.
    is_past = int(Stamp.of(payload).at) < int(started_at.timestamp() * 1000)
    return "it was sealed before this run began" if is_past else None


def check_sealed(payload: Payload) -> None:
    """Raise UndecidedError if the service has not sealed this, or has with an unknown key."""
    if payload.metadata.get("encoding") == FOREIGN:
        raise UndecidedError(NOT_OURS)
    if (key := key_of(payload)) is not None:
        raise UnknownKeyError(f"it is sealed with key {key}, which this process does not have")


def _fault(payload: Payload, kind: str, name: str | None = None) -> str | None:
    if payload.metadata.get("encoding") == FOREIGN:
        return NOT_OURS
    check_sealed(payload)
    stamp = Stamp.of(payload)
    if stamp.kind != kind or (name is not None and stamp.name != name):
        return f"it was sealed for something else than this {kind}"
    return None


def _age_fault(payload: Payload, now: float, lasts: timedelta = STAMP_VALID) -> str | None:
    age = now - int(Stamp.of(payload).at) / 1000
    if abs(age) <= lasts.total_seconds():
        return None
    return f"it was sealed {age:.0f} s before it came, and lasts {lasts.total_seconds():.0f} s"
