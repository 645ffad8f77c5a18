"""Commands, events and notifications of every entity (complaint, incident, assessment), and what their kinds share."""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, Self, cast

from pydantic import (
    BaseModel,
    Field,
    GetJsonSchemaHandler,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import TypeVar

from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.errors import OUT_OF_TURN, WRONG_ROLE, ProblemType, Refused
from domain.shared.value import Immutable, Phrase, Text, Value, english, exhaustive, omit_default


class EventData(Value):
    """Facts of one event. A field that nobody has set is left out of what is written."""

    def evolve(self, entity: Any, event: Any, /) -> None:  # noqa: ANN401 - any entity, and the event with these facts
        """Change the entity as the event does, beyond the fields of the same names (`BaseKind.sets`)."""

    def done(self, event: Any, /) -> Phrase | None:  # noqa: ANN401 - the event with these facts
        """Words for what the event did; None: the name of its kind."""

    def text(self, number: str, event: Any, /) -> tuple[str, str] | None:  # noqa: ANN401 - the event with these facts
        """Chinese and English words of a notification; None: the usual, the kind and the state."""

    def notifies(self, entity: Any, event: Any, /) -> "Addressees | None":  # noqa: ANN401 - the entity as the event left it
        """None: those of the kind (`BaseKind.notifies`)."""

    @model_serializer(mode="wrap")
    def _leave_out_unset(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if name in self.model_fields_set}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Show the fields alone: what is written has no others."""
        model: Any = core_schema
        while model["type"].startswith("function-"):  # a validator of the model, which the schema does not show
            model = model["schema"]
        return handler(cast("CoreSchema", {name: value for name, value in model.items() if name != "serialization"}))

    @classmethod
    def of(cls, source: "EventData", **more: Any) -> Self:  # noqa: ANN401 - values of its fields
        """Take the facts of the same names that `source` gives, and more of them.

        Trap: None and empty tuples of `source` are left out. What must be stored as None is given in `more`.
        """
        names = source.model_fields_set & cls.model_fields.keys()
        given = {name: value for name in names if (value := getattr(source, name)) not in (None, ())}
        return cls(**given | more)


class Decision(NamedTuple):
    """Data of an event, the state it leads to if that is another, and the cycle of a case if a new one begins."""

    data: EventData
    state: str | None = None
    cycle: int | None = None


class NotPossible(NamedTuple):
    """Reason why an action is not possible now."""

    problem: ProblemType
    message: str


class ActionBody(EventData):
    """Body of an action, over HTTP and as a Temporal update. Every action may carry a note for the record."""

    note: Text | None = None

    def check(self, entity: Any, /) -> None:  # noqa: ANN401 - any entity
        """Raise Refused if the body is wrong for the entity, whatever its state."""

    def decide(self, entity: Any, actor: Actor, at: datetime, /) -> Decision | NotPossible | None:  # noqa: ANN401 - same
        """Decide what happens to the entity. Raises Refused.

        None: the body becomes the data of the event, and the first target of the action the state.
        """


class Reasoned(ActionBody):
    """Body with a reason."""

    reason: Text


BodyT = TypeVar("BodyT", bound=BaseModel)


class Command(Immutable, Generic[BodyT]):
    """Body of an action, who sends it, and how to know it again: `key` repeats with a retry, `digest` with the body."""

    actor: Actor
    body: BodyT
    key: str = Field("", max_length=100)
    digest: str = Field("", max_length=100)
    people: dict[str, str] = omit_default({}, "Names of the people that the body names, by id, where they differ.")
    if_versions: tuple[int, ...] | None = omit_default(None, "Versions that it is for; None: whatever the version is.")
    acknowledged: int | None = Field(
        None,
        ge=0,
        description="The version that the sender knows SQL to have. With it, the sender writes the batch that the"
        " update returns; without it, the workflow publishes.",
    )


CANCELLATION = "cancellation_requested"


class CancellationRequested(EventData):
    """Reason that was given, if any."""

    reason: str | None = None


StateT = TypeVar("StateT", bound=str, default=Any)


class BaseEvent(Immutable, Generic[StateT]):
    """One fact about one entity."""

    DATA: ClassVar[dict[str, type[EventData]]]
    """Model of the data of each kind of event; every kind adds its own when it is made (`BaseKind`)."""
    KIND_ZH: ClassVar[dict[str, str]]
    """Chinese name of each kind of event, as every kind adds it."""

    seq: int = Field(ge=1, description="1, 2, 3 ... within the entity; its version after this event.")
    at: datetime = Field(description="When it took effect, UTC.")
    actor: str = Field(description="Who did it: the id of a person, or `system`.")
    role: Role = Field(description="In which capacity.")
    people: dict[str, str] = omit_default({}, "Names of the people in the event, by id, where they differ.")
    action: str = Field(description="Kind of the event: an action, or an automatic one.")
    data: SerializeAsAny[EventData]
    from_state: StateT | None = None
    to_state: StateT

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:  # noqa: ANN401 - those of the class statement
        cls.DATA, cls.KIND_ZH = {}, {}

    @field_validator("data", mode="plain")
    @classmethod
    def _typed(cls, data: object, info: ValidationInfo) -> EventData:
        kind = info.data.get("action")
        if kind not in cls.DATA:
            raise ValueError(f"there is no kind of event {kind!r}; accepted: {', '.join(cls.DATA)}")
        return cls.DATA[kind].model_validate(data)


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
    """`texts` are Chinese and English."""
    return tuple(Notification(f"{number}-{event.seq}-{who}", who, kind, *texts) for who in recipients)


class Evolving(Protocol):
    """Fields that every event of an entity changes, whatever it is about."""

    version: int
    state: Any
    people: dict[str, str]


EntityT = TypeVar("EntityT", bound=Evolving)
EventT = TypeVar("EventT", bound=BaseEvent)
Addressees = tuple[str, ...]
"""Roles that are notified: `owner`, `department`, `assignee`, a role ... or an address as `owner:NAME`.

`owner:{fact}` has the name from the data of the event.
"""


@dataclass(frozen=True, kw_only=True)
class BaseKind(Generic[EntityT, EventT]):
    """Kind of event: what it says, what it does to the entity, and who is notified of it.

    `sets` are the facts that become fields of the same names; `evolve` of the data changes all else, as of `event.at`.
    `notifies` are those who are notified unless the data tell, or a table of them by the state that the event leads to.

    Trap: `name` and the fields of `data` are in histories and SQL. Under another name, old events cannot be read.
    """

    EVENT: ClassVar[type[BaseEvent]]

    name: str
    zh: str
    description: str
    data: type[EventData] = EventData
    sets: tuple[str, ...] = ()
    notifies: Addressees | Mapping[Any, Addressees] = ()

    def __post_init__(self) -> None:
        if isinstance(self.notifies, Mapping):
            exhaustive(f"notifies of {self.name}", getattr(self, "targets", ()), self.notifies)
        self.EVENT.DATA[self.name], self.EVENT.KIND_ZH[self.name] = self.data, self.zh

    def done(self, event: BaseEvent) -> Phrase:
        """Words for what an event of this kind did."""
        return event.data.done(event) or (self.zh, english(self.name))

    @classmethod
    def cancellation(cls, noun: str, **more: Any) -> Self:  # noqa: ANN401 - values of its fields
        """Event by which a request to cancel the workflow is noted, which changes nothing."""
        return cls(
            name=CANCELLATION,
            zh="请求取消",
            description=f"Somebody requested cancellation in Temporal; the {noun} continues.",
            data=CancellationRequested,
            **more,
        )

    def next_event(
        self,
        entity: EntityT,
        at: datetime,
        decision: Decision,
        actor: Actor = SYSTEM,
        people: Mapping[str, str] | None = None,
    ) -> EventT:
        """Next event of the entity, which has not evolved yet; that of version 0 begins with it.

        `people` are the names of those whom the data name.
        """
        event = self.EVENT(
            seq=entity.version + 1,
            at=at,
            actor=actor.id,
            role=actor.role,
            people={**(people or {}), **actor.people},
            action=self.name,
            from_state=entity.state if entity.version else None,
            to_state=decision.state or entity.state,
            data=decision.data,
            **self.more_facts(entity, decision),
        )
        return cast("EventT", event)

    @property
    def is_notified(self) -> bool:
        return bool(self.notifies) or self.data.notifies is not EventData.notifies

    def more_facts(self, _: EntityT, __: Decision) -> dict[str, Any]:
        return {}

    def change(self, entity: EntityT, event: EventT) -> None:
        for name in self.sets:
            setattr(entity, name, getattr(event.data, name))
        event.data.evolve(entity, event)

    def addressees(self, entity: EntityT, event: EventT) -> Addressees:
        """Given the entity as the event left it."""
        notified: Addressees | None = event.data.notifies(entity, event)
        if notified is not None:
            return notified
        if isinstance(self.notifies, Mapping):
            return self.notifies[event.to_state]
        return tuple(who.format_map(event.data.__dict__) for who in self.notifies)


@dataclass(frozen=True, kw_only=True)
class BaseAction(BaseKind[EntityT, EventT], Generic[EntityT, EventT, StateT]):
    """Action of a person: one row of a lifecycle table. Empty `targets`: the state stays.

    `body` is the model of the example, unless another is given; it is also that of the data, unless they have one.
    `extended_body` is the body with what the API has looked up for it, if that is another model. `further_examples`
    are of other forms of the body, each with a name.
    """

    roles: AbstractSet[Role]
    sources: AbstractSet[StateT]
    targets: tuple[StateT, ...] = ()
    body: type[ActionBody] = ActionBody
    extended_body: type[ActionBody] | None = None
    example: ActionBody
    further_examples: tuple[tuple[str, ActionBody], ...] = ()
    problems: tuple[ProblemType, ...] = ()

    def __post_init__(self) -> None:
        if self.body is ActionBody:
            object.__setattr__(self, "body", type(self.example))
        if self.data is EventData:
            object.__setattr__(self, "data", self.body)
        super().__post_init__()

    def decision(self, entity: EntityT, body: ActionBody, actor: Actor, at: datetime) -> Decision | NotPossible:
        own = body.decide(entity, actor, at)
        return own or Decision(self.data.of(body), self.targets[0] if self.targets else None)

    def out_of_turn(self, why: str) -> NotPossible:
        return NotPossible(OUT_OF_TURN, f"{why}, and {self.name} is not possible now")

    def wrong_role(self, actor: Actor) -> Refused:
        allowed = tuple(sorted(self.roles - {Role.SYSTEM}))
        message = f"{self.name} is not for the role {actor.role}; it takes {' or '.join(allowed)}."
        return Refused(WRONG_ROLE, message, allowed)


AnyAction = BaseAction[Any, Any, Any]
KindT = TypeVar("KindT", bound=BaseKind[Any, Any])
ActionT = TypeVar("ActionT", bound=AnyAction)


def by_name(*kinds: KindT) -> dict[str, KindT]:
    """Raise LookupError for two kinds of one name, of which one would be lost."""
    return _table("name", [(kind.name, kind) for kind in kinds])


def by_body(*actions: ActionT) -> dict[type[ActionBody], ActionT]:
    """Key actions by the model of their body, extended or not. Raises LookupError for two of one body."""
    return _table("body", [(body, row) for row in actions for body in (row.body, row.extended_body) if body])


def _table(what: str, rows: Collection[tuple[Any, Any]]) -> dict[Any, Any]:
    table = dict(rows)
    if len(table) != len(rows):
        names = ", ".join(map(str, table))
        raise LookupError(f"two kinds of events have one {what}; accepted: one for each of {names}")
    return table
