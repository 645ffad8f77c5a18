"""Stamps: the kind of a sealed message, its name, the id that it is for, and when it was sent.

The envelope says that the service has sealed a payload for a workflow. The stamp says what for: who copies a sealed
payload can neither start a workflow again with it, nor repeat an update, nor have an activity done in another's place.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta
from inspect import signature
from typing import Any, NamedTuple, NoReturn, cast

from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError

from activities.names import COURIER, RECONCILER, SURGE_WATCH, UNSEALED, action_meant
from activities.sealing.envelope import CLEAR, FOREIGN, key_of

log = logging.getLogger("hotline.worker")

VALID = timedelta(minutes=5)
"""Time for which a start or an update is taken: longer than a client waits for an answer, and shorter than the key of a
command is known, so that nobody can send it again when the key is forgotten."""
ACCEPTED_WITHIN = 3 * VALID
"""The same for an update by Temporal's clock, which alone a replay knows: that of the worker may be off."""
START, COMMAND, ACTIVITY, RESULT, FAILURE, HEARTBEAT = "start", "command", "activity", "result", "failure", "heartbeat"
QUERY = "query"
ASKED = "asked"
"""Header of a query: drawn for each, and stamped on its answer, so that nobody gives an earlier one for it."""
NOT_OURS = "the service has not sealed it"
_KIND, _NAME, _ID, _AT = "kind", "name", "id", "at"
_ACTED_ON_BY = {
    "ComplaintWorkflow": "/v1/complaints/NUMBER/actions/{}",
    "IncidentWorkflow": "/v1/incidents/NUMBER/actions/{}",
    "AssessmentWorkflow": "/v1/assessments/MONTH/inspections or objections",
}
_ONLY_FOR = {"deliver_notifications": COURIER, "watch_surges": SURGE_WATCH, "reconcile": RECONCILER}
"""Id of the only workflow that an activity without an end is done for: more would hold all slots of a worker."""
_NO_STAMP = "", "", ""
_asked_of: ContextVar[tuple[str, str, str]] = ContextVar("asked_of", default=_NO_STAMP)
"""Kind, name and id that every argument of the present activity is stamped with; empty if they differ."""


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


class Stamps(client.Interceptor, worker.Interceptor):
    """Interceptor of every client of the service, which stamps, and thereby of the workers of that client.

    Args:
        converter: converter of the client.
        clock: returns the present time in seconds since 1970.
    """

    def __init__(self, converter: PayloadConverter, clock: Callable[[], float] = time.time) -> None:
        self._converter = converter
        self._clock = clock

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:  # noqa: A002 - the SDK's name
        """Return the interceptor that stamps what is sent."""
        return _ClientOutbound(next, self)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK's name
    ) -> type[worker.WorkflowInboundInterceptor]:
        """Return the interceptor of each run."""
        return _WorkflowInbound

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:  # noqa: A002 - as above
        """Return the interceptor of each activity."""
        return _ActivityInbound(next)

    def sent(self, arguments: Sequence[Any], kind: str, name: str, message_id: str = "") -> list[RawValue]:
        """Return the arguments of a start or an update with their stamp."""
        stamp = {_KIND: kind, _NAME: name, _ID: message_id, _AT: _milliseconds(self._clock())}
        return _stamped(self._converter, arguments, stamp)

    def read(self, payload: Payload, kind: type | None) -> Any:  # noqa: ANN401 - of this type
        """Return the value of an opened payload."""
        return self._converter.from_payloads([payload], [kind] if kind else None)[0]

    def in_clear(self, arguments: Sequence[Any]) -> list[RawValue]:
        """Return the arguments of a signal."""
        return _stamped(self._converter, arguments, {CLEAR: "1"})


def _stamped(converter: PayloadConverter, values: Sequence[Any], stamp: Mapping[str, str]) -> list[RawValue]:
    parts = {part: text.encode() for part, text in stamp.items()}
    payloads = converter.to_payloads(values)
    return [RawValue(Payload(metadata={**each.metadata, **parts}, data=each.data)) for each in payloads]


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


class _ClientOutbound(client.OutboundInterceptor):
    """Stamps every start and update, and takes no answer to a query but that of the workflow to this one."""

    def __init__(self, next: client.OutboundInterceptor, stamps: Stamps) -> None:  # noqa: A002 - as above
        super().__init__(next)
        self._stamps = stamps

    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:  # noqa: A002 - as above
        input.args = self._stamps.sent(input.args, START, input.workflow)
        return await super().start_workflow(input)

    async def start_workflow_update(
        self,
        input: client.StartWorkflowUpdateInput,  # noqa: A002 - as above
    ) -> client.WorkflowUpdateHandle[Any]:
        input.update_id = input.update_id or str(uuid.uuid4())
        input.args = self._stamps.sent(input.args, COMMAND, input.update, input.update_id)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self,
        input: client.StartWorkflowUpdateWithStartInput,  # noqa: A002 - as above
    ) -> client.WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        update.update_id = update.update_id or str(uuid.uuid4())
        start.args = self._stamps.sent(start.args, START, start.workflow)
        update.args = self._stamps.sent(update.args, COMMAND, update.update, update.update_id)
        return await super().start_update_with_start_workflow(input)

    async def query_workflow(self, input: client.QueryWorkflowInput) -> Any:  # noqa: A002, ANN401 - as above
        asked, wanted = uuid.uuid4().hex, input.ret_type
        input.headers, input.ret_type = {**input.headers, ASKED: Payload(data=asked.encode())}, RawValue
        answer = (await super().query_workflow(input)).payload
        if stamp_of(answer) != (QUERY, input.query, asked):
            raise UndecidedError(f"the answer to the query {input.query} was sealed for another")
        return self._stamps.read(answer, wanted)

    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:  # noqa: A002 - as above
        # A signal that cannot be opened is lost, so it carries nothing that must be.
        input.args = self._stamps.in_clear(input.args)
        await super().signal_workflow(input)


class _WorkflowInbound(worker.WorkflowInboundInterceptor):
    """Stamps what a run asks for, and what it answers to queries of the service."""

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_WorkflowOutbound(outbound))

    async def handle_query(self, input: worker.HandleQueryInput) -> Any:  # noqa: A002, ANN401 - as above
        answer = await super().handle_query(input)
        if (asked := input.headers.get(ASKED)) is None:
            return answer
        stamp = {_KIND: QUERY, _NAME: input.query, _ID: asked.data.decode(errors="replace")}
        return _stamped(workflow.payload_converter(), [answer], stamp)[0]


class _WorkflowOutbound(worker.WorkflowOutboundInterceptor):
    """Stamps what a run asks of activities, and the start of the next run."""

    def start_activity(self, input: worker.StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - as above
        input.args = self._of_next_activity(input.args, input.activity)
        return super().start_activity(input)

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - as above
        input.args = self._of_next_activity(input.args, input.activity)
        return super().start_local_activity(input)

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:  # noqa: A002 - as above
        input.args = self._of_this_run(input.args, START, input.workflow or workflow.info().workflow_type)
        super().continue_as_new(input)

    def _of_next_activity(self, arguments: Sequence[Any], name: str) -> list[RawValue]:
        # Counted as the SDK does for the id. A local activity would get another number after a pause of over a minute
        # between two tries: none of the service makes one.
        run = cast("Run", present_run.get())
        is_reset = workflow.random_seed() != run.first_seed
        number = len(run.asked) + 1
        run.asked.append(f"{number}/{workflow.random_seed()}" if is_reset and arguments else f"{number}")
        return self._of_this_run(arguments, ACTIVITY, name, f"/{run.asked[-1]}")

    def _of_this_run(self, arguments: Sequence[Any], kind: str, name: str, place: str = "") -> list[RawValue]:
        stamp = {_KIND: kind, _NAME: name, _ID: f"{workflow.info().run_id}{place}"}
        return _stamped(workflow.payload_converter(), arguments, stamp)


class _ActivityInbound(worker.ActivityInboundInterceptor):
    """Does nothing with arguments that a run of the service has not stamped for this activity; stamps the result."""

    def init(self, outbound: worker.ActivityOutboundInterceptor) -> None:
        super().init(_ActivityOutbound(outbound))

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - as above
        info = activity.info()
        is_extra = _ONLY_FOR.get(info.activity_type, info.workflow_id) != info.workflow_id
        # Without arguments an activity does what is due anyway, whoever asks for it; so does one without an end, which
        # a reset leaves pending. Nobody else asks for a local one.
        is_due = info.activity_type in _ONLY_FOR or not signature(input.fn).parameters
        *meant, asked = _asked_of.get()
        this_one = [ACTIVITY, info.activity_type, info.workflow_run_id, info.activity_id]
        is_asked = [*meant, *asked.split("/")[:2]] == this_one
        if is_extra or not (is_due or info.is_local or is_asked):
            log.error("activity %s of workflow %s was asked for past the service", info.activity_type, info.workflow_id)
            message = "Not done: no run of the service has asked for it."
            raise ApplicationError(message, type=UNSEALED, non_retryable=is_extra)
        result = await super().execute_activity(input)
        return stamped_answer(activity.payload_converter(), result, RESULT, info.activity_type)


class _ActivityOutbound(worker.ActivityOutboundInterceptor):
    """Stamps the heartbeats of an activity."""

    def heartbeat(self, *details: Any) -> None:  # noqa: ANN401 - as above
        stamp = {_KIND: HEARTBEAT, _ID: _asked_of.get()[2]}
        super().heartbeat(*_stamped(activity.payload_converter(), details, stamp))


def stamped_answer(converter: PayloadConverter, answer: object, kind: str, name: str) -> RawValue:
    """Return the result of the present activity, or what is sealed of its failure, with its stamp.

    `name`: type of the activity, or of the failure.
    """
    info = activity.info()
    place = _asked_of.get()[2].partition("/")[2] or info.activity_id
    stamp = {_KIND: kind, _NAME: name, _ID: place, _AT: _milliseconds(info.started_time.timestamp())}
    return _stamped(converter, [answer], stamp)[0]


def note_asked(arguments: Sequence[Payload]) -> None:
    """Keep what these arguments of the present activity are for: the SDK decodes them before it asks interceptors."""
    stamps = {stamp_of(each) for each in arguments}
    _asked_of.set(stamps.pop() if len(stamps) == 1 else _NO_STAMP)


def own_heartbeats(payloads: Sequence[Payload]) -> Sequence[Payload]:
    """Return these heartbeats if earlier attempts of this activity have sent them, and it has arguments; else none.

    The id is that of the arguments, which are decoded before.
    """
    asked = _asked_of.get()[2]
    return payloads if asked and all(stamp_of(each) == (HEARTBEAT, "", asked) for each in payloads) else ()


def check_start(payload: Payload, run: workflow.Info) -> None:
    """Raise ApplicationError if the service has not started the run with this argument; UndecidedError."""
    if fault := start_fault(payload, run.workflow_type, run.continued_run_id, run.workflow_start_time):
        message = f"Not started: {fault}. The service alone starts workflows: use its HTTP API or its commands."
        raise ApplicationError(message, type=UNSEALED, non_retryable=True)


def start_fault(payload: Payload, workflow_type: str, continued_run_id: str | None, started_at: datetime) -> str | None:
    """Return why the service cannot have started a run with this argument; None if it has.

    Args:
        payload: the argument, opened.
        workflow_type: type of the workflow.
        continued_run_id: the run that it goes on from; None or empty for a first run.
        started_at: when Temporal took the start.

    Raises UndecidedError.
    """
    if fault := _fault(payload, START, workflow_type):
        return fault
    if _part(payload, _ID) != (continued_run_id or ""):
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
    if not fault and _part(payload, _ID) != update.id:
        fault = "it was sealed for another update"
    if not fault and not is_replay:
        fault = _age_fault(payload, time.time())
    if not fault and (old := _age_fault(payload, workflow.now().timestamp(), ACCEPTED_WITHIN)):
        fault = f"by Temporal's clock, {old}"
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
        said: tuple[Any, ...] = answer.result.completed.result, RESULT, None
    elif answer.result.HasField("failed"):
        said = failure.encoded_attributes, FAILURE, failure.application_failure_info.type
    else:
        return
    payload, kind, name = said
    if fault := answer_fault(payload, kind, run.asked[answer.seq - 1], run.info.workflow_start_time, name):
        raise UndecidedError(f"the answer of an activity cannot be taken: {fault}")


def answer_fault(payload: Payload, kind: str, place: str, started_at: datetime, name: str | None = None) -> str | None:
    """Return why the service cannot have answered so for the activity with this place in the run; None if it has.

    `name` is the type of a failure, `started_at` when Temporal took the start of the run. Raises UnknownKeyError.
    """
    if fault := _fault(payload, kind, name):
        return fault
    if _part(payload, _ID) != place:
        return "it was sealed for another activity, or before a reset"
    # Both are by Temporal's clock, but for a local activity, which is tried again; the stamp has whole milliseconds.
    is_past = int(_part(payload, _AT)) < int(started_at.timestamp() * 1000)
    return "it was sealed before this run began" if is_past else None


def check_sealed(payload: Payload) -> None:
    """Raise UndecidedError if the service has not sealed this, or has with an unknown key."""
    if payload.metadata.get("encoding") == FOREIGN:
        raise UndecidedError(NOT_OURS)
    if (key := key_of(payload)) is not None:
        raise UnknownKeyError(f"it is sealed with key {key}, which this process does not have")


def message_of(payload: Payload) -> tuple[str, str]:
    """Return the kind of a message and its name, both empty if it has no stamp."""
    return _part(payload, _KIND), _part(payload, _NAME)


def stamp_of(payload: Payload) -> tuple[str, str, str]:
    """Return kind, name and id of a message, all empty if it has no stamp, or was not opened: it may name anything."""
    return (*message_of(payload), _part(payload, _ID)) if key_of(payload) is None else _NO_STAMP


def _fault(payload: Payload, kind: str, name: str | None = None) -> str | None:
    if payload.metadata.get("encoding") == FOREIGN:
        return NOT_OURS
    check_sealed(payload)
    if _part(payload, _KIND) != kind or (name is not None and _part(payload, _NAME) != name):
        return f"it was sealed for something else than this {kind}"
    return None


def _age_fault(payload: Payload, now: float, lasts: timedelta = VALID) -> str | None:
    age = now - int(_part(payload, _AT)) / 1000
    if abs(age) <= lasts.total_seconds():
        return None
    return f"it was sealed {age:.0f} s before it came, and lasts {lasts.total_seconds():.0f} s"


def _part(payload: Payload, part: str) -> str:
    return payload.metadata.get(part, b"").decode()
