"""Whom an incident concerns, as `domain.case.notices` says it of a case; and the news for callers of its cases."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from domain.calendar.work_calendar import USUAL_ZONE, is_usual_zone, on_the_wall
from domain.incident.incident import Incident
from domain.incident.lifecycle import (
    BY_ITSELF_ZH,
    FINISH,
    INCIDENT_STATE_ZH,
    INCIDENT_TABLE,
    MERGE_FAILED,
    SUSPECT,
    IncidentAction,
    IncidentEvent,
)
from domain.shared.notification import Notification

PREFIX = "incident_"
"""Before the kind of a message, so that templates can tell it from the same action on a case."""
_ZH = {row.action.value: row.zh for row in INCIDENT_TABLE.values()}
_ZH |= BY_ITSELF_ZH
_CONCERNED: dict[str, tuple[str, ...]] = {
    SUSPECT: ("dispatcher", "supervisor"),
    IncidentAction.DECLARE: ("supervisor",),
    IncidentAction.CONFIRM: ("supervisor",),
    IncidentAction.DISPATCH: ("department",),
    IncidentAction.SIGN_FOR: ("dispatcher",),
    IncidentAction.RESOLVE: ("dispatcher", "supervisor"),
    MERGE_FAILED: ("dispatcher",),
    FINISH: ("dispatcher", "supervisor"),
}
NEWS = f"{PREFIX}{IncidentAction.INFORM}"
"""The kind of the message to a caller; all others are to staff."""
KIND_ZH = {f"{PREFIX}{action}": _ZH[action] for action in (*_CONCERNED, IncidentAction.INFORM)}
"""Every kind of message that an incident owes, and what it is called."""


class News(BaseModel):
    """What callers of linked cases are told (通报进展), and the numbers of the cases."""

    model_config = ConfigDict(frozen=True)

    incident: str
    seq: int
    at: datetime
    message: str
    message_en: str
    expected_at: datetime | None = None
    timezone: str = Field(default=USUAL_ZONE, exclude_if=is_usual_zone)
    numbers: tuple[str, ...]


def incident_notices(incident: Incident, event: IncidentEvent) -> tuple[Notification, ...]:
    """The messages that this event owes to staff."""
    zh, state_zh = _ZH.get(event.action, event.action), INCIDENT_STATE_ZH[event.to_state]
    text_zh = f"突发事件{incident.number}({incident.title}):{zh},现为{state_zh}"
    text_en = f"Incident {incident.number} ({incident.title}): {event.action}, now {event.to_state}"
    told = (
        f"department:{event.data['department']}" if who == "department" else who
        for who in _CONCERNED.get(event.action, ())
    )
    return tuple(
        Notification(f"{incident.number}-{event.seq}-{who}", who, f"{PREFIX}{event.action}", text_zh, text_en)
        for who in told
    )


def news_notices(news: News, numbers: Iterable[str]) -> tuple[tuple[str, Notification], ...]:
    """The message for the caller of each of these cases, with the case's number."""
    text_zh, text_en = news.message, news.message_en
    if news.expected_at:
        when = f"{on_the_wall(news.expected_at, news.timezone):%Y-%m-%d %H:%M}"
        text_zh, text_en = f"{text_zh} 预计{when}恢复。", f"{text_en} Expected back: {when}."
    return tuple(
        (
            number,
            Notification(f"{news.incident}-{news.seq}-caller:{number}", f"caller:{number}", NEWS, text_zh, text_en),
        )
        for number in numbers
    )
