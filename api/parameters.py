"""Parameters and problems that several operations share."""

import re
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Path, Request
from pydantic import AfterValidator, BaseModel, Field

from api.directory import ACTOR, PersonFinder
from api.edge.problems import ProblemError, declare
from api.exports.files import ListFormat
from api.sign_in.security import IDEMPOTENCY_KEY, LONGEST_KEY, request_key
from api.sql import bad_cursor
from api.temporal.errors import TEMPORAL_ERRORS
from api.temporal.server import CLOCK_OFF
from domain.case.intake import ChannelCode
from domain.case.lifecycle import State
from domain.catalogue.terms import Priority
from domain.shared.actors import Actor
from domain.shared.codes import Code, DepartmentCode, DistrictCode, ServiceCode
from domain.shared.numbers import ACCEPTED_NUMBER, NumberError, parse_number
from domain.shared.value import Instant, Name
from readmodel.base.paging import BadCursorError
from readmodel.cases.search import CaseFilters, Sort
from readmodel.recovery import Lost

LONGEST_PAGE = 200
LONGEST_SEQ = 9
"""Digits of the number of an event, which SQL keeps in 31 bits."""
USUAL_PAGE = 50

COMPLAINT_NOT_FOUND = declare("complaint-not-found", HTTPStatus.NOT_FOUND, "Complaint not found")
INVALID_NUMBER = declare("invalid-number", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid case number")
INVALID_PERIOD = declare("invalid-period", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid period")
POST_ERRORS = (*TEMPORAL_ERRORS, CLOCK_OFF)
"""Problems of every operation by which a workflow changes."""


def number_in(text: str) -> str:
    """Case number as digits only. Raises ProblemError for what is none."""
    try:
        return parse_number(text)
    except NumberError as error:
        raise ProblemError(INVALID_NUMBER, str(error), accepted=[ACCEPTED_NUMBER]) from None


def not_found(number: str) -> ProblemError:
    return ProblemError(COMPLAINT_NOT_FOUND, f"There is no complaint with the number {number}.")


NumberText = Annotated[
    str,
    Path(
        alias="number",
        description=f"The case number (工单号): {ACCEPTED_NUMBER}.",
        examples=["2608034711004"],
        json_schema_extra={"pattern": "^[ -]*([0-9][ -]*){13}$"},
    ),
]
CaseParam = Annotated[NumberText, AfterValidator(number_in)]
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


async def _request_key(request: Request, given: IdempotencyKey = None) -> str:
    # `Needs` has put it there: a route has its right before its key.
    return "" if given is None else request_key(request.scope[ACTOR], given)


RequestKey = Annotated[str, Depends(_request_key)]
"""Id of the request by its Idempotency-Key; empty if it is sent without one."""


def _cursor(longest: int, pattern: str) -> Any:  # noqa: ANN401 - as `Field`
    return Field(
        None,
        max_length=longest,
        description="`next_cursor` of the page before; none for the first page.",
        json_schema_extra={"pattern": pattern},
    )


_PLACE = "^[A-Za-z0-9_-]+$"


class Paging(BaseModel, extra="forbid"):
    """Page of a list. Unknown parameters are refused, so that a typing error does not list everything."""

    limit: int = Field(USUAL_PAGE, ge=1, le=LONGEST_PAGE, description="Most items on the page.")
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
    "extension_waits",
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
    "unsubscribed",
    "urged",
]
Sla = Literal["on_time", "at_risk", "missed", "paused"]
ME = "me"
"""Name that a filter of people takes for the person who asks."""


def _filter(description: str, *examples: str) -> Any:  # noqa: ANN401 - as `Field`
    return Field(None, description=description, examples=[*examples] or None)


class Filters(BaseModel, extra="forbid"):
    """Filters of complaints; a complaint must pass all of them. Unknown parameters are refused."""

    state: tuple[State, ...] = Field(
        (), description="Where it stands; repeat it for several states.", examples=[["in_progress"]]
    )
    department: DepartmentCode | None = _filter("Department that has it, by code or name.", "repair")
    owner: Name | None = _filter("Id or name of the person who owns it (首问责任人); `me` is you.", ME)
    assignee: Name | None = _filter("Id or name of the person who works on it; `me` is you.", ME)
    service: ServiceCode | None = _filter("Service, by code or name.", "no_water")
    district: DistrictCode | None = _filter("District, by code or name.", "west")
    priority: Priority | None = _filter("P1 is the highest.")
    channel: ChannelCode | None = _filter("How it came in.")
    sla: Sla | None = _filter("Service level of its present cycle.")
    flag: Flag | None = _filter("A flag that it has.")
    overdue: bool | None = _filter("A promise has been missed and is still not kept.")
    registered_from: Instant | None = _filter("It was registered then or later.")
    registered_to: Instant | None = _filter("It was registered before.")
    due_before: Instant | None = _filter("Its `next_due_at` is before: late, or due by then.")
    incident: Code | None = _filter("Code of the incident it is linked to (并案).")
    with_incident: bool | None = _filter("Unsigned, it waits for an open incident.")
    lost: Lost | None = _filter("It is open, its workflow lost (流程丢失): `ended` by hand, `missing` or `reset`.")
    q: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Words or Chinese characters in number, caller's name, telephone, account number, address or"
        " description; all must occur.",
        examples=["下闸新村"],
    )

    def filters(self) -> CaseFilters:
        """Make filters of the read model, by the same names but `service`. Raises ProblemError for an empty period."""
        period(("registered_from", self.registered_from), ("registered_to", self.registered_to))
        others = {name: getattr(self, name) for name in Filters.model_fields if name != "service"}
        return CaseFilters(service_code=self.service, **others)


class Listing(Filters, Paging):
    """Filters, order and page of a list of complaints."""

    sort: Sort = Field(
        Sort.REGISTERED,
        description="`registered`: newest first; `due`: earliest `next_due_at` first, so late ones ahead;"
        " `priority`: P1 first, then oldest registration.",
    )
    format: ListFormat = Field(
        "json", description="`csv` and `xlsx` have all complaints that pass, unless a `limit` is given."
    )


def period(begin: tuple[str, datetime | None], end: tuple[str, datetime | None]) -> None:
    """Raise ProblemError if a period, given as names and instants of its bounds, has no instant in it."""
    if begin[1] and end[1] and end[1] <= begin[1]:
        detail = f"{end[0]} must be later than {begin[0]}: it is the first instant that does not count."
        raise ProblemError(
            INVALID_PERIOD, detail, accepted=[(f"晚于 {begin[0]} 的时间", f"an instant after {begin[0]}")]
        )


def person(finder: PersonFinder, given: str | None, actor: Actor) -> str | None:
    """None if the filter names nobody; `me` is the actor."""
    return actor.id if given == ME else given and finder.known(given).id


def after_seq(cursor: str | None) -> int:
    """Event after which a page of a timeline begins; 0 for the first page. Raises ProblemError for a bad cursor."""
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > LONGEST_SEQ:
        raise bad_cursor(str(BadCursorError()))
    return int(cursor)


INVALID_ETAG = declare("invalid-etag", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid entity tag")
_TAG = '(W/)?"([!#-~]*)"'
_VERSION = re.compile("[1-9][0-9]{0,8}")
_TAGS = rf"(\*|{_TAG}([ ]*,[ ]*{_TAG})*)"

_header = partial(Header, examples=['"12"'], json_schema_extra={"pattern": f"^{_TAGS}$"})
_READ = "`ETag` of the version that you have read, or several; at any other, 412. `*` stands for any."
IfMatch = Annotated[str | None, _header(alias="If-Match", description=_READ)]
_HAD = "`ETag` of the version that you have: it is not sent again."
IfNoneMatch = Annotated[str | None, _header(alias="If-None-Match", description=_HAD)]


def versions_in(if_match: str | None) -> tuple[int, ...] | None:
    """None for any version; tags that no version has, as weak ones, stand for none. Raises ProblemError 422."""
    if if_match is None:
        return None
    tags = _tags("If-Match", if_match)
    return None if tags == "*" else tuple(int(tag) for weak, tag in tags if not weak and _VERSION.fullmatch(tag))


def is_known(if_none_match: str | None, version: int) -> bool:
    """Return True if the client has this version. Raises ProblemError 422."""
    if if_none_match is None:
        return False
    tags = _tags("If-None-Match", if_none_match)
    return tags == "*" or any(tag == str(version) for _, tag in tags)


def _tags(header: str, given: str) -> Literal["*"] | list[tuple[str, str]]:
    """`*`, or the mark of a weak tag, which may be empty, and the text of each. Raises ProblemError 422."""
    if not re.fullmatch(_TAGS, given.strip()):
        detail = f"{header} must be the ETag of an answer, quotes included; several with commas between them; or *."
        raise ProblemError(INVALID_ETAG, detail, accepted=['"12"', "*", (f"不带 {header}", f"no {header}")])
    return "*" if given.strip() == "*" else re.findall(_TAG, given)
