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

from domain.case.actions import ACTIONS
from domain.incident.actions import INCIDENT_ACTIONS
from domain.shared.codes import UNKNOWN_CODE, UnknownCode
from domain.shared.errors import OTHER_DEPARTMENT, OUT_OF_TURN, WRONG_ROLE
from domain.shared.event import AnyAction
from domain.shared.explain import message, table_at
from domain.shared.text import NO_INSTANT, NO_NUL, RFC_3339

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:hotline:problem:"


class Kind(NamedTuple):
    """Type of a problem, as clients tell them apart."""

    status: HTTPStatus
    title: str


STATUS = {
    "forbidden": HTTPStatus.FORBIDDEN,
    "conflict": HTTPStatus.CONFLICT,
    "invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""Status of a refusal of the domain, by whose mistake it is."""


def slug_of(code: str) -> str:
    """Return the last part of the `type` of a refusal of the domain."""
    return code.replace("_", "-")


_ACTIONS: tuple[AnyAction, ...] = (*ACTIONS, *INCIDENT_ACTIONS)
PROBLEMS = (WRONG_ROLE, OTHER_DEPARTMENT, OUT_OF_TURN, *(problem for each in _ACTIONS for problem in each.problems))
"""Types of the domain's refusals."""
KINDS: dict[str, Kind] = {
    "malformed-json": Kind(HTTPStatus.BAD_REQUEST, "Malformed JSON"),
    "bad-request": Kind(HTTPStatus.BAD_REQUEST, "Malformed request"),
    "unauthorized": Kind(HTTPStatus.UNAUTHORIZED, "API key missing"),
    "malformed-key": Kind(HTTPStatus.UNAUTHORIZED, "Malformed API key"),
    "other-owner": Kind(HTTPStatus.FORBIDDEN, "Cases of another owner"),
    "not-found": Kind(HTTPStatus.NOT_FOUND, "Path not found"),
    "complaint-not-found": Kind(HTTPStatus.NOT_FOUND, "Complaint not found"),
    "customer-not-found": Kind(HTTPStatus.NOT_FOUND, "Customer not found"),
    "notice-not-found": Kind(HTTPStatus.NOT_FOUND, "Notice not found"),
    "letter-not-found": Kind(HTTPStatus.NOT_FOUND, "Notification not found"),
    "unknown-action": Kind(HTTPStatus.NOT_FOUND, "Unknown action"),
    "method-not-allowed": Kind(HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed"),
    "not-acceptable": Kind(HTTPStatus.NOT_ACCEPTABLE, "Format not available"),
    "letter-not-dead": Kind(HTTPStatus.CONFLICT, "Notification not a dead letter"),
    "body-too-large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request body too large"),
    "unsupported-media-type": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported media type"),
    "invalid-request": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request"),
    "invalid-number": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid case number"),
    "invalid-cursor": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid cursor"),
    "invalid-idempotency-key": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid idempotency key"),
    "idempotency-key-reused": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency key used for another request"),
    "unknown-service": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown service"),
    "unknown-district": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown district"),
    "unknown-owner": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown owner"),
    "unknown-department": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown department"),
    "incident-not-found": Kind(HTTPStatus.NOT_FOUND, "Incident not found"),
    "unknown-incident": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown incident"),
    "incident-closed": Kind(HTTPStatus.CONFLICT, "Incident closed"),
    "credit-limit-reached": Kind(HTTPStatus.CONFLICT, "Credit limit of the account reached"),
    "internal": Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error"),
    "read-model-unavailable": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Read model unavailable"),
    "temporal-unavailable": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Temporal unavailable"),
    "no-answer-in-time": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "No answer in time"),
    "other": Kind(HTTPStatus.BAD_REQUEST, "Request not accepted"),
    **{slug_of(problem.code): Kind(STATUS[problem.kind], problem.title) for problem in PROBLEMS},
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
    error = ProblemError(slug_of(code), message, state=facts.get("state"), version=facts.get("version"))
    error.problem.status = STATUS[kind]
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
