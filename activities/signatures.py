"""Signatures of starts and updates: a workflow acts for the service, and for nobody else who reaches Temporal's port.

Every client of the service signs what it sends, in a header that Temporal keeps with it. A worker checks an update
before it is accepted, and never at replay; and a start in the first task. The signature of a start goes along with the
activities of its workflow, which check it too: whoever answers workflow tasks of their own may ask for any activity.
A worker signs the next run of a workflow.
"""

import hashlib
import hmac
import logging
import struct
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import is_
from typing import Any, NamedTuple, NoReturn, Protocol

from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError

from activities.command_faults import action_meant, unreadable
from activities.keys import Key, Keys
from domain.shared.command import Command

log = logging.getLogger("hotline.worker")

HEADER = "signature"
VALID = timedelta(minutes=5)
"""Time for which a signed update is taken: longer than a client waits for an answer, and shorter than the key of a
command is known, so that nobody can send it again when the key is forgotten."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""Time by which the clock of a sender may be ahead."""
UNSIGNED = "Unsigned"
"""Type of the failure of what no client of the service has signed."""
_ENCODING = {"encoding": b"binary/plain"}
_SAID = struct.Struct(">4sQ16s")
"""The id of the key, the instant in milliseconds, and the digest of the arguments; their code (MAC) follows."""
_CODE_BYTES = 16
_STARTED_BY = {
    "ComplaintWorkflow": "Register over the HTTP API: POST /v1/complaints.",
    "IncidentWorkflow": "Declare it over the HTTP API: POST /v1/incidents.",
    "CatalogueRolloutWorkflow": "Run the command `hotline catalogue apply`.",
}
SCHEDULED_WORKFLOW, SCHEDULED_ACTIVITY = "PeriodEndWorkflow", "begin_due_periods"
"""The workflow that Temporal itself starts, by a Schedule, and its activity. Neither takes an argument: whoever asks
for them brings about what is due anyway, so they need no signature."""
_ACTED_ON_BY = {
    "ComplaintWorkflow": "/v1/complaints/NUMBER/actions/{}",
    "IncidentWorkflow": "/v1/incidents/NUMBER/actions/{}",
    "AssessmentWorkflow": "/v1/assessments/MONTH/inspections or objections",
}
_decoded = threading.local()
_FAULT_OF_UPDATE, _FAULT_OF_START = "signatures_fault_of_update", "signatures_fault_of_start"
_SIGNATURE = "signatures_signature"


class UndecidedError(Exception):
    """Error for what cannot be judged here: the signing key or the type of the workflow is unknown.

    The task is tried again, later each time: the service may have started it, so it does not fail.
    """


class Subject(NamedTuple):
    """Start or update that is signed: the workflow's id, and the name and id of the update; a start has none of them.

    The type of a workflow is part of its id.
    """

    workflow_id: str
    name: str = ""
    update_id: str = ""


class _Sent(Protocol):
    args: Sequence[Any]
    headers: Mapping[str, Payload]


class Signatures(client.Interceptor, worker.Interceptor):
    """Interceptor of every client of the service, which signs, and thereby of the workers of that client, which check.

    Args:
        keys: keys of the service.
        converter: converter of the client.
        clock: returns the present instant.
    """

    def __init__(
        self,
        keys: Keys,
        converter: PayloadConverter,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keys = keys
        self._converter = converter
        self._clock = clock

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:  # noqa: A002 - the SDK's name
        """Return the interceptor that signs."""
        return _Signs(next, self)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[worker.WorkflowInboundInterceptor]:
        """Return the interceptor of each run."""
        input.unsafe_extern_functions[_FAULT_OF_UPDATE] = self._fault_of_update
        input.unsafe_extern_functions[_FAULT_OF_START] = self._fault_of_start
        input.unsafe_extern_functions[_SIGNATURE] = self._signature
        return _ChecksRuns

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:  # noqa: A002 - as above
        """Return the interceptor of each activity."""
        return _ChecksStarts(next, self)

    def sign(self, sent: _Sent, subject: Subject) -> None:
        """Add the signature to the headers of a start or update, and encode its arguments, which are signed so."""
        arguments = self._converter.to_payloads(sent.args)
        signature = self._signature(subject, arguments)
        sent.args, sent.headers = [*map(RawValue, arguments)], {**sent.headers, HEADER: signature}

    def _signature(self, subject: Subject, arguments: Sequence[Payload]) -> Payload:
        key = self._keys.newest()
        said = _SAID.pack(key.id, int(self._clock().timestamp() * 1000), digest(arguments))
        return Payload(metadata=_ENCODING, data=said + _code(key, subject, said))

    def fault(
        self,
        subject: Subject,
        signature: Payload | None,
        arguments: Sequence[Payload] | None = None,
        lasts: timedelta | None = None,
    ) -> str | None:
        """Return why no client of the service can have signed this; None if one has.

        Args:
            subject: what was started or updated.
            signature: what its headers hold.
            arguments: its arguments, encoded; None if they are not compared.
            lasts: how old the signature of an update may be; None for a start.

        Raises UndecidedError.
        """
        if signature is None:
            return "it is not signed"
        said, code = signature.data[: _SAID.size], signature.data[_SAID.size :]
        if len(said) < _SAID.size:
            return "its signature is of another form"
        key_id, milliseconds, _ = _SAID.unpack(said)
        if (key := self._keys.find(key_id)) is None:
            raise UndecidedError(f"it is signed with key {key_id.hex()}, which this process does not have")
        if not hmac.compare_digest(code, _code(key, subject, said)):
            return "its signature is of something else"
        if arguments is not None and not is_of(signature, arguments):
            return "its signature is of other arguments"
        age = self._clock() - datetime.fromtimestamp(milliseconds / 1000, UTC)
        if lasts is not None and not -CLOCKS_DIFFER <= age <= lasts:
            return f"its signature is {age.total_seconds():.0f} s old, and lasts {lasts.total_seconds():.0f} s"
        return None

    def _fault_of_update(self, subject: Subject, signature: Payload | None, arguments: Sequence[Payload]) -> str | None:
        try:
            return self.fault(subject, signature, arguments, VALID)
        except UndecidedError as error:
            return str(error)

    def _fault_of_start(
        self, subject: Subject, signature: Payload | None, arguments: Sequence[Payload], *, as_sent: bool
    ) -> str | None:
        fault = self.fault(subject, signature, arguments if as_sent else None)
        if not fault and not is_of(signature, arguments):
            # Encoded anew: another release may have sent fields that this one does not know.
            raise UndecidedError("what it was started with cannot be compared with its signature")
        return fault


def digest(arguments: Sequence[Payload]) -> bytes:
    """Return a digest of encoded arguments."""
    return hashlib.sha256(b"\n".join(each.data for each in arguments)).digest()[:16]


def is_of(signature: Payload | None, arguments: Sequence[Payload]) -> bool:
    """Return True if the signature, whoever made it, is of these arguments."""
    return signature is not None and signature.data[: _SAID.size].endswith(digest(arguments))


def _code(key: Key, subject: Subject, said: bytes) -> bytes:
    # No part has a line feed: ids and names are the service's own.
    return hmac.digest(key.secret, "\n".join(subject).encode() + said, "sha256")[:_CODE_BYTES]


class _Signs(client.OutboundInterceptor):
    """Signs every start and update."""

    def __init__(self, next: client.OutboundInterceptor, signatures: Signatures) -> None:  # noqa: A002 - as above
        super().__init__(next)
        self._signatures = signatures

    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:  # noqa: A002 - as above
        self._signatures.sign(input, Subject(input.id))
        return await super().start_workflow(input)

    async def start_workflow_update(
        self,
        input: client.StartWorkflowUpdateInput,  # noqa: A002 - as above
    ) -> client.WorkflowUpdateHandle[Any]:
        input.update_id = input.update_id or str(uuid.uuid4())
        self._signatures.sign(input, Subject(input.id, input.update, input.update_id))
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self,
        input: client.StartWorkflowUpdateWithStartInput,  # noqa: A002 - as above
    ) -> client.WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        update.update_id = update.update_id or str(uuid.uuid4())
        self._signatures.sign(start, Subject(start.id))
        self._signatures.sign(update, Subject(start.id, update.update, update.update_id))
        return await super().start_update_with_start_workflow(input)


class _ChecksRuns(worker.WorkflowInboundInterceptor):
    """Refuses starts and updates that the service has not sent, and hands the signature of the start on."""

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_HandsOn(outbound))

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - as above
        made = workflow.instance()
        if isinstance(made, NotStarted):
            raise made.failure
        is_scheduled = workflow.info().workflow_type == SCHEDULED_WORKFLOW and not input.args
        if not (is_scheduled or isinstance(made, ChecksStart)) and (failure := failure_of_start(input.args)):
            raise failure
        return await super().execute_workflow(input)

    def handle_update_validator(self, input: worker.HandleUpdateInput) -> None:  # noqa: A002 - as above
        subject = Subject(workflow.info().workflow_id, input.update, input.id)
        fault_of, action = workflow.extern_functions()[_FAULT_OF_UPDATE], action_meant(input.update)
        if fault := fault_of(subject, input.headers.get(HEADER), encoded(input.args)):
            instead = "只有本系统可以发送", "The service alone sends it."
            if action:
                path = f"POST {_ACTED_ON_BY[workflow.info().workflow_type].format(input.update)}"
                instead = (
                    f"请登录本系统，在其 Temporal 界面 /temporal/ 办理，或通过 HTTP 接口办理（{path}）",
                    f"Sign in to the service and act in its Temporal UI, /temporal/, or over the HTTP API: {path}.",
                )
            message = f"未办理：没有本系统的有效签名，{instead[0]}。Not accepted: {fault}. {instead[1]}"
            raise ApplicationError(message, type=UNSIGNED, non_retryable=True)
        if action and not (len(input.args) == 1 and isinstance(input.args[0], Command)):
            raise unreadable(action)
        super().handle_update_validator(input)


class _HandsOn(worker.WorkflowOutboundInterceptor):
    """Gives activities the signature of the start, and the next run one of its own."""

    def start_activity(self, input: worker.StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - as above
        input.headers = _with_signature(input.headers)
        return super().start_activity(input)

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - as above
        input.headers = _with_signature(input.headers)
        return super().start_local_activity(input)

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:  # noqa: A002 - as above
        if sign := workflow.extern_functions().get(_SIGNATURE):  # else a replay in a test
            arguments = encoded(input.args)
            input.args = [*map(RawValue, arguments)]
            input.headers = {**input.headers, HEADER: sign(Subject(workflow.info().workflow_id), arguments)}
        super().continue_as_new(input)


def _with_signature(headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
    """Return the headers with the signature of the start. An update may come before the workflow runs."""
    signature = workflow.info().headers.get(HEADER)
    return {**headers, HEADER: signature} if signature else headers


class _ChecksStarts(worker.ActivityInboundInterceptor):
    """Does nothing for a workflow that was started past the service."""

    def __init__(self, next: worker.ActivityInboundInterceptor, signatures: Signatures) -> None:  # noqa: A002 - as above
        super().__init__(next)
        self._signatures = signatures

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - as above
        info = activity.info()
        subject = Subject(info.workflow_id or "")
        is_scheduled = info.activity_type == SCHEDULED_ACTIVITY and not input.args
        if not is_scheduled and (fault := self._signatures.fault(subject, input.headers.get(HEADER))):
            log.error("workflow %s was started past the service: %s", info.workflow_id, fault)
            raise ApplicationError(f"Not started by the service: {fault}.", type=UNSIGNED, non_retryable=True)
        return await super().execute_activity(input)


def signatures_of(of: client.Client) -> Signatures:
    """Return the interceptor that signs what this client sends. Raises LookupError if it has none."""
    for interceptor in of.config()["interceptors"]:
        if isinstance(interceptor, Signatures):
            return interceptor
    raise LookupError("the client has no signatures")


def failure_of_start(arguments: Sequence[object]) -> Exception | None:
    """Return why the present run does not begin: the service cannot have started it so, or it cannot be told here.

    None if the service has started it. A later run is signed by the worker of the run before: Temporal also starts
    runs by itself, of a cron for example. A replay goes on if the key was lost since.
    """
    info, fault_of = workflow.info(), workflow.extern_functions().get(_FAULT_OF_START)
    if fault_of is None:  # a replay in a test
        return None
    sent = _decoded_from(arguments)
    try:
        subject, signature = Subject(info.workflow_id), info.headers.get(HEADER)
        fault = fault_of(subject, signature, encoded(arguments), as_sent=sent is not None)
    except UndecidedError as error:
        return None if workflow.unsafe.is_replaying() else error
    instead = _STARTED_BY.get(info.workflow_type, "The service alone starts it.")
    message = f"Not started by the service: {fault}. {instead}"
    return ApplicationError(message, type=UNSIGNED, non_retryable=True) if fault else None


class ChecksStart:
    """Base of workflows whose `__new__` asks `failure_of_start`: nothing is computed for one that is refused."""


class NotStarted:
    """Object in place of that of a workflow that does not begin: it raises the reason, whatever is asked of it."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def __getattr__(self, _: str) -> NoReturn:
        raise self.failure


def remember(values: Sequence[object], payloads: Sequence[Payload], *, is_start: bool) -> None:
    """Keep, for this thread, what these values were decoded from: encoded anew, unset fields may differ.

    Signals that come with a start are decoded between it and its check, so it has a place of its own.
    """
    setattr(_decoded, "start" if is_start else "other", (values, payloads))


def encoded(arguments: Sequence[Any]) -> Sequence[Payload]:
    """Return what these arguments were decoded from just now, or else encode them."""
    return _decoded_from(arguments) or workflow.payload_converter().to_payloads(arguments)


def _decoded_from(arguments: Sequence[Any]) -> Sequence[Payload] | None:
    """Return what these arguments were decoded from just now; None if that is not known."""
    if len(arguments) == 1 and isinstance(arguments[0], list):  # of a workflow of any type, not decoded
        arguments = arguments[0]
    for values, payloads in vars(_decoded).values():
        if len(values) == len(arguments) and all(map(is_, values, arguments)):
            return payloads  # type: ignore[no-any-return]  # as `remember` has kept them
    return None if arguments else ()
