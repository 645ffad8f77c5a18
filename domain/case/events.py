"""Events of a complaint: the only source of truth, from which everything else is computed."""

from datetime import datetime
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from domain.case.lifecycle import State
from domain.shared.actors import Role
from domain.shared.text import Text
from domain.shared.value import is_empty


class EventData(BaseModel):
    """Facts of one event. A field that nobody has set is left out of what is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_serializer(mode="wrap")
    def _leave_out_unset(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if name in self.model_fields_set}

    @classmethod
    def of(cls, said: "EventData", **more: Any) -> Self:  # noqa: ANN401 - values of its fields
        """Return the facts of the same names that `said` gives, None and empty ones left out, and more of them."""
        names = said.model_fields_set & cls.model_fields.keys()
        given = {name: value for name in names if (value := getattr(said, name)) not in (None, ())}
        return cls(**given | more)


class ActionBody(EventData):
    """Body of an action, over HTTP and as a Temporal update. Every action may carry a note for the record."""

    note: Text | None = None


class OfDepartment(EventData):
    """Facts about the work of one department, by its code; None: of the one that has the case."""

    department: str | None = None


class Event(BaseModel):
    """One fact about one case, in the order of `seq`."""

    model_config = ConfigDict(frozen=True)

    DATA: ClassVar[dict[str, type[EventData]]] = {}
    """Model of the data of each kind of event; every kind adds its own when it is made (`domain.case.kind`)."""

    seq: int = Field(ge=1, description="1, 2, 3 ... within the case; the case's version after this event.")
    at: datetime = Field(description="When it took effect, UTC.")
    actor: str = Field(description="Who did it: the name of the key's holder, or `system`.")
    role: Role = Field(description="In which capacity.")
    action: str = Field(description="Kind of the event: an action, or one of `domain.case.automatic`.")
    from_state: State | None = None
    to_state: State
    cycle: int = Field(ge=1, description="1 for the first handling, one more for each rework (重办).")
    data: SerializeAsAny[EventData]
    recipients: tuple[str, ...] = Field(
        default=(),
        exclude_if=is_empty,
        description="Addresses that are told of it, as they were when it happened; in SQL, the rows of notifications.",
    )

    @field_validator("data", mode="plain")
    @classmethod
    def _typed(cls, data: object, info: ValidationInfo) -> EventData:
        kind = info.data.get("action")
        if kind not in cls.DATA:
            raise ValueError(f"there is no kind of event {kind!r}; accepted: {', '.join(cls.DATA)}")
        return cls.DATA[kind].model_validate(data)
