"""The operator's file of channels: the channels, the routes of recipients to them, and the quiet hours of callers."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from activities.notifications.channels import AnyConfig
from activities.notifications.channels.base import ConfigTable, ProgramConfig
from activities.notifications.channels.log import LogConfig
from domain.calendar.work_calendar import USUAL_ZONE, ZoneName
from domain.catalogue.terms import Priority, Recipient
from domain.shared.actors import FORMER_CALLER, Role
from domain.shared.codes import Code

RECIPIENT_KINDS = sorted({*(role.value for role in Role), *get_args(Recipient), "department"})
"""Kinds of recipients: what a recipient is called, up to the colon."""
NAME_REQUIRED = frozenset({"owner", "assignee", "department", "lead", "caller"})
"""Kinds that a colon and a name follow."""
NAME_ALLOWED = frozenset({"manager", "director", "general_manager"})
"""Kinds that a colon and a name may follow."""
EVERYBODY = "*"
EMERGENCIES: frozenset[Priority] = frozenset({"P1", "P2"})
"""Priorities to which quiet hours do not apply."""
Language = Literal["zh", "en", "both"]


def is_caller(recipient: str) -> bool:
    """Return True as well for the telephone that a caller had before a correction."""
    return recipient.partition(":")[0] in ("caller", FORMER_CALLER)


class Route(ConfigTable):
    """A route of recipients to channels, in a language."""

    to: str = Field(description="supervisor, department:repair, department:*, caller:* or *")
    channels: tuple[Code, ...] = Field(min_length=1, description="names of channels of this file")
    language: Language = Field("zh", description="zh, en or both")

    @field_validator("to")
    @classmethod
    def _is_known(cls, to: str) -> str:
        kind, colon, name = to.partition(":")
        if to == EVERYBODY:
            return to
        if kind not in RECIPIENT_KINDS:
            raise ValueError(f"accepted: {EVERYBODY}, or one of {', '.join(RECIPIENT_KINDS)}")
        if bool(colon) is not bool(name) or (kind not in NAME_ALLOWED and (kind in NAME_REQUIRED) is not bool(name)):
            named = f"{kind}:* or {kind}: and whom"
            accepted = named if kind in NAME_REQUIRED else f"{kind}, {named}" if kind in NAME_ALLOWED else kind
            raise ValueError(f"accepted: {accepted}")
        return to


class QuietHours(ConfigTable):
    """Hours in which callers are not notified, except in emergencies."""

    start: time = Field(time(22), description="a local time, 22:00:00 say")
    end: time = Field(time(7), description="a local time, 07:00:00 say; the same as start for none")
    time_zone: ZoneName = Field(
        USUAL_ZONE, description="a zone of the IANA database; without it, that of the catalogue in force"
    )

    def until(self, at: datetime) -> datetime | None:
        """End of the quiet hours that hold at this instant; None outside of them."""
        local = at.astimezone(ZoneInfo(self.time_zone))
        clock, overnight = local.time(), self.start > self.end
        quiet = clock >= self.start or clock < self.end if overnight else self.start <= clock < self.end
        if not quiet:
            return None
        day = local.date() + timedelta(days=1 if overnight and clock >= self.start else 0)
        return datetime.combine(day, self.end, local.tzinfo).astimezone(at.tzinfo)


class ChannelFile(ConfigTable):
    """The whole file."""

    channels: dict[Code, AnyConfig] = Field(min_length=1, description="tables [channels.NAME], each with its kind")
    routes: tuple[Route, ...] = Field(min_length=1, description="tables [[routes]] with to and channels")
    quiet_hours: QuietHours = QuietHours()

    @model_validator(mode="after")
    def _is_consistent(self) -> "ChannelFile":
        problems = [problem for route in self.routes for problem in self._problems(route)]
        counts = sorted(Counter(route.to for route in self.routes).items())
        problems += [f"{to} has {count} routes; accepted: one" for to, count in counts if count > 1]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def channels_to(self, recipient: str, has_phone: bool) -> Sequence[str]:
        """With those that get a copy of everything, and none to the caller's telephone if there is no number."""
        route = self._route(recipient)
        copies = [name for name, config in self.channels.items() if isinstance(config, ProgramConfig) and config.copies]
        names = [*(route.channels if route else ()), *copies]
        return [name for name in dict.fromkeys(names) if has_phone or not self.channels[name].needs_phone]

    @property
    def texts_callers(self) -> bool:
        return any(self.channels[name].needs_phone for name in self.channels_to("caller:", has_phone=True))

    @property
    def recording(self) -> frozenset[str]:
        """Channels that write to a file alone: nobody receives what they have taken."""
        return frozenset(name for name, config in self.channels.items() if isinstance(config, LogConfig))

    @property
    def departments_named(self) -> list[str]:
        """Recipients of routes that name a department: `department:repair`, `lead:repair`."""
        found = (route.to.partition(":") for route in self.routes)
        return ["".join(each) for each in found if each[0] in ("department", "lead") and each[2] not in ("", "*")]

    def language(self, recipient: str) -> Language:
        """Both languages if the route was removed meanwhile."""
        route = self._route(recipient)
        return route.language if route else "both"

    def quiet_until(self, channel: str, recipient: str, priority: str, at: datetime) -> datetime | None:
        """End of the quiet hours that hold for a delivery; None if it may be sent at once."""
        if not is_caller(recipient) or isinstance(self.channels[channel], ProgramConfig) or priority in EMERGENCIES:
            return None
        return self.quiet_hours.until(at)

    def with_time_zone(self, zone: str) -> Self:
        """For the quiet hours, unless the file names another zone."""
        if "time_zone" in self.quiet_hours.model_fields_set:
            return self
        return self.model_copy(update={"quiet_hours": self.quiet_hours.model_copy(update={"time_zone": zone})})

    def _route(self, recipient: str) -> Route | None:
        routes = {route.to: route for route in self.routes}
        recipient = recipient.removeprefix("former_")
        kind = recipient.partition(":")[0]
        return next((routes[to] for to in (recipient, f"{kind}:*", kind, EVERYBODY) if to in routes), None)

    def _problems(self, route: Route) -> list[str]:
        accepted = ", ".join(self.channels)
        unknown = [name for name in route.channels if name not in self.channels]
        problems = [f"the route to {route.to} names the channel {name}; accepted: {accepted}" for name in unknown]
        if not is_caller(route.to):
            problems += [
                f"the route to {route.to} takes {name}, which writes to the caller; accepted: a channel with a `to`"
                for name in route.channels
                if name not in unknown and self.channels[name].needs_phone
            ]
        return problems


LOG_ONLY = ChannelFile(channels={"log": LogConfig(kind="log")}, routes=(Route(to=EVERYBODY, channels=("log",)),))
"""Channels of a service whose operator has written no file."""
