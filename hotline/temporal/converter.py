"""Data converter of every client, worker and replay."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

from google.protobuf.message import Message
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions
from temporalio.converter import (
    BinaryPlainPayloadConverter,
    BinaryProtoPayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    EncodingPayloadConverter,
    JSONProtoPayloadConverter,
    PayloadConverter,
)
from temporalio.exceptions import ApplicationError

from activities.command_faults import MOST_FAULTS, NO_HANDLER, Unreadable
from activities.signatures import remember
from domain.shared.command import Command
from domain.shared.value import Start
from workflows.start_checks import Undecoded

UNDECODED = "Failed decoding arguments"
"""The SDK's words for arguments of an internal update or a query that are of another type."""
_UNCHECKED = (BinaryPlainPayloadConverter, BinaryProtoPayloadConverter, JSONProtoPayloadConverter)
"""Converters of the SDK that ignore the expected type."""
_QUOTES_INPUT = ("value_error", "assertion_error", "union_tag_invalid")
"""Types of faults whose messages may repeat what was sent, which may be personal."""


class _Checked(EncodingPayloadConverter):
    """Converter of bytes or protobuf, which the service takes nowhere: pydantic checks them as it checks JSON."""

    def __init__(self, unchecked: EncodingPayloadConverter) -> None:
        self._unchecked = unchecked

    @property
    def encoding(self) -> str:
        return self._unchecked.encoding

    def to_payload(self, value: Any) -> Payload | None:  # noqa: ANN401 - as the SDK's own
        return self._unchecked.to_payload(value)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:  # noqa: ANN401 - as the SDK's own
        if isinstance(type_hint, type) and issubclass(type_hint, Message):  # the SDK describes a workflow so
            return self._unchecked.from_payload(payload, type_hint)
        try:
            value = self._unchecked.from_payload(payload)
        except Exception:  # noqa: BLE001 - the SDK's, of any type: it is no value of this encoding
            value = payload.data
        return TypeAdapter(type_hint or object).validate_python(value, strict=True)


class Converter(PydanticPayloadConverter):
    """Payload converter that puts a value of its own in place of a start message or command that cannot be decoded.

    The checks of starts and updates say what is accepted. Every other value raises pydantic's ValidationError: a fault
    of ours never ends a case. The result of an activity then fails the workflow task, which is tried again; an update
    of the service is refused; the SDK drops a signal.
    """

    def __init__(self, options: ToJsonOptions) -> None:
        super().__init__(options)
        self.converters = {
            encoding: _Checked(one) if isinstance(one, _UNCHECKED) else one for encoding, one in self.converters.items()
        }

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """Decode payloads. A start message that cannot be decoded becomes `Undecoded`, a command `Unreadable`."""
        try:
            values = super().from_payloads(payloads, type_hints)
        except (ValidationError, KeyError, RuntimeError) as error:
            values = [_undecoded(type_hints, error)] * len(payloads)
        if values:
            remember(values, payloads, is_start=isinstance(values[0], (Start, Undecoded)))
        return values


def _undecoded(type_hints: list[type] | None, error: Exception) -> Undecoded | Unreadable:
    """Return what takes the place of a start message or command; a wrong number of arguments comes without types.

    Raises the error itself for all else.
    """
    kind = type_hints[0] if type_hints and len(type_hints) == 1 else None
    if not type_hints:
        return Undecoded("Not started: another number of arguments is accepted.")
    if isinstance(kind, type) and issubclass(kind, Command):
        return Unreadable()
    if not (isinstance(kind, type) and issubclass(kind, Start)):
        raise error
    message = _explain(kind, error) if isinstance(error, ValidationError) else "an unknown encoding."
    return Undecoded(f"Not started: {message}")


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    """Return what is wrong with the argument and what is accepted, without any value that was sent."""
    faults = dict.fromkeys(map(_fault, error.errors(include_url=False, include_input=False)))
    fields = ", ".join(kind.model_fields)
    return f"{'; '.join(islice(faults, MOST_FAULTS))}. Accepted: one JSON object, a {kind.__name__} ({fields})."


def _fault(fault: ErrorDetails) -> str:
    # The last part is a key that was sent.
    unknown = fault["type"] == "extra_forbidden"
    place = ".".join(map(str, fault["loc"][: -1 if unknown else None])) or "the argument"
    if unknown:
        return f"{place}: an unknown field"
    return f"{place}: {'not accepted' if fault['type'] in _QUOTES_INPUT else fault['msg']}"


class FailureConverter(DefaultFailureConverter):
    """Failure converter that leaves out the stack trace of what is refused: people read it in the Temporal UI.

    That is an ApplicationError that is not tried again, whose message says what is accepted, an unknown update, and
    arguments that cannot be decoded.
    """

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert the exception."""
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError) and exception.non_retryable:
            failure.ClearField("stack_trace")
        elif NO_HANDLER in failure.message:
            failure.ClearField("stack_trace")
            told = re.sub(r"(?<=\[)internal_\w+ | internal_\w+", "", failure.message)
            failure.message = f"没有这个操作，请从列表中选择。{told}"
        elif failure.message == UNDECODED:
            failure.ClearField("stack_trace")
            failure.ClearField("cause")
            zh, en = "参数无法读取；内部操作只有本系统可以发送。", "the service alone sends internal updates."
            failure.message = f"{zh}{UNDECODED}; {en}"


_CONVERTER = Converter(ToJsonOptions(exclude_unset=True))


def _converter() -> PydanticPayloadConverter:
    """Return the one converter, which has no state: the SDK asks for one several times in every workflow task."""
    return _CONVERTER


DATA_CONVERTER = DataConverter(
    payload_converter_class=_converter,  # type: ignore[arg-type]  # it is only called
    failure_converter_class=FailureConverter,
)
"""Data converter of every client, worker and replay. Unset fields, a tenth of a history, are left out of its JSON.

A default that a model mutates in place is not sent.
"""
