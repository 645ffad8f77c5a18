"""What the file of channels says: which channels there are, who is reached by which, when callers are left in peace."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apprise import Apprise
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

from domain.calendar.work_calendar import USUAL_ZONE
from domain.catalogue.terms import Priority, Recipient
from domain.shared.actors import Role
from domain.shared.codes import Code
from domain.shared.text import Phone

KINDS = sorted({*(role.value for role in Role), *get_args(Recipient), "department"})
"""What a recipient may be called, or begins with."""
MANY = frozenset({"owner", "assignee", "department", "lead", "caller"})
"""Those of them of whom there are many: a colon follows, and whom it is."""
NAMED = frozenset({"manager", "director", "general_manager"})
"""Those who are one post, or persons whom the catalogue names: a colon may follow, and who it is."""
SECRET, SECRET_BYTES = "whsec_", range(24, 65)
"""How Standard Webhooks wants secrets to be written, and how long."""
EVERYBODY = "*"
CALLER = "caller"
EMERGENCIES: frozenset[Priority] = frozenset({"P1", "P2"})
"""Priorities of which callers hear at night too."""

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
Language = Literal["zh", "en", "both"]


class Part(BaseModel):
    """A table of the file. Its mistakes are told without what was written there: it may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Remote(Part):
    """A channel that talks to somebody else's machine, which may be slow or away."""

    timeout_seconds: float = Field(default=10.0, gt=0, le=60, description="seconds that one message may take")
    concurrency: int = Field(default=8, ge=1, le=100, description="messages that are under way at once")


class AppriseChannel(Remote):
    """WeCom, DingTalk, Feishu, mail and whatever else Apprise knows."""

    kind: Literal["apprise"]
    url: SecretStr = Field(description="one address in Apprise's form: dingtalk://..., mailtos://...")

    @field_validator("url")
    @classmethod
    def _readable(cls, url: SecretStr) -> SecretStr:
        if Apprise.instantiate(url.get_secret_value()) is None:
            raise ValueError("Apprise cannot read it")
        return url


class SmsChannel(Remote):
    """A gateway for text messages that takes JSON by HTTP."""

    kind: Literal["sms"]
    url: Url = Field(description="http:// or https:// and the address that messages are posted to")
    headers: dict[HeaderName, SecretStr] = Field(default={}, description="what the gateway wants to be sent, a key say")
    to: Phone | None = Field(default=None, description="a telephone number; without it, the caller's")
    to_field: str = Field(default="to", min_length=1, description="what the gateway calls the number")
    text_field: str = Field(default="text", min_length=1, description="what the gateway calls the text")
    body: dict[str, str | int | bool] = Field(default={}, description="what else the gateway wants in the body")


class ForPrograms(Part):
    """A channel that nobody is woken by."""

    copies: bool = Field(default=False, description="true for a copy of every message, whoever it is to")


class WebhookChannel(Remote, ForPrograms):
    """A program that wants to know, by the convention of Standard Webhooks."""

    kind: Literal["webhook"]
    url: Url = Field(description="http:// or https:// and the address of the receiver")
    secret: SecretStr = Field(description="whsec_ and 24 to 64 bytes in base64")

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        prefix, encoded = secret.get_secret_value()[: len(SECRET)], secret.get_secret_value()[len(SECRET) :]
        try:
            length = len(base64.b64decode(encoded, validate=True))
        except binascii.Error:
            length = 0
        if prefix != SECRET or length not in SECRET_BYTES:
            raise ValueError("is no secret of a webhook")
        return secret


class LogChannel(ForPrograms):
    """The file HOTLINE_NOTIFICATION_LOG."""

    kind: Literal["log"]


AnyChannel = Annotated[AppriseChannel | SmsChannel | WebhookChannel | LogChannel, Field(discriminator="kind")]


class Route(Part):
    """Who is reached by which channels, and in which language."""

    to: str = Field(description="supervisor, department:repair, department:*, caller:* or *")
    channels: tuple[Code, ...] = Field(min_length=1, description="names of channels of this file")
    language: Language = Field(default="zh", description="zh, en or both")

    @field_validator("to")
    @classmethod
    def _known(cls, to: str) -> str:
        kind, colon, whom = to.partition(":")
        if to == EVERYBODY:
            return to
        if kind not in KINDS:
            raise ValueError(f"accepted: {EVERYBODY}, or one of {', '.join(KINDS)}")
        if bool(colon) is not bool(whom) or (kind not in NAMED and (kind in MANY) is not bool(whom)):
            some = f"{kind}:* or {kind}: and whom"
            accepted = some if kind in MANY else f"{kind}, {some}" if kind in NAMED else kind
            raise ValueError(f"accepted: {accepted}")
        return to


class QuietHours(Part):
    """When callers are left in peace, but for emergencies."""

    start: time = Field(default=time(22), description="a local time, 22:00:00 say")
    end: time = Field(default=time(7), description="a local time, 07:00:00 say; the same as start for none")
    time_zone: str = Field(
        default=USUAL_ZONE, description="a zone of the IANA database; without it, that of the catalogue in force"
    )

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("accepted: a zone of the IANA database, Asia/Shanghai say") from None
        return name

    def until(self, at: datetime) -> datetime | None:
        """When the quiet hours end that hold at this instant; None where none do."""
        local = at.astimezone(ZoneInfo(self.time_zone))
        clock, overnight = local.time(), self.start > self.end
        quiet = clock >= self.start or clock < self.end if overnight else self.start <= clock < self.end
        if not quiet:
            return None
        day = local.date() + timedelta(days=1 if overnight and clock >= self.start else 0)
        return datetime.combine(day, self.end, local.tzinfo).astimezone(at.tzinfo)


class ChannelFile(Part):
    """The whole file."""

    channels: dict[Code, AnyChannel] = Field(min_length=1, description="tables [channels.NAME], each with its kind")
    routes: tuple[Route, ...] = Field(min_length=1, description="tables [[routes]] with to and channels")
    quiet_hours: QuietHours = QuietHours()

    @model_validator(mode="after")
    def _fits(self) -> "ChannelFile":
        wrong = [text for route in self.routes for text in self._mistakes(route)]
        named = [route.to for route in self.routes]
        wrong += [f"{to} has {named.count(to)} routes; accepted: one" for to in sorted({*named}) if named.count(to) > 1]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def route(self, recipient: str) -> Route | None:
        """The most exact of the routes that lead to the recipient."""
        by_name = {route.to: route for route in self.routes}
        kind = recipient.partition(":")[0]
        exact_first = (recipient, f"{kind}:*", kind, EVERYBODY)
        return next((by_name[to] for to in exact_first if to in by_name), None)

    def channels_to(self, recipient: str, has_phone: bool) -> Sequence[str]:
        """Names of the channels for a recipient, and of those that have a copy of everything.

        A text message goes to no caller who left no number.
        """
        route = self.route(recipient)
        copies = [name for name, it in self.channels.items() if isinstance(it, ForPrograms) and it.copies]
        names = [*(route.channels if route else ()), *copies]
        return [name for name in dict.fromkeys(names) if has_phone or not self._needs_phone(name)]

    def quiet_until(self, channel: str, recipient: str, priority: str, at: datetime) -> datetime | None:
        """Until when this channel leaves the recipient in peace; None where he may hear at once."""
        awake = recipient.partition(":")[0] != CALLER or isinstance(self.channels[channel], ForPrograms)
        if awake or priority in EMERGENCIES:
            return None
        return self.quiet_hours.until(at)

    def at_home_in(self, zone: str) -> Self:
        """The same file where this is the time zone, unless the file names another."""
        if "time_zone" in self.quiet_hours.model_fields_set:
            return self
        return self.model_copy(update={"quiet_hours": self.quiet_hours.model_copy(update={"time_zone": zone})})

    def _needs_phone(self, name: str) -> bool:
        channel = self.channels[name]
        return isinstance(channel, SmsChannel) and channel.to is None

    def _mistakes(self, route: Route) -> list[str]:
        known = ", ".join(self.channels)
        unknown = [name for name in route.channels if name not in self.channels]
        wrong = [f"the route to {route.to} names the channel {name}; accepted: {known}" for name in unknown]
        if route.to.partition(":")[0] != CALLER:
            wrong += [
                f"the route to {route.to} takes {name}, which writes to the caller; accepted: a channel with a `to`"
                for name in route.channels
                if name not in unknown and self._needs_phone(name)
            ]
        return wrong
