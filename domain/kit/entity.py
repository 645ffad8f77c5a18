"""Kit of every entity: how commands are checked and applied, and how an event evolves the entity.

Incident and assessment have these rules alone. A case has more of them, and overrides what differs.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from domain.kit.event import (
    CANCELLATION,
    ActionBody,
    BaseAction,
    BaseEvent,
    BaseKind,
    CancellationRequested,
    Command,
    Decision,
    EventData,
    NotPossible,
)
from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.errors import OUT_OF_TURN, ProblemType, Refused

EventT = TypeVar("EventT", bound=BaseEvent)
AnyKind = BaseKind[Any, Any]


class EntityTable(NamedTuple):
    """Noun before the number in messages, kinds of events by name, actions by body in table order."""

    noun: str
    kinds: Mapping[str, AnyKind]
    actions: Mapping[type[ActionBody], BaseAction[Any, Any, Any]]

    @property
    def rows(self) -> Iterator[BaseAction[Any, Any, Any]]:
        """Each action once, in table order; one with an extended body stands under two bodies."""
        return (row for body, row in self.actions.items() if body is row.body)


class EntityRules(Generic[EventT]):
    """Rules of an entity, beside its fields. Instants are UTC and given by the caller."""

    TABLE: ClassVar[EntityTable]

    if TYPE_CHECKING:  # pydantic would take them for fields
        number: str
        state: Any
        version: int
        people: dict[str, str]

        def model_copy(self) -> Self: ...

    def apply(self, command: Command[Any], at: datetime) -> tuple[EventT, ...]:
        """Do what is asked at `at`, after everything that fell due before. Raises Refused and changes nothing."""
        after, events = self.preview(command, at)
        self.become(after)
        return events

    def check(self, command: Command[Any], at: datetime) -> None:
        """Raise Refused exactly if `apply` would."""
        self.preview(command, at)

    def available_actions(self, actor: Actor) -> tuple[str, ...]:
        """In table order; a case is asked at an instant that its caller gives."""
        return tuple(row.name for row in self.TABLE.rows if _refusal(self, row, actor) is None)

    def note_cancellation(self, reason: str, at: datetime) -> tuple[EventT, ...]:
        """Note that the workflow was asked to be cancelled, which changes nothing else."""
        data = CancellationRequested(reason=reason) if reason else CancellationRequested()
        return self.add_event_after_due(self.TABLE.kinds[CANCELLATION], at, data)

    def preview(self, command: Command[Any], at: datetime) -> tuple[Self, tuple[EventT, ...]]:
        """Copy of the entity as the command leaves it, with the events; this one stays as it is. Raises Refused."""
        after = self.model_copy()
        return after, (*after.advance(at), after.record(after.decide(command, at)))

    def advance(self, _: datetime) -> tuple[EventT, ...]:
        """Nothing, unless time changes the entity; the workflow of an entity without any asks for none."""
        return ()

    def forbidden(self, _: Actor) -> Refused | None:
        """Refusal beyond the role; None for who may act on it."""
        return None

    def decide(self, command: Command[Any], at: datetime) -> EventT:
        """Make the event of the command. Raises Refused."""
        body, actor = command.body, command.actor
        action = self.TABLE.actions[type(body)]
        if refused := _refusal(self, action, actor):
            raise refused
        body.check(self)
        decision = action.decision(self, body, actor, at)
        if isinstance(decision, NotPossible):
            raise _refused(self, actor, decision.problem, f": {decision.message}")
        if action.targets and decision.state not in action.targets:
            raise LookupError(f"{action.name} leads to {decision.state}; accepted: {', '.join(action.targets)}")
        event: EventT = action.next_event(self, at, decision, actor, command.people)
        return event

    def add_event(
        self,
        kind: AnyKind,
        at: datetime,
        data: EventData | Callable[[], EventData],
        state: str | None = None,
        actor: Actor = SYSTEM,
    ) -> EventT:
        """No command asks for it. The state stays if none is given."""
        made = data if isinstance(data, EventData) else data()
        return self.record(kind.next_event(self, at, Decision(made, state), actor))

    def add_event_after_due(
        self, kind: AnyKind, at: datetime, data: EventData | Callable[[], EventData]
    ) -> tuple[EventT, ...]:
        return (*self.advance(at), self.add_event(kind, at, data))

    def record(self: Any, event: EventT) -> EventT:
        receive(self, event)
        self.TABLE.kinds[event.action].change(self, event)
        self.state = event.to_state
        if self.over:
            self.closed_at = self.closed_at or event.at
        return event

    def become(self: Any, after: Any) -> None:  # noqa: ANN401 - any entity, and a copy of it
        self.__setstate__(after.__getstate__())


def receive(entity: Any, event: BaseEvent) -> None:  # noqa: ANN401 - any entity
    """Bring the entity from version `seq - 1` to `seq`, and keep names. Raises ValueError for an event out of order."""
    if event.seq != entity.version + 1:
        raise ValueError(
            f"event {event.seq} cannot follow version {entity.version} of {entity.TABLE.noun} {entity.number}"
        )
    entity.version = event.seq
    if event.people:
        entity.people = {**entity.people, **event.people}


def _refusal(entity: EntityRules[Any], action: BaseAction[Any, Any, Any], actor: Actor) -> Refused | None:
    if actor.role not in {*action.roles, Role.ADMIN}:
        return action.wrong_role(actor)
    if forbidden := entity.forbidden(actor):
        return forbidden
    if entity.state in action.sources:
        return None
    return _refused(entity, actor, OUT_OF_TURN, f" is {entity.state}, and {action.name} is not possible now")


def _refused(entity: EntityRules[Any], actor: Actor, problem: ProblemType, why: str) -> Refused:
    offered = (
        row.name for row in entity.TABLE.rows if entity.state in row.sources and actor.role in {*row.roles, Role.ADMIN}
    )
    return Refused(problem, f"The {entity.TABLE.noun} {entity.number}{why}.", tuple(offered))
