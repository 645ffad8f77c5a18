"""Errors as RFC 9457 problems: a stable type, a status, and words that say what would be accepted."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from domain.case.intake import NO_INSTANT, NO_NUL, RFC_3339
from domain.shared.codes import UNKNOWN_CODE, UnknownCode
from domain.shared.explain import message, table_at

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:hotline:problem:"


class Kind(NamedTuple):
    """One type of problem, as clients tell them apart."""

    status: HTTPStatus
    title: str


KINDS: dict[str, Kind] = {
    "malformed-json": Kind(HTTPStatus.BAD_REQUEST, "The body is no JSON"),
    "bad-request": Kind(HTTPStatus.BAD_REQUEST, "The request cannot be read"),
    "unauthorized": Kind(HTTPStatus.UNAUTHORIZED, "An API key is needed"),
    "malformed-key": Kind(HTTPStatus.UNAUTHORIZED, "This cannot be an API key"),
    "wrong-role": Kind(HTTPStatus.FORBIDDEN, "Not for this role"),
    "other-department": Kind(HTTPStatus.FORBIDDEN, "Another department's case"),
    "other-owner": Kind(HTTPStatus.FORBIDDEN, "Not for another owner"),
    "not-found": Kind(HTTPStatus.NOT_FOUND, "No such address"),
    "complaint-not-found": Kind(HTTPStatus.NOT_FOUND, "No such complaint"),
    "customer-not-found": Kind(HTTPStatus.NOT_FOUND, "No such customer"),
    "notice-not-found": Kind(HTTPStatus.NOT_FOUND, "No such notice"),
    "letter-not-found": Kind(HTTPStatus.NOT_FOUND, "No such message"),
    "unknown-action": Kind(HTTPStatus.NOT_FOUND, "No such action"),
    "method-not-allowed": Kind(HTTPStatus.METHOD_NOT_ALLOWED, "Not by this method"),
    "not-acceptable": Kind(HTTPStatus.NOT_ACCEPTABLE, "Not in that format"),
    "out-of-turn": Kind(HTTPStatus.CONFLICT, "Not possible now"),
    "letter-not-dead": Kind(HTTPStatus.CONFLICT, "No dead letter"),
    "return-too-late": Kind(HTTPStatus.CONFLICT, "Too late to return the case"),
    "not-approved": Kind(HTTPStatus.CONFLICT, "Management has not decided"),
    "urge-too-late": Kind(HTTPStatus.CONFLICT, "Too late to urge"),
    "already-supervised": Kind(HTTPStatus.CONFLICT, "Supervised already"),
    "extension-expired": Kind(HTTPStatus.CONFLICT, "Too late to grant an extension"),
    "extension-used": Kind(HTTPStatus.CONFLICT, "No further extension"),
    "extension-too-late": Kind(HTTPStatus.CONFLICT, "Too late to ask for an extension"),
    "body-too-large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    "unsupported-media-type": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only JSON is read"),
    "invalid-request": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Not as it must be"),
    "invalid-number": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "This is no case number"),
    "invalid-cursor": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "This is no cursor of this list"),
    "invalid-idempotency-key": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "This is no idempotency key"),
    "idempotency-key-reused": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The idempotency key was used for another request"),
    "unknown-service": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "No such service"),
    "unknown-district": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "No such district"),
    "unknown-owner": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Nobody of that name has a key"),
    "unknown-department": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "No such department"),
    "wake-at-past": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The wake date is not in the future"),
    "wake-at-too-far": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The wake date is too far ahead"),
    "request-incomplete": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Amount or grounds are missing"),
    "reason-needed": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "A decision without its reason"),
    "extension-too-long": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The extension is too long"),
    "own-request": Kind(HTTPStatus.FORBIDDEN, "Your own request"),
    "decided-already": Kind(HTTPStatus.FORBIDDEN, "Approved by you already"),
    "not-the-approver": Kind(HTTPStatus.FORBIDDEN, "Another approver's turn"),
    "amount-too-high": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "More than anybody may approve"),
    "already-involved": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The department is at work on the case"),
    "no-such-part": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The department has no part in the case"),
    "incident-not-found": Kind(HTTPStatus.NOT_FOUND, "No such incident"),
    "unknown-incident": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "No such incident"),
    "incident-closed": Kind(HTTPStatus.CONFLICT, "The incident has ended"),
    "same-incident": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The incident already"),
    "unknown-finding": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown finding"),
    "credit-limit-reached": Kind(HTTPStatus.CONFLICT, "The account has had the most that is owed in such a time"),
    "no-such-credit": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "No such credit waits"),
    "same-department": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The same department and assignee"),
    "same-owner": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The owner already"),
    "internal": Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here"),
    "read-model-unavailable": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Lists and searches are not available"),
    "temporal-unavailable": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Nothing can be accepted at the moment"),
    "no-answer-in-time": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Not known yet what became of it"),
    "other": Kind(HTTPStatus.BAD_REQUEST, "Not accepted"),
}
"""Every type that the service answers with; the key is the last part of `type`."""


class FieldError(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    field: str = Field(description="Path of the field: `body.caller.phone`, `query.limit`.", examples=["body.reason"])
    message: str = Field(description="What is wrong, and what is accepted.", examples=["Field required"])
    accepted: list[str] | None = Field(default=None, description="What would be accepted instead.")


class Problem(BaseModel):
    """What every error answers with (RFC 9457)."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str = Field(description="Stable; meant for programs.", examples=[f"{PREFIX}out-of-turn"])
    title: str
    status: int
    detail: str = Field(description="Meant for people: what is wrong, and what would be accepted.")
    accepted: list[str] | None = Field(default=None, description="What would be accepted instead.")
    state: str | None = Field(default=None, description="The state of the case, where it stands in the way.")
    version: int | None = Field(default=None, description="The version of the case that refused.")
    available_actions: list[str] | None = Field(default=None, description="What your role may do to the case now.")
    errors: list[FieldError] | None = Field(default=None, description="What is wrong, field by field.")
    request_id: str | None = Field(default=None, description="Names this request in the service's log.")


class ProblemError(Exception):
    """Raised anywhere on the way of a request; becomes the answer."""

    def __init__(self, slug: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:  # noqa: ANN401 - members of Problem, checked there
        super().__init__(detail)
        kind = KINDS.get(slug, KINDS["other"])
        self.headers = dict(headers or {})
        self.problem = Problem(type=PREFIX + slug, title=kind.title, status=kind.status, detail=detail, **members)


async def refusal_of(check: Awaitable[None]) -> ProblemError | None:
    """Return the ProblemError that a check raises, also for an UnknownCode; None if it raises neither."""
    try:
        await check
    except ProblemError as refused:
        return refused
    except UnknownCode as unknown:
        return unknown_code(unknown)
    return None


def unknown_code(error: UnknownCode) -> ProblemError:
    """Return the problem of a code that the catalogue in force lacks."""
    return ProblemError(f"unknown-{error.kind}", f"{_capitalised(str(error))}.", accepted=error.accepted)


def refusal(kind: str, code: str, message: str, facts: Mapping[str, Any]) -> ProblemError:
    """What the case itself refused, with the state it is in."""
    slug = code.replace("_", "-")
    error = ProblemError(slug, message, state=facts.get("state"), version=facts.get("version"))
    status = {
        "forbidden": HTTPStatus.FORBIDDEN,
        "conflict": HTTPStatus.CONFLICT,
        "invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    }
    error.problem.status = status[kind]
    accepted = list(facts.get("accepted", ()))
    error.problem.accepted = accepted
    if kind == "conflict":
        error.problem.available_actions = accepted
    return error


def unavailable(slug: str, detail: str, retry_after: int) -> ProblemError:
    """Something that is needed is away; the client may come back after so many seconds."""
    return ProblemError(slug, detail, headers={"Retry-After": str(retry_after)})


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as a response."""
    content = problem.model_dump_json(exclude_none=True).encode()
    return Response(content, problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def describe(
    slug: str, detail: str, *, accepted: Sequence[str] | None = None, request_id: str | None = None
) -> Problem:
    """A problem of a known type, for whoever answers without raising."""
    kind = KINDS[slug]
    return Problem(
        type=PREFIX + slug,
        title=kind.title,
        status=kind.status,
        detail=detail,
        accepted=None if accepted is None else list(accepted),
        request_id=request_id,
    )


async def on_problem(_: Request, error: Exception) -> Response:
    """Answer a ProblemError."""
    assert isinstance(error, ProblemError)  # noqa: S101 - how it is registered
    return answer(error.problem, error.headers)


async def on_unknown_code(_: Request, error: Exception) -> Response:
    """Answer a code that the catalogue in force lacks."""
    assert isinstance(error, UnknownCode)  # noqa: S101 - how it is registered
    return answer(unknown_code(error).problem)


def _capitalised(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses: an unknown path, a method, a body that cannot be read."""
    assert isinstance(error, HTTPException)  # noqa: S101 - how it is registered
    if isinstance(error.__cause__, ProblemError):
        # Raised while the body was read, where the framework makes something else of it.
        return await on_problem(request, error.__cause__)
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        return answer(describe("not-found", f"There is nothing at {path}. See /docs for what there is."), error.headers)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = _methods(request)
        detail = f"{path} does not know {request.method}; it knows {' and '.join(allowed)}."
        return answer(describe("method-not-allowed", detail, accepted=allowed), {"Allow": ", ".join(allowed)})
    problem = describe("bad-request", str(error.detail))
    problem.status = error.status_code
    return answer(problem, error.headers)


def _methods(request: Request) -> list[str]:
    """What the path knows; the framework names the methods of its first operation only."""

    def known(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in ("GET", "POST") if known(method)]


async def on_invalid(timezone: Callable[[], str], request: Request, error: Exception) -> Response:
    """Answer a body or parameter that is not as it must be. What was sent is not repeated: it may be personal.

    Examples of instants are in the time zone, by its IANA name.
    """
    assert isinstance(error, RequestValidationError)  # noqa: S101 - how it is registered
    found = error.errors()
    if any(fault["type"] == "json_invalid" for fault in found):
        fault = next(fault for fault in found if fault["type"] == "json_invalid")
        detail = f"At character {fault['loc'][-1]}: {fault['ctx']['error']}. Send one JSON object."
        return answer(describe("malformed-json", detail))
    if _is_no_json(request, found):
        return answer(describe("unsupported-media-type", "Send JSON, with the header Content-Type: application/json."))
    # A list that counts as empty since nothing in it is right.
    places = [fault["loc"] for fault in found]
    found = [fault for fault in found if not any(fault["loc"] == each[:-1] for each in places)]
    # The kind of each code that is wrong, None for any other fault.
    kinds = [fault["ctx"]["kind"] if fault["type"] == UNKNOWN_CODE else None for fault in found]
    slug = "invalid-request" if None in kinds else f"unknown-{kinds[0]}"
    return answer(invalid_request([_field_error(request, fault, timezone()) for fault in found], slug).problem)


def invalid_request(faults: Sequence[FieldError], slug: str = "invalid-request") -> ProblemError:
    """Return the problem of fields that are not as they must be."""
    accepted = dict.fromkeys(each for fault in faults for each in fault.accepted or ())
    detail = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
    return ProblemError(slug, detail, accepted=[*accepted] or None, errors=list(faults))


def _is_no_json(request: Request, found: Sequence[Mapping[str, Any]]) -> bool:
    """A body was sent that nobody took for JSON."""
    return "json" not in request.headers.get("content-type", "") and any(
        tuple(fault["loc"]) == ("body",) and fault["type"] != "missing" for fault in found
    )


def _field_error(request: Request, fault: ErrorDetails, timezone: str) -> FieldError:
    # The values of a repeated parameter have no names.
    place = fault["loc"][:2] if fault["loc"][0] == "query" else fault["loc"]
    field = ".".join(map(str, place))
    if fault["type"] == "instant":
        example = instant_like(fault["input"], timezone)
        return FieldError(field=field, message=NO_INSTANT.format(example=example), accepted=[example])
    if fault["type"] == UNKNOWN_CODE:
        return FieldError(field=field, message=_capitalised(fault["msg"]), accepted=fault["ctx"]["accepted"])
    return FieldError(field=field, message=_message(request, fault))


def instant_like(given: object, timezone: str) -> str:
    """Return an accepted instant: the date and time that were given, in the time zone, if they can be read."""
    try:
        read = datetime.fromisoformat(str(given))
    except ValueError:
        read = _SOME_TIME
    example = (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(timezone))).isoformat()
    # Before zones were introduced, clocks differed by odd seconds.
    return example if RFC_3339.fullmatch(example) else instant_like(_SOME_TIME, timezone)


_SOME_TIME = datetime(2026, 12, 1, 10)  # noqa: DTZ001 - the zone is added


def _message(request: Request, fault: ErrorDetails) -> str:
    if fault["type"] == "extra_forbidden":
        route = request.scope["route"]
        fields = [route.body_field] if fault["loc"][0] == "body" else route.dependant.query_params
        table = table_at(fields[0].field_info.annotation, fault["loc"][1:-1])
        return f"There is no such thing here; accepted: {', '.join(table.model_fields)}"
    return _PATTERNS.get(str(fault.get("ctx", {}).get("pattern")), message(fault))


_PATTERNS = {
    NO_NUL: "Text without the character NUL",
    r"^[a-z][a-z0-9_]{0,39}$": "A code: a lower-case letter, then lower-case letters, digits or _, at most 40 in all",
    r"^\+?[0-9][0-9 -]{2,24}$": "A telephone number: 3 to 25 digits, spaces or dashes, + before them if need be",
    r"^[0-9A-Za-z-]{1,32}$": "An account number: 1 to 32 letters, digits or dashes",
}
