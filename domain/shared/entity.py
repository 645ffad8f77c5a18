"""Common behaviour of incident and assessment: an event brings them along, and an action out of its turn is refused."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.command import Command
from domain.shared.errors import OUT_OF_TURN, Refused
from domain.shared.event import AnyAction, BaseEvent, BaseKind, EventData

EventT = TypeVar("EventT", bound=BaseEvent)


class Entity(Protocol):
    """Fields that an event changes whatever it is about."""

    number: str
    state: Any
    version: int
    people: dict[str, str]
    closed_at: datetime | None

    @property
    def over(self) -> bool:
        """True if nothing can happen to it any more."""


def happen(
    entity: Entity,
    kind: BaseKind[Any, EventT],
    at: datetime,
    data: EventData,
    state: str | None = None,
    command: Command[Any] | None = None,
) -> EventT:
    """Bring the entity along; return the event. The state stays if none is given; without a command, time acts."""
    actor = command.actor if command else SYSTEM
    event = kind.EVENT(
        seq=entity.version + 1,
        at=at,
        actor=actor.id,
        role=actor.role,
        people={**(command.people if command else {}), **actor.people},
        action=kind.name,
        from_state=entity.state,
        to_state=state or entity.state,
        data=data,
    )
    entity.version = event.seq
    entity.people = {**entity.people, **event.people}
    made = cast("EventT", event)
    kind.change(entity, made)
    entity.state = event.to_state
    if entity.over:
        entity.closed_at = entity.closed_at or at
    return made


def out_of_turn(entity: Entity, what: str, action: AnyAction, actor: Actor, table: Mapping[str, AnyAction]) -> Refused:
    """Return the refusal of an action that the state does not allow, with those of the table that it does."""
    message = f"{what} is {entity.state}, and {action.name} is not possible now."
    offered = (n for n, row in table.items() if entity.state in row.sources and actor.role in {*row.roles, Role.ADMIN})
    return Refused(OUT_OF_TURN, message, tuple(offered))
