"""Text messages by an HTTP gateway that takes JSON."""

from functools import partial
from typing import Annotated, Literal

import httpx
from pydantic import Field, SecretStr, StringConstraints
from pydantic_core import to_json

from activities.notifications.channels import base
from domain.shared.phones import Phone

HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]


class SmsConfig(base.RemoteConfig):
    """A gateway for text messages that takes JSON by HTTP."""

    kind: Literal["sms"]
    url: base.Url = Field(description="http:// or https:// and the address that messages are posted to")
    headers: dict[HeaderName, SecretStr] = Field({}, description="what the gateway wants to be sent, a key say")
    to: Phone | None = Field(None, description="a telephone number; without it, the caller's")
    to_field: str = Field("to", min_length=1, description="what the gateway calls the number")
    text_field: str = Field("text", min_length=1, description="what the gateway calls the text")
    body: dict[str, str | int | bool] = Field({}, description="what else the gateway wants in the body")

    @property
    def needs_phone(self) -> bool:
        return self.to is None

    def channel(self, name: str, resources: base.Resources) -> base.Channel:
        return base.RemoteChannel(partial(self._send, name, resources.http), resources.render)

    async def _send(self, name: str, http: httpx.AsyncClient, notification: base.RenderedNotification) -> None:
        """Post one JSON object, with an id as `Idempotency-Key`: two channels to one gateway have different ids."""
        phone = self.to or notification.phone
        if phone is None:
            raise base.DeliveryError("the case has no telephone number")
        body = {
            **self.body,
            self.to_field: "".join(sign for sign in phone if sign in "+0123456789"),
            self.text_field: notification.text,
        }
        headers = {key: value.get_secret_value() for key, value in self.headers.items()}
        headers["Idempotency-Key"] = base.message_id(name, notification.key)
        await base.post(http, self.url, headers, to_json(body), self.timeout_seconds)
