"""Texts that callers will get, as the courier writes them: shown before what causes them is sent."""

from datetime import datetime
from typing import NamedTuple

from activities.notifications.routing import ChannelFile
from activities.notifications.texts import Templates
from domain.case.actions.reply import ACTION, Replied
from domain.case.case import notifications
from domain.case.lifecycle import Event, State
from domain.incident.incident import News, news_notifications
from domain.kit.event import Notification
from domain.shared.actors import SYSTEM
from readmodel.notifications import Delivery, NotificationRow


class CallerTexts(NamedTuple):
    """Texts in the language of the route to callers; `is_sent` is False if no channel leads to their telephones."""

    channels: ChannelFile
    templates: Templates

    @property
    def is_sent(self) -> bool:
        return self.channels.texts_callers

    def of_news(self, news: News) -> str:
        """Text of news to the caller of their first case."""
        [number, *_] = news.numbers
        return self._preview(number, news.at, news_notifications(news, [number])[number], State.DISPATCHED)

    def of_reply(self, incident: str, number: str, message: str, state: State, at: datetime) -> str:
        """Text to a caller whose case is replied to with its incident, and comes to this state."""
        said = Replied(message=message, incident=incident)
        event = Event(
            seq=1,
            at=at,
            actor=SYSTEM.id,
            role=SYSTEM.role,
            action=ACTION.name,
            data=said,
            to_state=state,
            cycle=1,
            recipients=(f"caller:{number}",),
        )
        [notification] = notifications(number, event)
        return self._preview(number, at, notification, state, said)

    def _preview(
        self, number: str, at: datetime, told: Notification, state: State, reply: Replied | None = None
    ) -> str:
        row = NotificationRow(number=number, seq=1, created_at=at, **told._asdict())
        return self.text(Delivery(row, 1, "P3", "-", state=state, reply=reply, may_link=True))

    def text(self, told: Delivery) -> str:
        """Text to the caller's telephone; a link in it opens nothing."""
        language = self.channels.language(told.notification.recipient)
        return self.templates.render(told, language, to_phone=True).text
