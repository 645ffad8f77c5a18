"""The incident: one cause behind many calls (一因多诉), handled once; and its notifications."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from domain.calendar.work_calendar import USUAL_ZONE, on_the_wall
from domain.incident.actions import INCIDENT_ACTION_OF, INCIDENT_ACTIONS, declare, inform
from domain.incident.automatic import (
    ABSORPTION,
    INCIDENT_AUTOMATIC,
    INCIDENT_CANCELLATION,
    INCIDENT_FINISH,
    MERGE_FAILED,
    SUSPECT,
    Finished,
    MergeFailed,
    Widened,
)
from domain.incident.scope import Scope
from domain.incident.state import ENDS, IncidentEvent, IncidentFields, IncidentKind, IncidentState, Opened, Opening
from domain.kit.entity import EntityRules, EntityTable
from domain.kit.event import by_name
from domain.kit.notification import Notification, notifications_of
from domain.shared.actors import Actor, Role
from domain.shared.errors import OTHER_DEPARTMENT, Refused
from domain.shared.value import Immutable, omit_default

INCIDENT_KINDS: dict[str, IncidentKind] = by_name(*INCIDENT_ACTIONS, *INCIDENT_AUTOMATIC)
"""Every kind of event of an incident."""


class Incident(IncidentFields, EntityRules[IncidentEvent]):
    """One incident, from the suspicion or declaration to its end."""

    TABLE: ClassVar[EntityTable] = EntityTable("incident", INCIDENT_KINDS, INCIDENT_ACTION_OF, INCIDENT_CANCELLATION)

    @classmethod
    def open(cls, start: Opening) -> tuple["Incident", IncidentEvent]:
        suspected = start.actor.role is Role.SYSTEM
        state = IncidentState.SUSPECTED if suspected else IncidentState.CONFIRMED
        opened = cls(**start.__dict__, state=state, version=0, opened_at=start.at, opened_by=start.actor.id)
        kind: IncidentKind = SUSPECT if suspected else declare.ACTION
        return opened, opened.happen(kind, start.at, Opened.of(start, calls=start.calls), actor=start.actor)

    def absorb(self, other: str, scope: Scope, at: datetime) -> tuple[IncidentEvent, ...]:
        """Widen the scope by that of another incident, which was merged into this one; not again by the same."""
        if other in self.absorbed:
            return ()
        return (self.happen(ABSORPTION, at, Widened(incident=other, scope=self.scope.joined(scope))),)

    def fail_merge(self, at: datetime) -> IncidentEvent:
        before = self.state_before_merge or IncidentState.CONFIRMED
        return self.happen(MERGE_FAILED, at, MergeFailed(into=self.into), before)

    def finish(self, at: datetime, counts: dict[str, int]) -> IncidentEvent:
        """End, as nothing is left to do for a linked case; `counts` are the cases by their answer."""
        return self.happen(INCIDENT_FINISH, at, Finished(**counts), ENDS[self.state])

    def forbidden(self, actor: Actor) -> Refused | None:
        if actor.role is not Role.CREW or actor.department in (None, self.department):
            return None
        message = f"The incident is with the department {self.department}; you act for {actor.department}."
        return Refused(OTHER_DEPARTMENT, message, (str(self.department),))


INCIDENT_PREFIX = "incident_"
"""Prefix of the kind of a notification, so that templates can tell it from the same action on a case."""
NEWS = f"{INCIDENT_PREFIX}{inform.ACTION.name}"
"""Kind of the notification to a caller; all others are to staff."""
INCIDENT_NOTIFICATION_ZH = {
    f"{INCIDENT_PREFIX}{kind.name}": kind.zh for kind in INCIDENT_KINDS.values() if kind.notifies
}
INCIDENT_NOTIFICATION_ZH[NEWS] = inform.ACTION.zh
"""Every kind of notification that an incident owes, and its Chinese name."""


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


def incident_notifications(incident: IncidentFields, event: IncidentEvent) -> tuple[Notification, ...]:
    kind = INCIDENT_KINDS[event.action]
    texts = (
        f"突发事件{incident.number}({incident.title}):{kind.zh},现为{event.to_state.zh}",
        f"Incident {incident.number} ({incident.title}): {event.action}, now {event.to_state}",
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
