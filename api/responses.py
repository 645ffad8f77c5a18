"""Answers: shapes of several subjects, how routes document them, and how they are masked for their reader (脱敏).

An answer is a model, which FastAPI serialises. Timelines alone are written here: their events are documented by kind.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Protocol, Self, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, WithJsonSchema, create_model
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import from_json, to_json
from starlette.responses import Response

from api.edge.problems import MEDIA_TYPE, ProblemError, ProblemKind
from api.sign_in.tokens import Issuer
from domain.case.lifecycle import ENDED, State
from domain.kit.event import BaseEvent, BaseKind, EventData
from domain.rights.rights import READ_CASES, Reach, masked, masks_for
from domain.shared.actors import Actor, Role
from domain.shared.value import omit_default
from readmodel.base.paging import RowPage

S = TypeVar("S")
T = TypeVar("T")


def body_like(*examples: Any, **schema: Any) -> ConfigDict:  # noqa: ANN401 - JSON
    """Configure a body that takes no other fields; `schema` is added to its schema."""
    return ConfigDict(extra="forbid", json_schema_extra={**schema, "examples": [*examples]})


def shown_as(kind: Any) -> WithJsonSchema:  # noqa: ANN401 - a type
    """Describe a text of an answer that is not checked again, as its writer may know more."""
    return WithJsonSchema(TypeAdapter(kind).json_schema())


ALL_FIELDS = ConfigDict(json_schema_serialization_defaults_required=True)
"""Configuration of an answer that has also what has its default."""


class Page(BaseModel, Generic[T]):
    """Page of a list, in the order that the operation tells."""

    model_config = ALL_FIELDS

    items: list[T]
    next_cursor: str | None = Field(None, description="Give it as `cursor` to get the next page; null on the last one.")

    @classmethod
    def of(cls, page: RowPage[S], shown: Callable[[S], T]) -> Self:
        return cls(items=[*map(shown, page.items)], next_cursor=page.next_cursor)

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name in the document: `CallPage` of `CallItem`."""
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


def timeline_of(name: str, item: type[EventItem[Any]], kinds: Mapping[str, BaseKind[Any, Any]]) -> type[BaseModel]:
    """Each event of the page has the data of its kind."""
    items = list[type[BaseModel]]()
    for kind in kinds.values():
        data = kind.data
        if "terms" in data.model_fields:  # which no timeline shows
            data = create_model(data.__name__, __base__=data, __doc__=data.__doc__, terms=(HIDDEN, None))
        fields: dict[str, Any] = {"action": (Literal[kind.name], ...), "data": (data, ...)}
        title = name + "".join(map(str.capitalize, kind.name.split("_")))
        items.append(create_model(title, __base__=item, __doc__=f"{kind.zh}: {kind.description}", **fields))
    of_any: Any = Annotated[Union[tuple(items)], Field(discriminator="action")]  # noqa: UP007 - of a tuple
    page: type[Page[Any]] = Page.__class_getitem__(of_any)  # type: ignore[assignment]  # known at run time only
    return create_model(name, __base__=page, __doc__="Events, the oldest first; `action` tells the shape of `data`.")


Json = dict[str, Any]
Responses = dict[int | str, Json]
JSON = "application/json"


def problems(*kinds: ProblemKind) -> Responses:
    """Leave out what follows of the right, the body and the parameters of an operation: the document has it anyway."""
    by_status: dict[int, dict[str, ProblemKind]] = {}
    for kind in kinds:
        by_status.setdefault(int(kind.status), {})[kind.slug] = kind
    documented: Responses = {}
    for status, found in by_status.items():
        shown = {
            slug: {
                "summary": kind.title,
                "value": ProblemError(kind, f"{kind.title}.").problem.model_dump(exclude_none=True),
            }
            for slug, kind in found.items()
        }
        documented[status] = {
            "description": "; ".join(kind.title for kind in found.values()),
            **_HEADERS.get(status, {}),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": shown}},
        }
    return documented


def also(status: int, model: type[BaseModel]) -> Responses:
    """Document a further status with which the operation answers in the same shape."""
    return {status: {"model": model}}


NOT_MODIFIED: Responses = {304: {"description": "You have this version."}}


def examples(description: str, *names: str) -> Json:
    links = {name: {"$ref": f"#/components/examples/{name}"} for name in names}
    return {"description": description, "content": {"application/json": {"examples": links}}}


def formats(*media_types: str) -> Responses:
    return {200: {"content": {media_type: {"schema": {"type": "string"}} for media_type in media_types}}}


def header(name: str, description: str, **schema: Any) -> Json:  # noqa: ANN401 - JSON
    """Document a header that the answer always has."""
    return {"headers": {name: {"required": True, "description": description, "schema": schema}}}


_RETRY_AFTER = header("Retry-After", "Seconds until the request may be sent again.", type="integer", minimum=1)
_HEADERS: Mapping[int, Json] = {
    HTTPStatus.UNAUTHORIZED: header("WWW-Authenticate", "Challenge of RFC 6750.", type="string"),
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}
"""Headers of errors by status."""


def answer_page(items: Iterable[bytes], next_cursor: int | None) -> Response:
    cursor = to_json(None if next_cursor is None else str(next_cursor))
    return Response(b'{"items":[%b],"next_cursor":%b}' % (b",".join(items), cursor), media_type=JSON)


class Versioned(Protocol):
    """Answer that shows one version of something."""

    @property
    def version(self) -> int: ...


def etag(version: int) -> dict[str, str]:
    """Tag whole and masked answers of a version alike."""
    return {"ETag": f'"{version}"'}


def describe(response: Response, item: Versioned, *, shown: bool) -> None:
    """Give the response the tag of the item's version, and status 202 if lists do not show that version yet."""
    response.headers.update(etag(item.version))
    if not shown:
        response.status_code = HTTPStatus.ACCEPTED


def reads_one_department(reader: Actor) -> bool:
    """Return True if numbers of other cases are not for this reader: they may be of other departments."""
    return READ_CASES.reach.get(reader.role) is Reach.DEPARTMENT


def masked_for(reader: Actor, content: T, case: State | str | None = None) -> T:
    """Without its state, a case is masked as one that has ended."""
    shown, _ = masked(content, masks_for(reader.role, ended=case is None or case in ENDED))
    return shown


def timeline_item(event: BaseEvent, reader: Actor, case: State | None = None) -> bytes:
    """Item of `Timeline` or `IncidentTimeline` as JSON; `case` is the state of the event's case."""
    hidden = {"terms", "possible_duplicates"} if reads_one_department(reader) else {"terms"}
    shown = event.model_dump(
        mode="json", exclude={"from_state": True, "to_state": True, "recipients": True, "data": hidden}
    )
    return to_json(masked_for(reader, {**shown, "from": event.from_state, "to": event.to_state}, case))


DOCUMENT = Path(__file__).with_name("openapi.json")
"""Document that `make docs` computes of the routes: a service answers with it from its first request."""
DOCS_PAGE = {"tryItOutEnabled": True, "persistAuthorization": False, "filter": True, "validatorUrl": None}
"""Settings of the page at `/docs`: it forgets keys, and asks no validator on the internet."""


@cache
def described(issuer: Issuer | None) -> dict[str, Any]:
    """Add tokens as another way in if there is an issuer of them."""
    document: dict[str, Any] = from_json(DOCUMENT.read_bytes())
    if issuer:
        scheme = {"type": "openIdConnect", "openIdConnectUrl": issuer.discovery_url, "description": "An access token."}
        document["components"]["securitySchemes"]["openIdConnect"] = scheme
        for operations in document["paths"].values():
            for operation in operations.values():
                if "security" in operation:
                    operation["security"].append({"openIdConnect": []})
    return document
