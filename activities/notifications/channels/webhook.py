"""Webhooks by the convention of Standard Webhooks: signed, with an id by which the receiver knows a repetition."""

import base64
import binascii
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import httpx
from pydantic import Field, SecretStr, field_validator
from pydantic_core import to_json
from standardwebhooks import Webhook

from activities.notifications.channels import base

SECRET_PREFIX, SECRET_BYTES = "whsec_", range(24, 65)
"""Form of a secret by Standard Webhooks: the prefix and so many bytes in base64."""
BODY_FIELDS = ("key", "number", "recipient", "subject", "text")
"""Fields of the body. The telephone number is not among them: a program that may know it reads the case."""


class WebhookConfig(base.RemoteConfig, base.ProgramConfig):
    """A program that wants to know, by the convention of Standard Webhooks."""

    kind: Literal["webhook"]
    url: base.Url = Field(description="http:// or https:// and the address of the receiver")
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

    def channel(self, name: str, resources: base.Resources) -> base.Channel:  # noqa: ARG002 - see ChannelConfig
        return base.RemoteChannel(partial(self._send, resources.http), resources.render)

    async def _send(self, http: httpx.AsyncClient, notification: base.RenderedNotification) -> None:
        data = {name: getattr(notification, name) for name in BODY_FIELDS}
        kind, created_at = f"complaint.{notification.kind}", notification.created_at
        body = to_json({"type": kind, "timestamp": created_at, "data": data})
        identity, at = base.message_id(notification.key), datetime.now(UTC)
        headers = {
            "webhook-id": identity,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(self.secret.get_secret_value()).sign(identity, at, body.decode()),
        }
        await base.post(http, self.url, headers, body, self.timeout_seconds)
