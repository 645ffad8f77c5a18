"""Shape that the kinds of events of complaints and of incidents share. Each kind is one module of its own."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from domain.shared.actors import Actor, Role
from domain.shared.errors import WRONG_ROLE, ProblemType, Refused
from domain.shared.event import ActionBody, BaseEvent, EventData

EntityT = TypeVar("EntityT")
EventT = TypeVar("EventT", bound=BaseEvent)
StateT = TypeVar("StateT", bound=str)
Addressees = tuple[str, ...]
"""Those who are told: `owner`, `department`, `assignee`, a role ... or an address as `owner:NAME`."""


def change_nothing(_: object, __: object, ___: object) -> None:
    """Leave the entity as it is: the event is a fact for the timeline."""


@dataclass(frozen=True, kw_only=True)
class BaseKind(Generic[EntityT, EventT]):
    """Kind of event: what it says, what it does to the complaint or incident, and who is told of it.

    `evolve` changes the entity; `event.at` is the time of every change. `notifies` are those who are told, or a
    function that returns them once the entity has evolved.
    """

    EVENT: ClassVar[type[BaseEvent]]

    name: str
    zh: str
    data: type[EventData]
    evolve: Callable[[EntityT, Any, EventT], None] = change_nothing
    notifies: Addressees | Callable[[EntityT, Any, EventT], Addressees] = ()

    def __post_init__(self) -> None:
        """Make the model of the data known to whoever reads events."""
        self.EVENT.DATA[self.name] = self.data

    def addressees(self, entity: EntityT, event: EventT) -> Addressees:
        """Return those who are told of the event, given the entity as it left it."""
        return self.notifies(entity, event.data, event) if callable(self.notifies) else self.notifies


@dataclass(frozen=True, kw_only=True)
class BaseAction(BaseKind[EntityT, EventT], Generic[EntityT, EventT, StateT]):
    """Action of a person: one row of a lifecycle table. Empty `targets`: the state stays.

    `check` raises Refused for a body that is wrong.
    """

    description: str
    roles: AbstractSet[Role]
    sources: AbstractSet[StateT]
    targets: tuple[StateT, ...] = ()
    body: type[ActionBody]
    example: ActionBody
    problems: tuple[ProblemType, ...] = ()
    check: Callable[[EntityT, Any], None] = lambda *_: None

    def wrong_role(self, actor: Actor) -> Refused:
        """Return the refusal for an actor in a role that may not do it."""
        allowed = tuple(sorted(self.roles - {Role.SYSTEM}))
        message = f"{self.name} is not for the role {actor.role}; it takes {' or '.join(allowed)}."
        return Refused(WRONG_ROLE, message, allowed)


AnyAction = BaseAction[Any, Any, Any]
"""Action on a complaint or on an incident."""
