"""Kit of incident and assessment: how their actions and events are applied. Those of a case have more rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, cast

from domain.kit.command import Command
from domain.kit.event import ActionBody, BaseAction, BaseEvent, BaseKind, CancellationRequested, EventData
from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.errors import OUT_OF_TURN, Refused

EntityT = TypeVar("EntityT")
EventT = TypeVar("EventT", bound=BaseEvent)
StateT = TypeVar("StateT", bound=str)


@dataclass(frozen=True, kw_only=True)
class EntityAction(BaseAction[EntityT, EventT, StateT], Generic[EntityT, EventT, StateT]):
    """Action of a person on an incident or assessment.

    `decide` returns the data of the event, if the body does not say it all, or raises Refused.
    """

    decide: Callable[[EntityT, Any, Actor, datetime], EventData] | None = None


class EntityTable(NamedTuple):
    """Noun before the number in messages, actions by body in table order, and the kind of a requested cancellation."""

    noun: str
    actions: Mapping[type[ActionBody], EntityAction[Any, Any, Any]]
    cancellation: BaseKind[Any, Any]


class Entity(Protocol):
    """Facts of an entity that the kit needs, and fields that an event changes whatever it is about."""

    TABLE: ClassVar[EntityTable]
    number: str
    state: Any
    version: int
    people: dict[str, str]
    closed_at: datetime | None

    @property
    def over(self) -> bool:
        """True if nothing can happen to it any more."""

    def forbidden(self, actor: Actor) -> Refused | None:
        """Return the refusal for a person who may not act on it, beyond the role; None for all others."""


class EntityRules(Generic[EventT]):
    """Rules that incident and assessment share: an action out of its turn is refused, an event brings them along."""

    def available_actions(self: Entity, actor: Actor) -> tuple[str, ...]:
        """Return what this person may do to it now, in table order."""
        return tuple(row.name for row in self.TABLE.actions.values() if _refusal(self, row, actor) is None)

    def check(self: Entity, command: Command[Any], at: datetime) -> None:
        """Raise Refused if `apply` would."""
        _decided(self, command, at)

    def apply(self: Entity, command: Command[Any], at: datetime) -> tuple[EventT, ...]:
        """Carry out a command at `at`. Raises Refused and changes nothing."""
        action, data = _decided(self, command, at)
        return (happen(self, action, at, data, action.targets[0] if action.targets else None, command),)

    def note_cancellation(self: Entity, reason: str, at: datetime) -> tuple[EventT, ...]:
        """Note that a cancellation of the workflow was requested."""
        return (happen(self, self.TABLE.cancellation, at, CancellationRequested.because(reason)),)

    def forbidden(self, actor: Actor) -> Refused | None:  # noqa: ARG002 - see Entity
        """See Entity."""
        return None


def happen(
    entity: Entity,
    kind: BaseKind[Any, EventT],
    at: datetime,
    data: EventData,
    state: str | None = None,
    by: Command[Any] | Actor = SYSTEM,
) -> EventT:
    """Bring the entity along; return the event. The state stays if none is given. One of version 0 begins with it."""
    actor, people = (by, {}) if isinstance(by, Actor) else (by.actor, by.people)
    event = kind.EVENT(
        seq=entity.version + 1,
        at=at,
        actor=actor.id,
        role=actor.role,
        people={**people, **actor.people},
        action=kind.name,
        from_state=entity.state if entity.version else None,
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


def _decided(entity: Entity, command: Command[Any], at: datetime) -> tuple[EntityAction[Any, Any, Any], EventData]:
    """Return the action that the command asks for, and the data of its event. Raises Refused."""
    body, actor = command.body, command.actor
    action = entity.TABLE.actions[type(body)]
    if refused := _refusal(entity, action, actor):
        raise refused
    action.check(entity, body)
    return action, action.decide(entity, body, actor, at) if action.decide else action.data.of(body)


def _refusal(entity: Entity, action: EntityAction[Any, Any, Any], actor: Actor) -> Refused | None:
    if actor.role not in {*action.roles, Role.ADMIN}:
        return action.wrong_role(actor)
    if forbidden := entity.forbidden(actor):
        return forbidden
    if entity.state in action.sources:
        return None
    message = f"The {entity.TABLE.noun} {entity.number} is {entity.state}, and {action.name} is not possible now."
    rows = entity.TABLE.actions.values()
    offered = (row.name for row in rows if entity.state in row.sources and actor.role in {*row.roles, Role.ADMIN})
    return Refused(OUT_OF_TURN, message, tuple(offered))
