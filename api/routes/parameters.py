"""Parameters and problems that several operations share."""

import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, get_origin

from fastapi import Header, Path, Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.backend import COMPLAINT_NOT_FOUND
from api.codes import CONTEXT
from api.edge.middleware import BODY_TOO_LARGE, TOO_SLOW
from api.edge.problems import (
    BAD_REQUEST,
    INVALID_REQUEST,
    MALFORMED_JSON,
    NO_JSON,
    OTHER_DEPARTMENT,
    FieldError,
    ProblemError,
    declare,
    invalid_request,
)
from api.naming import Naming
from api.sign_in.security import IDEMPOTENCY_KEY, INVALID_IDEMPOTENCY_KEY, KEY_ERRORS, LONGEST_KEY
from api.sql.reader import INVALID_CURSOR, READ_MODEL_UNAVAILABLE, bad_cursor
from api.temporal.client import KEY_REUSED, TEMPORAL_ERRORS
from api.temporal.clock import CLOCK_OFF
from domain.case.intake import IntakeChannel
from domain.case.lifecycle import State
from domain.catalogue.terms import Priority
from domain.shared.actors import Actor
from domain.shared.codes import Code, DepartmentCode, DistrictCode, ServiceCode
from domain.shared.numbers import ACCEPTED_NUMBER, NumberError, parse_number
from domain.shared.text import Instant, Name
from readmodel.base.paging import BadCursorError
from readmodel.cases.filters import CaseFilters
from readmodel.cases.search import Sort
from readmodel.recovery import Lost

LONGEST_PAGE = 200
LONGEST_SEQ = 9
"""Digits of the number of an event, which SQL keeps in 31 bits."""
USUAL_PAGE = 50

INVALID_NUMBER = declare("invalid-number", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid case number")
INVALID_PERIOD = declare("invalid-period", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid period")
CASE_ERRORS = (COMPLAINT_NOT_FOUND, INVALID_NUMBER, READ_MODEL_UNAVAILABLE, OTHER_DEPARTMENT)
"""Problems of reading a case from SQL."""
FIND_ERRORS = (*CASE_ERRORS, *TEMPORAL_ERRORS)
"""Problems of reading a case from SQL or its workflow."""
LIST_ERRORS = (INVALID_REQUEST, INVALID_CURSOR, READ_MODEL_UNAVAILABLE)
"""Problems of every list."""
BODY_ERRORS = (MALFORMED_JSON, BAD_REQUEST, BODY_TOO_LARGE, TOO_SLOW, NO_JSON, INVALID_REQUEST)
"""Problems of every operation that takes a body."""
POST_ERRORS = (
    *KEY_ERRORS,
    *BODY_ERRORS,
    INVALID_IDEMPOTENCY_KEY,
    KEY_REUSED,
    *TEMPORAL_ERRORS,
    CLOCK_OFF,
)
"""Problems of every operation that changes something."""


def number_in(text: str) -> str:
    """Return the case number in a path, with digits only. Raises ProblemError."""
    try:
        return parse_number(text)
    except NumberError as error:
        raise ProblemError(INVALID_NUMBER, str(error), accepted=[ACCEPTED_NUMBER]) from None


NumberText = Annotated[
    str,
    Path(
        alias="number",
        description=f"The case number (工单号): {ACCEPTED_NUMBER}.",
        examples=["2608034711004"],
        json_schema_extra={"pattern": "^[ -]*([0-9][ -]*){13}$"},
    ),
]
CaseNumber = Annotated[NumberText, AfterValidator(number_in)]
_VISIBLE = "[!-~¡-¬®-ÿ]"
"""Characters of Latin-1, as which HTTP reads a header, that are printed. Spaces around a header are no part of it."""
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=IDEMPOTENCY_KEY,
        description=(
            f"Any text of 1 to {LONGEST_KEY} characters, new for each request. A request that is repeated"
            " with its key and body is carried out at most once."
        ),
        examples=["3f8c2b6e-6c53-4b52-9a57-0a3f6f3c1d11"],
        json_schema_extra={"pattern": rf"^{_VISIBLE}([ {_VISIBLE[1:-1]}]{{0,{LONGEST_KEY - 2}}}{_VISIBLE})?$"},
    ),
]


class OnceRequest(Request):
    """Request whose JSON has no key twice in one object: programs do not agree which of the two counts."""

    async def json(self) -> Any:  # noqa: ANN401 - as Starlette has it
        """Return the body. Raises JSONDecodeError, and ProblemError for a key that is given twice."""
        return json_of(await self.body())


def json_of(body: bytes) -> Any:  # noqa: ANN401 - it may be any JSON
    """Return what a body holds. Raises ValueError, RecursionError, and ProblemError for a key that is given twice."""
    return json.loads(body, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        key = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        # What was sent is not repeated unless it has the form of a field: it may be personal.
        name = f" {key!r}" if _FIELD.fullmatch(key) else ""
        detail = f"The key{name} is given several times in one object; accepted: once."
        raise ProblemError(MALFORMED_JSON, detail)
    return found


_FIELD = re.compile("[a-z_]{1,40}")


class OnceRoute(APIRoute):
    """Route that refuses what is given several times: keys of JSON, and query parameters unless they take several."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what serves a request."""
        inner = super().get_route_handler()

        async def serve(request: Request) -> Response:
            CONTEXT.set(request.app.state.backend.context)
            return await inner(OnceRequest(request.scope, request.receive))

        parameters = [field.field_info.annotation for field in self.dependant.query_params]
        if not parameters:
            return serve
        fields = [field for model in parameters for field in getattr(model, "model_fields", {}).items()]
        several = {name for name, field in fields if get_origin(field.annotation) is tuple}

        async def once(request: Request) -> Response:
            given = Counter(name for name, _ in request.query_params.multi_items() if name not in several)
            if repeated := [(name, times) for name, times in given.items() if times > 1]:
                fault = "Given {} times; accepted: once"
                raise invalid_request(
                    [FieldError(field=f"query.{name}", message=fault.format(times)) for name, times in repeated]
                )
            return await serve(request)

        return once


def _cursor(longest: int, pattern: str) -> Any:  # noqa: ANN401 - as `Field`
    return Field(
        default=None,
        max_length=longest,
        description="`next_cursor` of the page before; leave it out for the first page.",
        json_schema_extra={"pattern": pattern},
    )


_PLACE = "^[A-Za-z0-9_-]+$"


class Paging(BaseModel):
    """Page of a list. Unknown parameters are refused, so that a typing error does not list everything."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=USUAL_PAGE, ge=1, le=LONGEST_PAGE, description="Most items on the page.")
    cursor: str | None = _cursor(100, _PLACE)


class LongPaging(Paging):
    """Page of a list of notifications or calls: their keys, and so the cursors, are longer than numbers."""

    cursor: str | None = _cursor(600, _PLACE)


class TimelinePaging(Paging):
    """Page of a timeline: its cursors are numbers of events."""

    cursor: str | None = _cursor(100, f"^[0-9]{{1,{LONGEST_SEQ}}}$")


Flag = Literal[
    "approval_rejected",
    "approved",
    "contact_changed",
    "credit_waits",
    "criticised",
    "extended",
    "hardship",
    "left_out",
    "noticed",
    "own_cause",
    "possible_duplicate",
    "reopened",
    "repeat_caller",
    "reworked",
    "supervised",
    "undelivered",
    "unreachable",
    "urged",
]
Sla = Literal["on_time", "at_risk", "missed", "paused"]
ME = "me"
"""Name that a filter of people takes for the person who asks."""


class Filters(BaseModel):
    """Filters of complaints; a complaint must pass all of them. Unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid")

    state: tuple[State, ...] = Field(
        default=(), description="Where it stands; repeat it for several states.", examples=[["in_progress"]]
    )
    department: DepartmentCode | None = Field(
        default=None, description="Department that has it, by code or name.", examples=["repair"]
    )
    owner: Name | None = Field(
        default=None, description="Id or name of the person who owns it (首问责任人); `me` is you.", examples=[ME]
    )
    assignee: Name | None = Field(
        default=None, description="Id or name of the person who works on it; `me` is you.", examples=[ME]
    )
    service: ServiceCode | None = Field(default=None, description="Service, by code or name.", examples=["no_water"])
    district: DistrictCode | None = Field(default=None, description="District, by code or name.", examples=["west"])
    priority: Priority | None = Field(default=None, description="P1 is the highest.")
    channel: IntakeChannel | None = Field(default=None, description="How it came in.")
    sla: Sla | None = Field(default=None, description="Service level of its present cycle.")
    flag: Flag | None = Field(default=None, description="A flag that it has.")
    overdue: bool | None = Field(default=None, description="A promise has been missed and is still not kept.")
    registered_from: Instant | None = Field(default=None, description="It was registered then or later.")
    registered_to: Instant | None = Field(default=None, description="It was registered before.")
    due_before: Instant | None = Field(default=None, description="Its `next_due_at` is before: late, or due by then.")
    incident: Code | None = Field(default=None, description="Code of the incident it is linked to (并案).")
    lost: Lost | None = Field(
        default=None,
        description="It is open, and its workflow is lost (流程丢失): `ended` by hand, `missing`, or `reset`.",
    )
    q: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Words or Chinese characters to find: number, caller's name, telephone, account number, address,"
        " description; all must occur.",
        examples=["下闸新村"],
    )

    def filters(self) -> CaseFilters:
        """Return the filters as the read model takes them: by the same names, except `service`. Raises ProblemError."""
        period(("registered_from", self.registered_from), ("registered_to", self.registered_to))
        others = {name: getattr(self, name) for name in Filters.model_fields if name != "service"}
        return CaseFilters(service_code=self.service, **others)


class Listing(Filters, Paging):
    """Filters, order and page of a list of complaints."""

    sort: Sort = Field(
        default=Sort.REGISTERED,
        description="`registered`: the newest first; `due`: the earliest `next_due_at` first, so late ones"
        " before all others; `priority`: P1 first, of one priority the oldest registration first.",
    )
    format: Literal["json", "csv", "xlsx"] = Field(
        default="json", description="`csv` and `xlsx` have all complaints that pass, unless a `limit` is given."
    )


def period(begin: tuple[str, datetime | None], end: tuple[str, datetime | None]) -> None:
    """Raise ProblemError if a period, given as names and instants of its bounds, has no instant in it."""
    if begin[1] and end[1] and end[1] <= begin[1]:
        detail = f"{end[0]} must be later than {begin[0]}: it is the first instant that does not count."
        raise ProblemError(INVALID_PERIOD, detail, accepted=[f"an instant after {begin[0]}"])


def person(naming: Naming, given: str | None, actor: Actor) -> str | None:
    """Return the id of a person whom a filter names by id, by name or as `me`; None if it names nobody."""
    return actor.id if given == ME else given and naming.known(given).id


def after_seq(cursor: str | None) -> int:
    """Return the event after which a page of a timeline begins. Raises ProblemError."""
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > LONGEST_SEQ:
        raise bad_cursor(str(BadCursorError()))
    return int(cursor)
