"""Notification: a value, before anybody sends it."""

from typing import NamedTuple


class Notification(NamedTuple):
    """Notification to one recipient. `key` is the same for every execution that derives it, so it is sent once."""

    key: str
    recipient: str
    kind: str
    text_zh: str
    text_en: str
