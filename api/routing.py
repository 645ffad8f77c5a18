"""Class of the routes, their dependencies, and rights: the role at an operation, the reach where a case is read."""

import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Protocol, get_origin
from zoneinfo import ZoneInfo

from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from starlette.routing import BaseRoute

from api.directory import People, PersonFinder
from api.documents import Documents, Printer
from api.edge.limits import KeyedLocks
from api.edge.problems import (
    MALFORMED_JSON,
    OTHER_DEPARTMENT,
    WRONG_ROLE,
    Fault,
    ProblemError,
    declare,
    invalid_request,
)
from api.exports.files import ExportThrottle, Pages
from api.sql import DirectWriter, ProjectionWriter, Reader
from domain.case.lifecycle import ENDED, OPEN
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition
from domain.rights.rights import AssignedCase, Reach, Right, masks_for, reaches
from domain.shared.actors import Actor
from domain.shared.numbers import NumberError, parse_number
from domain.shared.value import english
from readmodel.cases.search import CaseFilters
from readmodel.people.people import TOKEN_SHAPE

MASKED_SEARCH = declare("masked-search", HTTPStatus.FORBIDDEN, "Search in masked fields")


class Needs(HTTPBearer):
    """Dependency on a person whose role has the right; for an action, also the right to read its answer.

    None asks for a key alone. The security scheme is `Authorization: Bearer hk_...`, or a token of the issuer.
    """

    def __init__(self, right: Right | None) -> None:
        super().__init__(scheme_name="apiKey", description=f"An API key: {TOKEN_SHAPE}.", auto_error=False)
        self.right = right

    async def __call__(self, request: Request) -> Actor:  # type: ignore[override]  # the person, not the credentials
        """Return who acts. Raises ProblemError 401, 403, or 429 after many."""
        actor: Actor = await request.app.state.backend.bearer(request, await super().__call__(request))
        if self.right:
            require_role(self.right.needs or self.right, actor)
        return actor


def needs(right: Right | None) -> Any:  # noqa: ANN401 - as `Depends`
    return Depends(Needs(right))


def right_of(route: BaseRoute) -> Right | None:
    """None if the route takes no right."""
    found = _called(route.dependant) if isinstance(route, APIRoute) else ()
    return next((call.right for call in found if isinstance(call, Needs)), None)


def _called(dependant: Dependant) -> Iterator[object]:
    for each in dependant.dependencies:
        yield each.call
        yield from _called(each)


def require_role(right: Right, actor: Actor) -> None:
    """Raise ProblemError if the person's role does not have the right."""
    if actor.role not in right.reach:
        raise wrong_role(right, actor)


def wrong_role(right: Right, actor: Actor) -> ProblemError:
    """Refusal in words: the right that is needed, and the roles that have it; `accepted` has their codes."""
    roles = sorted(right.reach)
    having = ", ".join(map(english, roles))
    detail = f'The role {english(actor.role)} lacks the right "{english(right.name)}"; roles that have it: {having}.'
    zh = f"您的角色（{actor.role.zh}）没有“{right.zh}”权限，有此权限的角色：{'、'.join(role.zh for role in roles)}"
    return ProblemError(WRONG_ROLE, detail, accepted=[role.value for role in roles], zh=zh)


def require_reach(right: Right, actor: Actor, number: str, case: AssignedCase, done: str = "") -> None:
    """Raise ProblemError if the person's right does not reach this case; its detail starts with what was done."""
    if not reaches(right, actor, case):
        detail = f"{done}The case {number} is with another department than yours, {actor.department}."
        raise ProblemError(
            OTHER_DEPARTMENT,
            detail,
            accepted=[("本部门办理或协办的工单", "a case of your department, or with a part of it")],
        )


def department_within(right: Right, actor: Actor, asked: str | None) -> str | None:
    """Department asked for, or the only one that the right reaches; None: all. Raises ProblemError for another one."""
    if right.reach[actor.role] is Reach.ANY:
        return asked
    mine = actor.department
    if mine is None or asked not in (None, mine):
        detail = f"You list the department {mine} only, not {asked or 'others'}."
        raise ProblemError(OTHER_DEPARTMENT, detail, accepted=[mine] if mine else [])
    return mine


def search_within(actor: Actor, filters: CaseFilters) -> CaseFilters:
    """Return filters by which a search confirms no guess of what its reader sees masked. Raises ProblemError.

    Who sees addresses clear searches in numbers, addresses and descriptions, all others in the cases that are all clear
    to them.
    """
    hidden = masks_for(actor.role, ended=True)
    if filters.q is None or not hidden:
        return filters
    is_number = False
    with suppress(NumberError):
        parse_number(filters.q)
        is_number = True
    if "location.address" not in hidden or is_number:
        return replace(filters, impersonal=True)
    open_ones = tuple(state for state in filters.state or sorted(OPEN) if state not in ENDED)
    states = () if masks_for(actor.role, ended=False) else open_ones
    if not states:
        detail = f"Callers' data are masked for the role {actor.role} in such cases: q takes a whole case number there."
        zh = "您无权按脱敏内容查询，可填：工单号"
        raise ProblemError(MASKED_SEARCH, detail, accepted=[("工单号", "a case number")], zh=zh)
    return replace(filters, state=states)


CONTEXT: ContextVar[Mapping[str, Any]] = ContextVar("context")
"""Context in which bodies and parameters of the request are validated: what the application knows."""


class ByName:
    """Annotation of a body or of query parameters: validates it in the context, which has codes for names."""

    def __get_pydantic_core_schema__(self, model: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, _: Callable[[Any], Any]) -> BaseModel:  # noqa: ANN401 - whatever was sent
            return model.model_validate(value, from_attributes=True, context=CONTEXT.get())

        return core_schema.no_info_wrap_validator_function(validate, handler(model))


BY_NAME = ByName()


class StrictRequest(Request):
    """Request whose JSON has no key twice in one object: programs do not agree which of the two counts."""

    async def json(self) -> Any:  # noqa: ANN401 - as Starlette has it
        """Raise JSONDecodeError, and ProblemError for a key that is given twice."""
        return json_of(await self.body())


def json_of(body: bytes) -> Any:  # noqa: ANN401 - it may be any JSON
    """Raise ValueError, RecursionError, and ProblemError for a key that is given twice."""
    return json.loads(body, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        key = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        # What was sent is not repeated unless it has the form of a field: it may be personal.
        name = f" {key!r}" if _FIELD.fullmatch(key) else ""
        raise ProblemError(MALFORMED_JSON, f"The key{name} is given several times in one object; accepted: once.")
    return found


_FIELD = re.compile("[a-z_]{1,40}")


class StrictRoute(APIRoute):
    """Route that refuses what is given several times: keys of JSON, and query parameters unless they take several.

    The id of its operation is the name of its function. Raises TypeError for an operation under `/v1` without a right.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], *, name: str | None = None, **more: Any) -> None:  # noqa: ANN401 - as FastAPI takes them
        name = name or endpoint.__name__
        super().__init__(path, endpoint, name=name, **more | {"operation_id": name})
        if path.startswith("/v1/") and self.include_in_schema and right_of(self) is None:
            raise TypeError(f"{path} takes no right: give its function `actor: Annotated[Actor, needs(RIGHT)]`")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def serve(request: Request) -> Response:
            CONTEXT.set(request.app.state.backend.context)
            return await inner(StrictRequest(request.scope, request.receive))

        parameters = [field.field_info.annotation for field in self.dependant.query_params]
        if not parameters:
            return serve
        fields = [field for model in parameters for field in getattr(model, "model_fields", {}).items()]
        several = {name for name, field in fields if get_origin(field.annotation) is tuple}

        async def once(request: Request) -> Response:
            given = Counter(name for name, _ in request.query_params.multi_items() if name not in several)
            if repeated := [(name, times) for name, times in given.items() if times > 1]:
                fault = "填了 {0} 次，只能填一次", "Given {0} times; accepted: once"
                raise invalid_request(
                    [
                        Fault(f"query.{name}", (fault[0].format(times), fault[1].format(times)))
                        for name, times in repeated
                    ]
                )
            return await serve(request)

        return once


class CurrentCatalogue(Protocol):
    """Catalogue in force; another one may be put in force at any time."""

    remark: str
    """Remark for the operator; empty if there is none."""
    sound: bool
    """False if an earlier catalogue is used because the one on record cannot be read."""

    @property
    def catalogue(self) -> Catalogue: ...

    @property
    def edition(self) -> Edition: ...


def from_backend(name: str) -> Any:  # noqa: ANN401 - as `Depends`
    """Depend on a part of `api.app.Backend` by a coroutine, as FastAPI runs other functions in threads."""

    async def get(request: Request) -> Any:  # noqa: ANN401 - of any type
        return getattr(request.app.state.backend, name)

    return Depends(get)


class BackendParts:
    """Parts of `api.app.Backend` that several subjects use."""

    in_force: CurrentCatalogue
    clock: Callable[[], datetime]
    reader: Reader
    direct: DirectWriter
    projection: ProjectionWriter
    people: People
    person_finder: PersonFinder
    locks: KeyedLocks
    documents: Documents
    print_pdf: Printer | None
    export_throttle: ExportThrottle

    @property
    def catalogue(self) -> Catalogue:
        return self.in_force.catalogue

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.catalogue.calendar.timezone)

    @property
    def now(self) -> datetime:
        return self.clock()

    async def file(self, form: str, name: str, columns: Sequence[str], pages: Pages) -> Response:
        """Answer with a list as a file, `csv` or else `xlsx`, that names the company."""
        return await self.export_throttle.answer(form, name, columns, pages, self.catalogue.name_zh)


async def _backend(request: Request) -> Any:  # noqa: ANN401 - as `from_backend`
    return request.app.state.backend


TheBackend = Annotated[BackendParts, Depends(_backend)]
ThePrinter = Annotated[Printer | None, from_backend("print_pdf")]
"""Printer of PDF; None if the extra for it is not installed."""
