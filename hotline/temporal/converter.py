"""Data converter of every client, worker and replay."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from google.protobuf.message import Message
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions
from temporalio.converter import (
    BinaryPlainPayloadConverter,
    BinaryProtoPayloadConverter,
    DataConverter,
    EncodingPayloadConverter,
    JSONProtoPayloadConverter,
)
from temporalio.exceptions import ApplicationError

from activities.signatures import remember
from domain.shared.command import Command
from domain.shared.value import Start
from workflows.start_checks import INVALID_ARGUMENTS, Undecoded

MOST_FAULTS = 5
"""Faults that a message names."""
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
    """Payload converter that says what is accepted if the argument of a start or of an action cannot be decoded.

    Every other value raises pydantic's ValidationError: a fault of ours never ends a case. The result of an activity
    then fails the workflow task, which is tried again; an update of the service is refused; the SDK drops a signal.
    """

    def __init__(self, options: ToJsonOptions) -> None:
        super().__init__(options)
        self.converters = {
            encoding: _Checked(one) if isinstance(one, _UNCHECKED) else one for encoding, one in self.converters.items()
        }

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """Decode payloads. A start message that cannot be decoded becomes `Undecoded`.

        Raises ApplicationError, which refuses the update, for a command that cannot be decoded.
        """
        try:
            values = super().from_payloads(payloads, type_hints)
        except (ValidationError, KeyError, RuntimeError) as error:
            values = [_undecoded(type_hints, error)] * len(payloads)
        if values:
            remember(values, payloads, is_start=isinstance(values[0], (Start, Undecoded)))
        return values


def _undecoded(type_hints: list[type] | None, error: Exception) -> Undecoded:
    """Return what takes the place of a start message; the SDK gives no types if the number of arguments is wrong.

    Raises ApplicationError for a command, and the error itself for all else.
    """
    kind = type_hints[0] if type_hints and len(type_hints) == 1 else None
    if not type_hints:
        return Undecoded("Not started: another number of arguments is accepted.")
    if not (isinstance(kind, type) and issubclass(kind, (Start, Command))):
        raise error
    message = _explain(kind, error) if isinstance(error, ValidationError) else "an unknown encoding."
    if issubclass(kind, Command):
        raise ApplicationError(f"Not accepted: {message}", type=INVALID_ARGUMENTS, non_retryable=True) from None
    return Undecoded(f"Not started: {message}")


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    """Return what is wrong with the argument and what is accepted, without any value that was sent."""
    faults = dict.fromkeys(map(_fault, error.errors(include_url=False, include_input=False)))
    return f"{'; '.join(islice(faults, MOST_FAULTS))}. Accepted: one JSON object, a {_fields(kind)}."


def _fault(fault: ErrorDetails) -> str:
    # The last part is a key that was sent.
    unknown = fault["type"] == "extra_forbidden"
    place = ".".join(map(str, fault["loc"][: -1 if unknown else None])) or "the argument"
    if unknown:
        return f"{place}: an unknown field"
    return f"{place}: {'not accepted' if fault['type'] in _QUOTES_INPUT else fault['msg']}"


def _fields(kind: type[BaseModel]) -> str:
    """Return the name of the model with its fields, those of a command's body as well."""
    nested: Mapping[str, Any] = {"body": kind.model_fields["body"].annotation} if issubclass(kind, Command) else {}
    fields = (f"{name}: {_fields(nested[name])}" if name in nested else name for name in kind.model_fields)
    return f"{kind.__name__} ({', '.join(fields)})"


_CONVERTER = Converter(ToJsonOptions(exclude_unset=True))


def _converter() -> PydanticPayloadConverter:
    """Return the one converter, which has no state: the SDK asks for one several times in every workflow task."""
    return _CONVERTER


DATA_CONVERTER = DataConverter(payload_converter_class=_converter)  # type: ignore[arg-type]  # it is only called
"""Data converter of every client, worker and replay. Unset fields, a tenth of a history, are left out of its JSON.

A default that a model mutates in place is not sent.
"""
