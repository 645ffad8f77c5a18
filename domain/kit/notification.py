"""Notification: a value, before anybody sends it."""

from collections.abc import Iterable
from typing import NamedTuple

from domain.kit.event import BaseEvent


class Notification(NamedTuple):
    """Notification to one recipient. `key` is the same for every execution that derives it, so it is sent once."""

    key: str
    recipient: str
    kind: str
    text_zh: str
    text_en: str


def notifications_of(
    number: str, event: BaseEvent, recipients: Iterable[str], kind: str, texts: tuple[str, str]
) -> tuple[Notification, ...]:
    """Return the notification of this event to each recipient; `texts` are Chinese and English."""
    return tuple(Notification(f"{number}-{event.seq}-{who}", who, kind, *texts) for who in recipients)
