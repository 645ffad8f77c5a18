"""Data converter of every client, worker and replay, its interceptor, and the runner that says of which run it is."""

import logging
import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from inspect import signature
from typing import Any, Self, TypedDict, cast

from google.protobuf.message import DecodeError
from temporalio import converter, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions
from temporalio.converter import _data_converter as sdk
from temporalio.exceptions import ApplicationError
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.names import NO_HANDLER, UNDECODED
from activities.sealing import stamps
from activities.sealing.envelope import NOT_SEALED, Envelope, as_sent_in_clear
from activities.sealing.interceptors import Stamps
from activities.sealing.keys import Keys
from activities.sealing.stamps import ASKED_HEADER, Run, UndecidedError, asked_for, check_answer, present_run
from domain.shared.value import InClear, Start

# The service stores no payload elsewhere. For one that says so, the SDK raises an error before the codec, so a signal
# would stop a workflow. It has no setting for it.
sdk._is_reference_payload = sdk._has_reference_marker = lambda _: False  # type: ignore[assignment]  # noqa: SLF001 - as said

Taken = Callable[[Sequence[Payload], list[type] | None], Sequence[Payload]]


class _SealingConverter(converter.DataConverter):
    """Data converter whose parts for a workflow are made once: the SDK asks for them several times in every task."""

    @lru_cache(maxsize=1000)  # noqa: B019 - a process has few
    def with_context(self, context: converter.SerializationContext) -> Self:
        return super().with_context(context)


class SealingOptions(TypedDict):
    """Options of `Client` that `sealing` returns."""

    data_converter: converter.DataConverter
    interceptors: Sequence[Stamps]


class Converter(PydanticPayloadConverter, converter.WithSerializationContext):
    """Payload converter that takes only what the service has sealed, for this message.

    In a workflow, an ApplicationError of the checks fails a start and refuses an update. All else that cannot be taken,
    as what another release has sealed, fails the task, which is tried again: a fault of ours never ends a case.

    `taken` returns opened payloads where values of these types are expected, or raises an error.
    """

    def __init__(self, taken: Taken) -> None:
        super().__init__(ToJsonOptions(exclude_unset=True))
        self._taken = taken

    def with_context(self, context: converter.SerializationContext) -> Self:
        return cast(
            "Self", _OF_ACTIVITIES if isinstance(context, converter.ActivitySerializationContext) else _OF_WORKFLOWS
        )

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """Decode payloads. Raises ApplicationError, UndecidedError and pydantic's ValidationError."""
        if type_hints and all(_is_a(hint, InClear) for hint in type_hints):
            payloads = [*map(as_sent_in_clear, payloads)]
        else:
            payloads = self._taken(payloads, type_hints)
        return super().from_payloads(payloads, type_hints)


def _taken_if_sealed(payloads: Sequence[Payload], _: list[type] | None) -> Sequence[Payload]:
    for payload in payloads:
        stamps.check_sealed(payload)
    return payloads


def _taken_by_workflow(payloads: Sequence[Payload], type_hints: list[type] | None) -> Sequence[Payload]:
    run = stamps.present_run.get()
    for payload in payloads:
        if run and workflow.in_workflow() and (update := workflow.current_update_info()):
            stamps.check_command(payload, update)
        # Without types there is another number of arguments than this release takes. They may also be of a signal,
        # which the SDK drops if it cannot be decoded.
        elif run and all(hint is RawValue or _is_a(hint, Start) for hint in type_hints or ()):
            stamps.check_start(payload, run.info)
        else:
            stamps.check_sealed(payload)
    return payloads


def _taken_by_activity(payloads: Sequence[Payload], type_hints: list[type] | None) -> Sequence[Payload]:
    """Check arguments. Heartbeats that are not its own are left out: for an error the SDK would fail it for good."""
    if stamps.present_run.get():  # the answer, in the workflow, where it was checked before
        return payloads
    # The SDK says no types for heartbeats, nor for another number of arguments than the activity takes.
    if not type_hints:
        return stamps.own_heartbeats(payloads)
    stamps.note_asked(payloads)
    return _taken_if_sealed(payloads, type_hints)


def _is_a(hint: object, kind: type) -> bool:
    return isinstance(hint, type) and issubclass(hint, kind)  # the SDK gives unions as well


class FailureConverter(converter.DefaultFailureConverter, converter.WithSerializationContext):
    """Failure converter that seals message and stack trace, which may quote what was sent.

    In clear stays what the service refuses: people read it in the Temporal UI, without a trace. That is an
    ApplicationError that is not tried again, an unknown update, and arguments that cannot be decoded.
    """

    def __init__(self, *, of_activities: bool = False) -> None:
        super().__init__()
        self._of_activities = of_activities

    def with_context(self, context: converter.SerializationContext) -> Self:
        return type(self)(of_activities=isinstance(context, converter.ActivitySerializationContext))

    def to_failure(
        self, exception: BaseException, payload_converter: converter.PayloadConverter, failure: Failure
    ) -> None:
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError) and exception.non_retryable and not self._of_activities:
            failure.ClearField("stack_trace")
        elif NO_HANDLER in failure.message:
            failure.ClearField("stack_trace")
            message = re.sub(r"(?<=\[)internal_\w+ | internal_\w+", "", failure.message)
            failure.message = f"没有这个操作。{message}"
        elif failure.message == UNDECODED:
            failure.ClearField("stack_trace")
            failure.ClearField("cause")
            zh, en = "参数无法读取；内部操作只有本系统可以发送。", "the service alone sends internal updates."
            failure.message = f"{zh}{UNDECODED}; {en}"
        elif not failure.HasField("encoded_attributes"):
            content: object = {"message": failure.message, "stack_trace": failure.stack_trace}
            if isinstance(exception, ApplicationError) and exception.non_retryable:
                content = stamps.stamped_answer(payload_converter, content, stamps.FAILURE, exception.type or "")
            failure.encoded_attributes.CopyFrom(payload_converter.to_payloads([content])[0])
            failure.message, failure.stack_trace = "Encoded failure", ""
        stamps.stamp_refusal(failure, payload_converter)

    def from_failure(self, failure: Failure, payload_converter: converter.PayloadConverter) -> BaseException:  # noqa: ARG002 - the SDK's
        return super().from_failure(failure, _OF_FAILURES)


_OF_WORKFLOWS, _OF_ACTIVITIES, _OF_FAILURES = map(Converter, (_taken_by_workflow, _taken_by_activity, _taken_if_sealed))
"""Converters have no state. The SDK asks for that of the workflow several times in every workflow task.

Unset fields, a tenth of a history, are left out of their JSON; a default that a model mutates in place is not sent.
"""


def sealing(keys: Keys, clock: Callable[[], float] = time.time) -> SealingOptions:
    """Make the data converter and interceptors by which a client sends and reads what the service seals.

    `clock` returns the present time in seconds since 1970.
    """
    data_converter = _SealingConverter(
        payload_converter_class=lambda: _OF_WORKFLOWS,  # type: ignore[arg-type]  # it is only called
        failure_converter_class=FailureConverter,
        payload_codec=Envelope(keys),
    )
    return {"data_converter": data_converter, "interceptors": [Stamps(data_converter.payload_converter, clock)]}


PASSED_THROUGH = ("activities", "domain", "pydantic", "readmodel")
"""Packages that are loaded once for all runs, beside what workflows import as `imports_passed_through`."""


class _Runner(worker.UnsandboxedWorkflowRunner):
    """Runner that says of which run payloads are decoded: `workflow.info()` is not known for starts and results."""

    def create_instance(self, det: worker.WorkflowInstanceDetails) -> worker.WorkflowInstance:
        instance = super().create_instance(det)
        activate, run = instance.activate, Run(det.info, det.randomness_seed, [])
        _, *parameters = signature(det.defn.run_fn).parameters.values()
        takes_message = any(each.default is each.empty for each in parameters)

        def activate_known(act: Any) -> Any:  # noqa: ANN401 - messages of the SDK's core
            for job in act.jobs:
                if job.HasField("initialize_workflow") and det.info.cron_schedule:
                    # If the run failed, another would begin, and it would count as one that goes on.
                    raise UndecidedError("somebody else has started it, by a cron schedule")
                _have_checked(job, takes_message=takes_message)
                if job.HasField("resolve_activity"):
                    check_answer(job.resolve_activity, run)
                if ASKED_HEADER in (query := job.query_workflow).headers:
                    header = query.headers[ASKED_HEADER]
                    header.data = asked_for(header.data, query.arguments, det.info.run_id).encode()
            if signals := [job.signal_workflow for job in act.jobs if job.HasField("signal_workflow")]:
                # The SDK drops a signal that it cannot decode, and then looks at no condition. It takes this one.
                taken, event = act.jobs.add().signal_workflow, signals[-1].originating_event_id
                taken.signal_name, taken.originating_event_id = "any", event
            token = present_run.set(run)
            try:
                return activate(act)
            finally:
                present_run.reset(token)

        instance.activate = activate_known  # type: ignore[method-assign]  # the SDK has no hook for it
        return instance


def _have_checked(job: Any, *, takes_message: bool) -> None:  # noqa: ANN401 - as above
    """Give a start or an update without arguments one that nobody has sealed: nothing else would be checked."""
    if job.HasField("do_update") and not job.do_update.input:
        job.do_update.input.append(NOT_SEALED)
    elif takes_message and job.HasField("initialize_workflow") and not job.initialize_workflow.arguments:
        job.initialize_workflow.arguments.append(NOT_SEALED)


def runner(*, sandbox: bool) -> worker.WorkflowRunner:
    """Serve worker and replay. `sandbox`: load the workflow's module anew for every run."""
    if not sandbox:
        return _Runner()
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions, _Runner)


log = logging.getLogger("hotline.worker")


def with_all_decoded(polling: worker.Worker) -> worker.Worker:
    """Make the worker fail a task that it cannot decode, and go on with all others.

    Temporal takes a failure with so many nested causes that the SDK's Python does not decode it. Whoever answers an
    activity so would end this worker, and each that gets the task after it. The SDK has no setting for it.
    """
    bridge = polling._bridge_worker  # noqa: SLF001 - see above

    async def poll() -> WorkflowActivation:
        while True:
            sent = await bridge._ref.poll_workflow_activation()  # noqa: SLF001 - as above
            try:
                return WorkflowActivation.FromString(sent)
            except DecodeError:
                # The first field is the id of the run: a mark, its length, and as many bytes.
                failed = WorkflowActivationCompletion(run_id=WorkflowActivation.FromString(sent[: 2 + sent[1]]).run_id)
            log.error("a task of the run %s cannot be decoded", failed.run_id)
            failed.failed.failure.message = "The task cannot be decoded."
            await bridge.complete_workflow_activation(failed)

    bridge.poll_workflow_activation = poll  # type: ignore[method-assign]  # see above
    return polling
