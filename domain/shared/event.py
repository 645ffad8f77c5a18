"""Events of complaints and incidents: the only source of truth, from which everything else is computed."""

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

from domain.shared.actors import Role
from domain.shared.text import Text


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


class CancellationRequested(EventData):
    """Reason that was given, if any."""

    reason: str | None = None

    @classmethod
    def because(cls, reason: str) -> Self:
        """Return the data; an empty reason is left out."""
        return cls(reason=reason) if reason else cls()


class BaseEvent(BaseModel):
    """One fact about one complaint or incident."""

    model_config = ConfigDict(frozen=True)

    DATA: ClassVar[dict[str, type[EventData]]]
    """Model of the data of each kind of event; every kind adds its own when it is made (`domain.shared.kind`)."""

    seq: int = Field(ge=1, description="1, 2, 3 ... within the entity; its version after this event.")
    at: datetime = Field(description="When it took effect, UTC.")
    actor: str = Field(description="Who did it: the name of the key's holder, or `system`.")
    role: Role = Field(description="In which capacity.")
    action: str = Field(description="Kind of the event: an action, or an automatic one.")
    data: SerializeAsAny[EventData]

    @field_validator("data", mode="plain")
    @classmethod
    def _typed(cls, data: object, info: ValidationInfo) -> EventData:
        kind = info.data.get("action")
        if kind not in cls.DATA:
            raise ValueError(f"there is no kind of event {kind!r}; accepted: {', '.join(cls.DATA)}")
        return cls.DATA[kind].model_validate(data)
