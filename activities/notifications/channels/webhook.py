"""Webhooks by the convention of Standard Webhooks: signed, with an id by which the receiver knows a repetition."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Literal

import httpx
from pydantic import Field, SecretStr, field_validator
from pydantic_core import to_json
from standardwebhooks import Webhook

from activities.notifications.channels.base import (
    JSON,
    ProgramConfig,
    RemoteConfig,
    RenderedNotification,
    Url,
    message_id,
    post,
    time_limit,
)

SECRET_PREFIX, SECRET_BYTES = "whsec_", range(24, 65)
"""Form of a secret by Standard Webhooks: the prefix and so many bytes in base64."""
FIELDS = ("key", "number", "recipient", "subject", "text")
"""Fields of the body. The telephone number is not among them: a program that may know it reads the case."""


class WebhookConfig(RemoteConfig, ProgramConfig):
    """A program that wants to know, by the convention of Standard Webhooks."""

    kind: Literal["webhook"]
    url: Url = Field(description="http:// or https:// and the address of the receiver")
    secret: SecretStr = Field(description="whsec_ and 24 to 64 bytes in base64")

    @field_validator("secret")
    @classmethod
    def _has_form(cls, secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        try:
            length = len(base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True))
        except binascii.Error:
            length = 0
        if not text.startswith(SECRET_PREFIX) or length not in SECRET_BYTES:
            raise ValueError("is no secret of a webhook")
        return secret

    def sender(self, name: str, http: httpx.AsyncClient) -> "WebhookSender":  # noqa: ARG002 - see RemoteConfig
        """Return the sender of this channel."""
        return WebhookSender(self, http)


class WebhookSender:
    """Sender that posts each notification signed, with `webhook-id` as its id."""

    def __init__(self, config: WebhookConfig, http: httpx.AsyncClient) -> None:
        self._config = config
        self._webhook = Webhook(config.secret.get_secret_value())
        self._http = http

    async def send(self, notification: RenderedNotification) -> None:
        """See Sender."""
        data = {name: getattr(notification, name) for name in FIELDS}
        kind, created_at = f"complaint.{notification.kind}", notification.created_at
        body = to_json({"type": kind, "timestamp": created_at, "data": data})
        identity, at = message_id(notification.key), datetime.now(UTC)
        headers = JSON | {
            "webhook-id": identity,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(identity, at, body.decode()),
        }
        async with time_limit(self._config.timeout_seconds):
            await post(self._http, self._config.url, headers, body)
