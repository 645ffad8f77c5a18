"""Text messages by an HTTP gateway that takes JSON."""

from typing import Annotated, Literal

import httpx
from pydantic import Field, SecretStr, StringConstraints
from pydantic_core import to_json

from activities.notifications.channels.base import (
    JSON,
    DeliveryError,
    RemoteConfig,
    RenderedNotification,
    Url,
    message_id,
    post,
    time_limit,
)
from domain.shared.text import Phone

HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]


class SmsConfig(RemoteConfig):
    """A gateway for text messages that takes JSON by HTTP."""

    kind: Literal["sms"]
    url: Url = Field(description="http:// or https:// and the address that messages are posted to")
    headers: dict[HeaderName, SecretStr] = Field(default={}, description="what the gateway wants to be sent, a key say")
    to: Phone | None = Field(default=None, description="a telephone number; without it, the caller's")
    to_field: str = Field(default="to", min_length=1, description="what the gateway calls the number")
    text_field: str = Field(default="text", min_length=1, description="what the gateway calls the text")
    body: dict[str, str | int | bool] = Field(default={}, description="what else the gateway wants in the body")

    @property
    def needs_phone(self) -> bool:
        """True if the channel sends to the caller's telephone number."""
        return self.to is None

    def sender(self, name: str, http: httpx.AsyncClient) -> "SmsSender":
        """Return the sender of this channel."""
        return SmsSender(name, self, http)


class SmsSender:
    """Sender that posts one JSON object for each notification, with its id as `Idempotency-Key`.

    Args:
        name: name of the channel, part of the id: two channels to one gateway have different ids.
        config: table of the gateway.
        http: client, which the caller closes.
    """

    def __init__(self, name: str, config: SmsConfig, http: httpx.AsyncClient) -> None:
        self._name = name
        self._config = config
        self._http = http

    async def send(self, notification: RenderedNotification) -> None:
        """See Sender."""
        config = self._config
        phone = config.to or notification.phone
        if phone is None:
            raise DeliveryError("the case has no telephone number")
        body = {
            **config.body,
            config.to_field: "".join(sign for sign in phone if sign in "+0123456789"),
            config.text_field: notification.text,
        }
        headers = {name: value.get_secret_value() for name, value in config.headers.items()}
        headers |= JSON | {"Idempotency-Key": message_id(self._name, notification.key)}
        async with time_limit(config.timeout_seconds):
            await post(self._http, config.url, headers, to_json(body))
