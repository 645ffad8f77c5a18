"""Shapes that answers of several subjects have."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, WithJsonSchema, create_model
from pydantic.json_schema import SkipJsonSchema

from domain.kit.event import BaseKind, EventData
from domain.shared.actors import Role
from domain.shared.value import omit_default

T = TypeVar("T")
WHOLE = ConfigDict(json_schema_serialization_defaults_required=True)
"""Configuration of an answer that has also what has its default."""


def body_like(*examples: Any, **schema: Any) -> ConfigDict:  # noqa: ANN401 - JSON
    """Return the configuration of a body that takes no other fields, with its examples and more of its schema."""
    return ConfigDict(extra="forbid", json_schema_extra={**schema, "examples": [*examples]})


def shown_as(kind: Any) -> WithJsonSchema:  # noqa: ANN401 - a type
    """Return the schema of a type, for a text of an answer that is not checked again: its writer may know more."""
    return WithJsonSchema(TypeAdapter(kind).json_schema())


class Page(BaseModel, Generic[T]):
    """Page of a list, in the order that the operation tells."""

    model_config = WHOLE

    items: list[T]
    next_cursor: str | None = Field(
        default=None, description="Give it as `cursor` to get the next page; null on the last one."
    )

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Return the name in the document: `CallPage` of `CallItem`."""
        name: str = getattr(params[0], "__name__", "")
        return f"{name.removesuffix('Item').removesuffix('Summary')}Page"


class EventItem(BaseModel, Generic[T]):
    """Event in a timeline, with the states before and after it."""

    seq: int = Field(description="1, 2, 3 ... in the order in which it happened.")
    at: datetime
    actor: str = Field(description="Id of the person, or `system`.")
    role: Role
    people: dict[str, str] = omit_default({}, "Names of the people in it, by id, where they differ.")
    action: str = Field(description="Kind of the event, which tells the shape of `data`.")
    from_state: Annotated[T | None, Field(alias="from")]
    to_state: Annotated[T, Field(alias="to")]
    data: EventData


HIDDEN: Any = Annotated[SkipJsonSchema[Any], Field(exclude=True)]  # type: ignore[misc]  # mypy takes it for a class that is not generic
"""Type of a field of the domain that no answer has."""


def _shown(data: type[EventData]) -> type[EventData]:
    """Return the model of data as timelines show them: without the terms."""
    if "terms" not in data.model_fields:
        return data
    return create_model(data.__name__, __base__=data, __doc__=data.__doc__, terms=(HIDDEN, None))


def timeline_of(name: str, item: type[EventItem[Any]], kinds: Mapping[str, BaseKind[Any, Any]]) -> type[BaseModel]:
    """Return the model of a page of events, each of which has the data of its kind."""
    items = list[type[BaseModel]]()
    for kind in kinds.values():
        fields: dict[str, Any] = {
            "action": (Literal[kind.name], Field(description="Kind of the event.")),
            "data": (_shown(kind.data), Field(description="Facts of the event.")),
        }
        title = name + "".join(map(str.capitalize, kind.name.split("_")))
        items.append(create_model(title, __base__=item, __doc__=f"{kind.zh}: {kind.description}", **fields))
    of_any: Any = Annotated[Union[tuple(items)], Field(discriminator="action")]  # noqa: UP007 - of a tuple
    page: type[Page[Any]] = Page.__class_getitem__(of_any)  # type: ignore[assignment]  # known at run time only
    return create_model(name, __base__=page, __doc__="Events, the oldest first; `action` tells the shape of `data`.")
