"""Letters by HTTP: a gateway for text messages, and signed webhooks. Both learn by an id what they have had before."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic_core import to_json
from standardwebhooks import Webhook

from activities.notifications.channel_file import SmsChannel, WebhookChannel
from activities.notifications.postman import DeliveryError, Letter, message_id, within

JSON = {"Content-Type": "application/json"}

# It logs every address that it asks, and an address may hold a key.
logging.getLogger("httpx").setLevel(logging.WARNING)


class SmsSender:
    """Posts one JSON object a message, with its id as `Idempotency-Key`.

    Args:
        name: the channel's; two channels to one gateway have ids of their own.
        channel: the gateway.
        http: the client, which stays the caller's to close.
    """

    def __init__(self, name: str, channel: SmsChannel, http: httpx.AsyncClient) -> None:
        self._name = name
        self._channel = channel
        self._http = http

    async def send(self, letter: Letter) -> None:
        """See Sender."""
        channel = self._channel
        phone = channel.to or letter.phone
        if phone is None:
            raise DeliveryError("the case has no telephone number")
        body = {
            **channel.body,
            channel.to_field: "".join(sign for sign in phone if sign in "+0123456789"),
            channel.text_field: letter.text,
        }
        headers = {name: value.get_secret_value() for name, value in channel.headers.items()}
        headers |= JSON | {"Idempotency-Key": message_id(self._name, letter.key)}
        async with within(channel.timeout_seconds):
            await _post(self._http, channel.url, headers, to_json(body))


class WebhookSender:
    """Posts what happened, signed as Standard Webhooks has it: the receiver knows a repetition by `webhook-id`."""

    def __init__(self, channel: WebhookChannel, http: httpx.AsyncClient) -> None:
        self._channel = channel
        self._webhook = Webhook(channel.secret.get_secret_value())
        self._http = http

    async def send(self, letter: Letter) -> None:
        """See Sender."""
        body = to_json({"type": f"complaint.{letter.kind}", "timestamp": letter.created_at, "data": _data(letter)})
        identity, now = message_id(letter.key), datetime.now(UTC)
        headers = JSON | {
            "webhook-id": identity,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(identity, now, body.decode()),
        }
        async with within(self._channel.timeout_seconds):
            await _post(self._http, self._channel.url, headers, body)


def _data(letter: Letter) -> dict[str, Any]:
    """Without the telephone number: whoever may know it reads the case."""
    return {name: getattr(letter, name) for name in ("key", "number", "recipient", "subject", "text")}


async def _post(http: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: bytes) -> None:
    # Only the status matters: an answer without end is not read. The caller bounds the time.
    async with http.stream("POST", url, headers=dict(headers), content=body, timeout=None) as response:
        if not response.is_success:
            raise DeliveryError(f"the receiver answered {response.status_code}")
