"""Envelope of what Temporal stores: nobody without a key reads it, or makes what the service takes for its own.

A codec seals each payload (AES-256-GCM) for its workflow, and those of an activity for the activity as well; it is
opened nowhere else. Inside, beside the content, stands its stamp: the kind of message, its name, the id that it is for,
and the instant at which it was sent. The stamps are put and compared by `activities.sealing.stamps`.
"""

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from pydantic import TypeAdapter
from temporalio import converter
from temporalio.api.common.v1 import Payload

from activities.sealing.keys import Key, Keys, derived
from domain.shared.errors import OperatorError

SEALED, FOREIGN = b"binary/sealed", b"binary/foreign"
"""Encodings of what the service has sealed, and of what it has not: no converter takes the second for a value."""
NOT_SEALED = Payload(metadata={"encoding": FOREIGN})
CLEAR = "clear"
"""Metadata of what is sent in clear: numbers of cases, in signals."""
Context = converter.WorkflowSerializationContext | converter.ActivitySerializationContext
_FOR, _KEY = "for", "key"
_PURPOSE = "payloads"
_NONCE_BYTES, _KEY_BYTES = 12, 32
_NAMED = TypeAdapter[tuple[str] | tuple[str, str, str]](tuple[str] | tuple[str, str, str])


class Envelope(converter.PayloadCodec, converter.WithSerializationContext):
    """Codec of every client, worker and replay.

    Opening raises nothing, since it comes before every check: what is not sealed for this place goes on as `FOREIGN`,
    and what is sealed with a key that this process does not have goes on as it is.
    """

    def __init__(self, keys: Keys, context: converter.SerializationContext | None = None) -> None:
        self._keys = keys
        namespace, self._place = _place_of(context)
        # Authenticated beside the content, after the id of the key.
        self._bound = b"\n".join((b"", namespace.encode(), self._place or b""))

    def with_context(self, context: converter.SerializationContext) -> Self:
        return type(self)(self._keys, context)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raise OperatorError if there is no key."""
        return [each if CLEAR in each.metadata else self.seal(each) for each in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [*map(self.open, payloads)]

    def seal(self, payload: Payload) -> Payload:
        """Raise OperatorError if there is no key."""
        if self._place is None:
            raise RuntimeError("a payload is of no workflow and of no activity, so it cannot be sealed")
        key_id, cipher = _cipher(self._keys.newest())
        nonce = os.urandom(_NONCE_BYTES)
        data = nonce + cipher.encrypt(nonce, payload.SerializeToString(), key_id + self._bound)
        return Payload(metadata={"encoding": SEALED, _KEY: key_id, _FOR: self._place}, data=data)

    def open(self, payload: Payload) -> Payload:
        """`FOREIGN` if the payload has no content for this place; see the class."""
        metadata = payload.metadata
        if metadata.get("encoding") != SEALED:
            return Payload(metadata={"encoding": FOREIGN}, data=payload.data)
        try:
            key = self._keys.find(bytes.fromhex(metadata.get(_KEY, b"").decode("ascii")))
            if key is None:
                return payload
            if metadata.get(_FOR) == self._place:
                nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
                key_id, cipher = _cipher(key)
                return Payload.FromString(cipher.decrypt(nonce, sealed, key_id + self._bound))
        except OperatorError:  # the file of keys cannot be read
            return payload
        except (InvalidTag, ValueError, DecodeError):
            pass
        return NOT_SEALED


def key_of(payload: Payload) -> str | None:
    """Id of the key that a payload waits for; None if it is not sealed (any more)."""
    sealed = payload.metadata.get("encoding") == SEALED
    return payload.metadata.get(_KEY, b"").decode(errors="replace") if sealed else None


def as_sent_in_clear(payload: Payload) -> Payload:
    """Take a payload that was not sealed for JSON."""
    return Payload(metadata={"encoding": b"json/plain"}, data=payload.data)


def context_named(payload: Payload, namespace: str) -> Context | None:
    """None if the sealed payload names no context."""
    try:
        return context_of(namespace, *_NAMED.validate_json(payload.metadata.get(_FOR, b"")))
    except ValueError:
        return None


def context_of(namespace: str, workflow_id: str, workflow_type: str = "", activity_type: str = "") -> Context:
    """With an `activity_type`, of an activity that the workflow has asked for."""
    if not activity_type:
        return converter.WorkflowSerializationContext(namespace, workflow_id)
    return converter.ActivitySerializationContext(
        namespace=namespace,
        workflow_id=workflow_id,
        workflow_type=workflow_type,
        activity_type=activity_type,
        # Neither is authenticated.
        activity_id=None,
        activity_task_queue=None,
        is_local=False,
    )


def _place_of(context: converter.SerializationContext | None) -> tuple[str, bytes | None]:
    """Namespace, and what names the place in it; None if the context is of no workflow."""
    if isinstance(context, converter.WorkflowSerializationContext):
        return context.namespace, json.dumps([context.workflow_id]).encode()
    if isinstance(context, converter.ActivitySerializationContext):
        # Not the activity's id: the workflow does not know it when it seals the arguments.
        names = [context.workflow_id, context.workflow_type, context.activity_type]
        return context.namespace, json.dumps(names).encode()
    return "", None


@lru_cache(maxsize=64)
def _cipher(key: Key) -> tuple[bytes, AESGCM]:
    """Id of the key as metadata have it, and what seals with the key."""
    return key.id.hex().encode(), AESGCM(derived(key.secret, _PURPOSE, _KEY_BYTES))
