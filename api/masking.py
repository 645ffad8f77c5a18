"""Answers masked for their reader (脱敏). They are written of valid objects, so they are not validated again."""

from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from domain.case.lifecycle import ENDED, State
from domain.kit.event import BaseEvent
from domain.rights.masking import masked, masks_for
from domain.rights.rights import READ_CASES, Reach
from domain.shared.actors import Actor


def reads_one_department(reader: Actor) -> bool:
    """Return True if numbers of other cases are not for this reader: they may be of other departments."""
    return READ_CASES.reach.get(reader.role) is Reach.DEPARTMENT


def masked_json(content: Any, reader: Actor, case: State | str | None = None) -> bytes:  # noqa: ANN401 - JSON
    """Return JSON of a case in this state as the reader may see it; without a state, as of one that has ended."""
    if isinstance(content, BaseModel):
        content = content.model_dump(mode="json")
    shown, _ = masked(content, masks_for(reader.role, ended=case is None or case in ENDED))
    return to_json(shown)


def timeline_item(event: BaseEvent, reader: Actor, case: State | None = None) -> bytes:
    """Return an event in the shape of an item of `Timeline` or `IncidentTimeline`; `case` is the state of its case."""
    hidden = {"terms", "possible_duplicates"} if reads_one_department(reader) else {"terms"}
    shown = event.model_dump(
        mode="json", exclude={"from_state": True, "to_state": True, "recipients": True, "data": hidden}
    )
    return masked_json({**shown, "from": event.from_state, "to": event.to_state}, reader, case)
