"""The incident: one cause behind many calls (一因多诉), handled once; notifications and its activities' messages."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from pydantic import Field

from domain.calendar.work_calendar import USUAL_ZONE, on_the_wall
from domain.incident.actions import DECLARE, INCIDENT_ACTION_OF, INCIDENT_ACTIONS, INFORM, Inform
from domain.incident.state import IncidentEvent, IncidentFields, IncidentKind, IncidentState, Opened, Opening, Scope
from domain.kit.entity import EntityRules, EntityTable
from domain.kit.event import BaseEvent, EventData, Notification, by_name, notifications_of
from domain.shared.actors import Actor, Role
from domain.shared.errors import OTHER_DEPARTMENT, Refused
from domain.shared.value import Immutable, Instant, english, omit_default


class Widened(EventData):
    """Other incident, and both scopes as one."""

    incident: str
    scope: Scope

    def evolve(self, incident: IncidentFields, _: IncidentEvent) -> None:
        incident.absorbed += (self.incident,)


class MergeFailed(EventData):
    """Incident that had ended."""

    into: str | None

    def evolve(self, incident: IncidentFields, __: IncidentEvent) -> None:
        incident.into = incident.state_before_merge = None


class Finished(EventData):
    """Cases by their answer: settled, kept open, over before; or linked to another incident, refused, gone."""

    settled: int = 0
    kept: int = 0
    over: int = 0
    linked: int = 0
    refused: int = 0
    gone: int = 0


SUSPECT = IncidentKind(
    name="suspect",
    zh="预警",
    description="A surge was found: more cases than chance brings.",
    data=Opened,
    notifies=("dispatcher", "supervisor"),
)
ABSORPTION = IncidentKind(
    name="absorb",
    zh="并入",
    description="Another incident was merged into this one.",
    data=Widened,
    sets=("scope",),
)
MERGE_FAILED = IncidentKind(
    name="merge_failed",
    zh="未能并入",
    description="The other incident had ended; this one continues.",
    data=MergeFailed,
    notifies=("dispatcher",),
)
INCIDENT_FINISH = IncidentKind(
    name="finish",
    zh="全部办结",
    description="The last case was processed.",
    data=Finished,
    notifies=("dispatcher", "supervisor"),
)
_AUTOMATIC = (IncidentKind.cancellation("incident"), SUSPECT, ABSORPTION, MERGE_FAILED, INCIDENT_FINISH)
INCIDENT_KINDS: dict[str, IncidentKind] = by_name(*INCIDENT_ACTIONS, *_AUTOMATIC)


class Incident(IncidentFields, EntityRules[IncidentEvent]):
    """One incident, from the suspicion or declaration to its end."""

    TABLE: ClassVar[EntityTable] = EntityTable("incident", INCIDENT_KINDS, INCIDENT_ACTION_OF)

    @classmethod
    def open(cls, start: Opening) -> tuple["Incident", IncidentEvent]:
        suspected = start.actor.role is Role.SYSTEM
        state = IncidentState.SUSPECTED if suspected else IncidentState.CONFIRMED
        opened = cls(**start.__dict__, state=state, version=0, opened_at=start.at, opened_by=start.actor.id)
        kind: IncidentKind = SUSPECT if suspected else DECLARE
        return opened, opened.add_event(kind, start.at, Opened.of(start, calls=start.calls), actor=start.actor)

    def absorb(self, other: str, scope: Scope, at: datetime) -> tuple[IncidentEvent, ...]:
        """Widen the scope by that of another incident, which was merged into this one; not again by the same."""
        if other in self.absorbed:
            return ()
        return (self.add_event(ABSORPTION, at, Widened(incident=other, scope=self.scope.joined(scope))),)

    def fail_merge(self, at: datetime) -> IncidentEvent:
        before = self.state_before_merge or IncidentState.CONFIRMED
        return self.add_event(MERGE_FAILED, at, MergeFailed(into=self.into), before)

    def finish(self, at: datetime, counts: dict[str, int]) -> IncidentEvent:
        """End the incident, as nothing is left to do for a linked case; `counts` are the cases by their answer."""
        return self.add_event(INCIDENT_FINISH, at, Finished(**counts), self.end)

    def forbidden(self, actor: Actor) -> Refused | None:
        if actor.role is not Role.CREW or actor.department in (None, self.department):
            return None
        message = f"The incident is with the department {self.department}; you act for {actor.department}."
        return Refused(OTHER_DEPARTMENT, message, (str(self.department),))


INCIDENT_PREFIX = "incident_"
"""Prefix of the kind of a notification, so that templates can tell it from the same action on a case."""
NEWS = f"{INCIDENT_PREFIX}{INFORM.name}"
"""Kind of the notification to a caller; all others are to staff."""
INCIDENT_NOTIFICATION_ZH = {
    f"{INCIDENT_PREFIX}{kind.name}": kind.zh for kind in INCIDENT_KINDS.values() if kind.is_notified
}
INCIDENT_NOTIFICATION_ZH[NEWS] = INFORM.zh


class News(Immutable):
    """News for the callers of linked cases (通报进展), and the numbers of the cases."""

    incident: str
    seq: int
    at: datetime
    message: str
    message_en: str
    expected_at: datetime | None = None
    timezone: str = omit_default(USUAL_ZONE)
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, incident: IncidentFields, event: BaseEvent, numbers: tuple[str, ...]) -> "News | None":
        """None if callers do not hear of the event."""
        if not isinstance(event.data, Inform):
            return None
        values = {"message_en": event.data.message} | event.data.model_dump(exclude={"note"})
        values |= {"incident": incident.number, "timezone": incident.timezone}
        return cls(seq=event.seq, at=event.at, numbers=numbers, **values)


def incident_notifications(incident: IncidentFields, event: IncidentEvent) -> tuple[Notification, ...]:
    kind = INCIDENT_KINDS[event.action]
    texts = (
        f"突发事件{incident.number}（{incident.title}）：{kind.zh}，现为{event.to_state.zh}",
        f"Incident {incident.number} ({incident.title}): {english(event.action)}, now {english(event.to_state)}",
    )
    recipients = kind.addressees(incident, event)
    return notifications_of(incident.number, event, recipients, f"{INCIDENT_PREFIX}{event.action}", texts)


def news_notifications(news: News, numbers: Iterable[str]) -> dict[str, Notification]:
    text_zh, text_en = news.message, news.message_en
    if news.expected_at:
        when = f"{on_the_wall(news.expected_at, news.timezone):%Y-%m-%d %H:%M}"
        text_zh, text_en = f"{text_zh} 预计{when}恢复。", f"{text_en} Expected back: {when}."
    return {
        number: Notification(f"{news.incident}-{news.seq}-caller:{number}", f"caller:{number}", NEWS, text_zh, text_en)
        for number in numbers
    }


class IncidentBatch(Immutable):
    """One publication of one incident. Written again, it writes the same rows."""

    incident: Incident
    events: tuple[IncidentEvent, ...] = Field(min_length=1)
    counts: dict[str, int] = Field({})


def unsent_news(given: Sequence[IncidentBatch | News]) -> list[News]:
    """News, without numbers of cases, of those events in the batches whose news are not given as well."""
    with_news = {each.seq for each in given if isinstance(each, News)}
    batches = [each for each in given if isinstance(each, IncidentBatch)]
    found = [News.of(batch.incident, event, ()) for batch in batches for event in batch.events]
    return [*{each.seq: each for each in found if each and each.seq not in with_news}.values()]


class Gathering(Immutable):
    """Search for the cases of the scope with a number after `after`, to link them."""

    incident: str
    scope: Scope
    since: Instant
    after: str = ""


class Gathered(Immutable):
    """Number of cases linked, and the number to continue after; None after the last."""

    linked: int
    after: str | None


class Asking(Immutable):
    """Cases that are asked if they are linked to the incident."""

    incident: str
    numbers: tuple[str, ...]


class NamedCases(Asking):
    """Cases that somebody has named, to link them in that person's name."""

    actor: Actor


class Settling(Asking):
    """Cases to settle, with the result and the reply."""

    result: str
    message: str
    follow_up_percent: int


class BatchResult(Immutable):
    """Number of cases by their answer, and the cases that did not answer.

    At the end of the incident, `unlinked` are those of the silent cases that SQL does not show as linked to it.
    """

    counts: dict[str, int] = Field({})
    silent: tuple[str, ...] = ()
    unlinked: tuple[str, ...] = ()


class Relinking(Asking):
    """Cases to link to another incident, or to none."""

    to: str | None


class Absorbed(Immutable):
    """Incident that is merged into another, `into`, and its scope."""

    incident: str
    into: str
    scope: Scope
