"""Interceptors that put stamps on what the service sends and answers, and compare those of what it gets."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from inspect import signature
from typing import Any, NoReturn, cast

from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.update.v1 import Outcome
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.names import COURIER, RECONCILER, SURGE_WATCH, UNSEALED
from activities.run_status import UndecodableError, describe_run, is_over, latest_run
from activities.sealing import stamps
from activities.sealing.envelope import CLEAR, NOT_SEALED, Envelope
from activities.sealing.stamps import Stamp, UndecidedError

log = logging.getLogger("hotline.worker")
_ONLY_FOR = {"deliver_notifications": COURIER, "watch_surges": SURGE_WATCH, "reconcile": RECONCILER}
"""Id of the only workflow that an activity without an end is done for: more would hold all slots of a worker."""


class Stamps(client.Interceptor, worker.Interceptor):
    """Interceptor of every client of the service, which stamps, and thereby of the workers of that client.

    `clock` returns the present time in seconds since 1970.
    """

    def __init__(self, converter: PayloadConverter, clock: Callable[[], float] = time.time) -> None:
        self.converter = converter
        self._clock = clock
        self._endless = set[tuple[client.Client, str]]()
        """Activities without an end that are under way in this process: the client of the worker, and the type."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        return _ClientOutbound(next, self)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: ARG002 - the SDK's name
    ) -> type[worker.WorkflowInboundInterceptor]:
        return _WorkflowInbound

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        return _ActivityInbound(next, self._endless)

    def sent(self, arguments: Sequence[Any], kind: str, name: str, message_id: str = "") -> list[RawValue]:
        """Arguments of a start or an update, with their stamp."""
        return Stamp(kind, name, message_id, stamps.milliseconds(self._clock())).stamped(self.converter, arguments)


class _SealedUpdateHandle(client.WorkflowUpdateHandle[Any]):
    """Handle of an update, which takes no answer but that of the workflow to this one."""

    wanted: Any

    async def result(self, **options: Any) -> Any:
        """See the SDK. Raises UndecidedError as well, and RPCError if the workflow has ended before it answered."""
        await self._poll_until_outcome(**options)
        converter, outcome = self._data_converter, cast("Outcome", self._known_outcome)
        if outcome.HasField("failure"):
            failure = outcome.failure
            if failure.application_failure_info.type == stamps.ENDED_FIRST and await self._has_ended():
                raise RPCError(failure.message, RPCStatusCode.NOT_FOUND, b"")
            stamps.check_refusal(self.id, failure, cast("Envelope", converter.payload_codec))
        answer = await super().result(**options)
        payload = answer.payload if answer else NOT_SEALED
        stamps.check_sealed(payload)
        if Stamp.of(payload)[:3] != ("", "", self.id):
            raise UndecidedError("the answer to an update was sealed for another")
        return converter.payload_converter.from_payload(payload, self.wanted)

    async def _has_ended(self) -> bool:
        """Return True if Temporal itself says so, whatever the answer says. Raises RPCError."""
        with suppress(UndecodableError):
            found = await describe_run(self._client, self.workflow_id)
            return found is None or is_over(client.WorkflowExecutionStatus(found.workflow_execution_info.status))
        return False


class _ClientOutbound(client.OutboundInterceptor):
    """Stamps every start and update, and takes no answer to an update or query but that of the workflow to this one."""

    def __init__(self, next: client.OutboundInterceptor, interceptor: Stamps) -> None:
        super().__init__(next)
        self._stamps = interceptor

    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        input.args = self._stamps.sent(input.args, stamps.START, input.workflow)
        return await super().start_workflow(input)

    async def start_workflow_update(self, input: client.StartWorkflowUpdateInput) -> client.WorkflowUpdateHandle[Any]:
        input.update_id = input.update_id or str(uuid.uuid4())
        input.args = self._stamps.sent(input.args, stamps.COMMAND, input.update, input.update_id)
        return _checked(await super().start_workflow_update(input))

    async def start_update_with_start_workflow(
        self, input: client.StartWorkflowUpdateWithStartInput
    ) -> client.WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        update.update_id = update.update_id or str(uuid.uuid4())
        start.args = self._stamps.sent(start.args, stamps.START, start.workflow)
        update.args = self._stamps.sent(update.args, stamps.COMMAND, update.update, update.update_id)
        return _checked(await super().start_update_with_start_workflow(input))

    async def query_workflow(self, input: client.QueryWorkflowInput) -> Any:
        asked, wanted = uuid.uuid4().hex.encode(), input.ret_type
        arguments = self._stamps.converter.to_payloads(input.args)
        # Temporal itself says which run is the latest: whoever takes the query may put it to an ended one.
        try:
            async with asyncio.timeout(input.rpc_timeout.total_seconds() if input.rpc_timeout else None):
                input.run_id = input.run_id or await latest_run(self._sdk_client(), input.id)
        except TimeoutError:
            fault = "Temporal did not name the latest run in time"
            raise RPCError(fault, RPCStatusCode.DEADLINE_EXCEEDED, b"") from None
        own = stamps.QUERY, input.query, stamps.asked_for(asked, arguments, input.run_id)
        input.headers = {**input.headers, stamps.ASKED_HEADER: Payload(data=asked)}
        input.args, input.ret_type = [*map(RawValue, arguments)], RawValue
        answer = await super().query_workflow(input)
        payload = answer.payload if answer else NOT_SEALED
        if Stamp.of(payload)[:3] != own:
            raise UndecidedError(f"the answer to the query {input.query} was sealed for another, or by an earlier run")
        return self._stamps.converter.from_payloads([payload], [wanted] if wanted else None)[0]

    def _sdk_client(self) -> client.Client:
        innermost: Any = self.next  # the SDK tells no other interceptor the client
        while not hasattr(innermost, "_client"):
            innermost = innermost.next
        return cast("client.Client", innermost._client)  # noqa: SLF001 - as above

    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:
        # A signal that cannot be opened is lost, so it carries nothing that must be.
        payloads = self._stamps.converter.to_payloads(input.args)
        for payload in payloads:
            payload.metadata[CLEAR] = b"1"
        input.args = [*map(RawValue, payloads)]
        await super().signal_workflow(input)


def _checked(handle: client.WorkflowUpdateHandle[Any]) -> client.WorkflowUpdateHandle[Any]:
    handle.__class__ = _SealedUpdateHandle  # the SDK lets nobody else make it, or decode its answer
    sealed = cast("_SealedUpdateHandle", handle)
    sealed.wanted, sealed._result_type = sealed._result_type, RawValue  # noqa: SLF001 - as above
    return sealed


class _WorkflowInbound(worker.WorkflowInboundInterceptor):
    """Stamps what a run asks for, and what it answers to updates and to queries of the service."""

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_WorkflowOutbound(outbound))

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        answer = await super().handle_update_handler(input)
        # No more than the id, as every answer stays in the history.
        return Stamp(id=input.id).stamped(workflow.payload_converter(), [answer])[0]

    async def handle_query(self, input: worker.HandleQueryInput) -> Any:
        answer = await super().handle_query(input)
        if (asked := input.headers.get(stamps.ASKED_HEADER)) is None:
            return answer
        stamp = Stamp(stamps.QUERY, input.query, asked.data.decode(errors="replace"))
        return stamp.stamped(workflow.payload_converter(), [answer])[0]


class _WorkflowOutbound(worker.WorkflowOutboundInterceptor):
    """Stamps what a run asks of activities, and the start of the next run."""

    def start_activity(self, input: worker.StartActivityInput) -> workflow.ActivityHandle[Any]:
        input.args = self._of_next_activity(input.args, input.activity)
        return super().start_activity(input)

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        input.args = self._of_next_activity(input.args, input.activity)
        return super().start_local_activity(input)

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:
        input.args = self._of_this_run(input.args, stamps.START, input.workflow or workflow.info().workflow_type)
        super().continue_as_new(input)

    def _of_next_activity(self, arguments: Sequence[Any], name: str) -> list[RawValue]:
        # Counted as the SDK does for the id. A local activity would get another number after a pause of over a minute
        # between two tries: none of the service makes one.
        run = cast("stamps.Run", stamps.present_run.get())
        is_reset = workflow.random_seed() != run.first_seed
        number = len(run.asked) + 1
        run.asked.append(f"{number}/{workflow.random_seed()}" if is_reset and arguments else f"{number}")
        return self._of_this_run(arguments, stamps.ACTIVITY, name, f"/{run.asked[-1]}")

    def _of_this_run(self, arguments: Sequence[Any], kind: str, name: str, place: str = "") -> list[RawValue]:
        return Stamp(kind, name, f"{workflow.info().run_id}{place}").stamped(workflow.payload_converter(), arguments)


class _ActivityInbound(worker.ActivityInboundInterceptor):
    """Does nothing with arguments that a run of the service has not stamped for this activity; stamps the result."""

    def __init__(self, next: worker.ActivityInboundInterceptor, endless: set[tuple[client.Client, str]]) -> None:
        super().__init__(next)
        self._endless = endless

    def init(self, outbound: worker.ActivityOutboundInterceptor) -> None:
        super().init(_ActivityOutbound(outbound))

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        info = activity.info()
        is_extra = _ONLY_FOR.get(info.activity_type, info.workflow_id) != info.workflow_id
        # Without arguments an activity does what is due anyway, whoever asks for it; so does one without an end, which
        # a reset leaves pending. Nobody else asks for a local one.
        is_due = info.activity_type in _ONLY_FOR or not signature(input.fn).parameters
        asked = stamps.asked_of.get()
        this_one = stamps.ACTIVITY, info.activity_type, [info.workflow_run_id, info.activity_id]
        is_asked = (asked.kind, asked.name, asked.id.split("/")[:2]) == this_one
        if is_extra or not (is_due or info.is_local or is_asked):
            log.error("activity %s of workflow %s was asked for past the service", info.activity_type, info.workflow_id)
            message = "Not done: no run of the service has asked for it."
            raise ApplicationError(message, type=UNSEALED, non_retryable=is_extra)
        with self._alone(info.activity_type):
            result = await super().execute_activity(input)
        return stamps.stamped_answer(activity.payload_converter(), result, stamps.RESULT, info.activity_type)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Raise ApplicationError if it is an activity without an end that is under way here, so that it is put off."""
        if name not in _ONLY_FOR:
            yield
            return
        if (this := (activity.client(), name)) in self._endless:
            raise ApplicationError("Not done: this worker does it already.", type=UNSEALED)
        self._endless.add(this)
        try:
            yield
        finally:
            self._endless.remove(this)


class _ActivityOutbound(worker.ActivityOutboundInterceptor):
    """Stamps the heartbeats of an activity."""

    def heartbeat(self, *details: Any) -> None:
        stamp = Stamp(stamps.HEARTBEAT, id=stamps.asked_of.get().id)
        super().heartbeat(*stamp.stamped(activity.payload_converter(), details))
