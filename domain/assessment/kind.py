"""Event of an assessment, and the shape of its kinds, which are in `actions` and `automatic`."""

from dataclasses import dataclass
from typing import ClassVar

from domain.assessment.lifecycle import AssessmentState
from domain.assessment.state import AssessmentFields
from domain.kit.entity import EntityAction
from domain.kit.event import BaseEvent, BaseKind, EventData


class AssessmentEvent(BaseEvent):
    """One fact about one assessment, in the order of `seq`."""

    DATA: ClassVar[dict[str, type[EventData]]] = {}

    from_state: AssessmentState | None = None
    to_state: AssessmentState


@dataclass(frozen=True, kw_only=True)
class AssessmentKind(BaseKind[AssessmentFields, AssessmentEvent]):
    """Kind of event of an assessment."""

    EVENT = AssessmentEvent


@dataclass(frozen=True, kw_only=True)
class AssessmentAction(AssessmentKind, EntityAction[AssessmentFields, AssessmentEvent, AssessmentState]):
    """Action of a person on an assessment."""
