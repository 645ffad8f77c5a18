"""Notifications of an incident to staff, and its news for the callers of linked cases."""

from collections.abc import Iterable
from datetime import datetime

from domain.calendar.work_calendar import USUAL_ZONE, on_the_wall
from domain.incident.actions import inform
from domain.incident.incident import INCIDENT_KINDS
from domain.incident.kind import IncidentEvent
from domain.incident.state import IncidentFields
from domain.shared.notification import Notification
from domain.shared.value import Immutable, omit_default

PREFIX = "incident_"
"""Prefix of the kind of a notification, so that templates can tell it from the same action on a case."""
NEWS = f"{PREFIX}{inform.ACTION.name}"
"""Kind of the notification to a caller; all others are to staff."""
INCIDENT_NOTIFICATION_ZH = {f"{PREFIX}{kind.name}": kind.zh for kind in INCIDENT_KINDS.values() if kind.notifies}
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
    text_zh = f"突发事件{incident.number}({incident.title}):{kind.zh},现为{event.to_state.zh}"
    text_en = f"Incident {incident.number} ({incident.title}): {event.action}, now {event.to_state}"
    return tuple(
        Notification(f"{incident.number}-{event.seq}-{who}", who, f"{PREFIX}{event.action}", text_zh, text_en)
        for who in kind.addressees(incident, event)
    )


def news_notifications(news: News, numbers: Iterable[str]) -> dict[str, Notification]:
    text_zh, text_en = news.message, news.message_en
    if news.expected_at:
        when = f"{on_the_wall(news.expected_at, news.timezone):%Y-%m-%d %H:%M}"
        text_zh, text_en = f"{text_zh} 预计{when}恢复。", f"{text_en} Expected back: {when}."
    return {
        number: Notification(f"{news.incident}-{news.seq}-caller:{number}", f"caller:{number}", NEWS, text_zh, text_en)
        for number in numbers
    }
