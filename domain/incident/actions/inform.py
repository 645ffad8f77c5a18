"""inform 通报进展: news for every caller of a linked case, which `domain.incident.incident` addresses."""

from pydantic import Field

from domain.incident.state import CONTROL_ROOM, LINKS_NEW_CASES, IncidentAction, IncidentFields
from domain.kit.event import ActionBody
from domain.shared.value import Instant, Text


class Inform(ActionBody):
    """通报进展: what callers are told, in Chinese, and in English where that differs."""

    message: Text
    message_en: Text | None = None
    expected_at: Instant | None = Field(None, description="When water is expected back.")

    def evolve(self, incident: IncidentFields, *_: object) -> None:
        incident.news = self.message
        if self.expected_at:
            incident.expected_at = self.expected_at


ACTION = IncidentAction(
    name="inform",
    zh="通报进展",
    description="News for every caller of a linked case.",
    roles=CONTROL_ROOM,
    sources=LINKS_NEW_CASES,
    example=Inform.model_validate(
        {
            "message": "因咸潮影响，自来水略带咸味，正在调水稀释。",
            "message_en": "Salt tide: water tastes slightly of salt; fresh water is on its way.",
            "expected_at": "2026-08-03T12:00:00Z",
        }
    ),
)
