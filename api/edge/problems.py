"""Errors as RFC 9457 problems: a stable type, a status, and words that say what would be accepted."""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple, get_args
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import ErrorDetails
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from api.edge import chinese
from api.edge.language import asks_for_chinese
from domain.assessment.actions import ASSESSMENT_ACTIONS
from domain.case.actions import ACTIONS
from domain.incident.actions import INCIDENT_ACTIONS
from domain.kit.event import AnyAction
from domain.shared import errors
from domain.shared.codes import UNKNOWN_CODE, CodeKind, UnknownCode
from domain.shared.errors import Accepted, OperatorError, ProblemType, Refused, causes, form_of, message, tables_at
from domain.shared.value import NO_INSTANT, RFC_3339, Phrase

MEDIA_TYPE = "application/problem+json"
URN = "urn:hotline:problem:"


class ProblemKind(NamedTuple):
    """Type of a problem, as clients tell them apart; `slug` is the last part of its `type`."""

    slug: str
    status: HTTPStatus
    title: str


PROBLEM_KINDS: dict[str, ProblemKind] = {}
"""Every type that the service answers with, by slug. Each is declared in the module that raises it."""
STATUS = {
    "forbidden": HTTPStatus.FORBIDDEN,
    "conflict": HTTPStatus.CONFLICT,
    "invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "precondition": HTTPStatus.PRECONDITION_FAILED,
}
"""Status of a refusal of the domain, by its kind."""


def declare(slug: str, status: HTTPStatus, title: str) -> ProblemKind:
    PROBLEM_KINDS[slug] = ProblemKind(slug, status, title)
    return PROBLEM_KINDS[slug]


def kind_of(problem: ProblemType) -> ProblemKind:
    slug = problem.code.replace("_", "-")
    chinese.add_words(slug, problem.zh)
    return declare(slug, STATUS[problem.kind], problem.title)


OUT_OF_TURN, WRONG_ROLE, OTHER_DEPARTMENT, BEHIND_SQL, INVALID_RESULT = map(
    kind_of,
    (errors.OUT_OF_TURN, errors.WRONG_ROLE, errors.OTHER_DEPARTMENT, errors.BEHIND_SQL, errors.INVALID_RESULT),
)
WORKFLOW_LOST = declare("workflow-lost", HTTPStatus.CONFLICT, "Workflow lost")
_ACTIONS: tuple[AnyAction, ...] = (*ACTIONS, *INCIDENT_ACTIONS, *ASSESSMENT_ACTIONS)
_ACTION_NAMES = {action.name for action in _ACTIONS}
for _refusal in (refusal for action in _ACTIONS for refusal in action.problems):
    kind_of(_refusal)
MALFORMED_JSON = declare("malformed-json", HTTPStatus.BAD_REQUEST, "Malformed JSON")
BAD_REQUEST = declare("bad-request", HTTPStatus.BAD_REQUEST, "Malformed request")
NOT_FOUND = declare("not-found", HTTPStatus.NOT_FOUND, "Path not found")
NO_METHOD = declare("method-not-allowed", HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed")
NO_JSON = declare("unsupported-media-type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
INVALID_REQUEST = declare("invalid-request", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request")
UNKNOWN = {
    kind: declare(f"unknown-{kind}", HTTPStatus.UNPROCESSABLE_ENTITY, f"Unknown {kind}") for kind in get_args(CodeKind)
}
INTERNAL = declare("internal", HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error")
NO_ANSWER = declare("no-answer-in-time", HTTPStatus.SERVICE_UNAVAILABLE, "No answer in time")
OPERATOR_NEEDED = declare("operator-needed", HTTPStatus.SERVICE_UNAVAILABLE, "Operator needed")
OPERATOR_SECONDS = 60
"""Pause before a client tries again what an operator has to mend."""
OTHER = declare("other", HTTPStatus.BAD_REQUEST, "Request not accepted")
log = logging.getLogger("hotline.api")


class FieldError(BaseModel):
    """Fault of one field."""

    field: str = Field(description="Path of the field: `body.caller.phone`, `query.limit`.", examples=["body.reason"])
    message: str = Field(description="What is wrong, and what is accepted.", examples=["Field required"])
    accepted: list[str] | None = Field(None, description="What would be accepted instead.")


class Fault(NamedTuple):
    """Fault of a field, said in Chinese and English, and what would be accepted."""

    field: str
    message: Phrase
    accepted: Iterable[Accepted] = ()

    def said(self, *, zh: bool) -> FieldError:
        """In one language."""
        accepted = chinese.said(self.accepted, zh=zh) or None
        return FieldError(field=self.field, message=self.message[not zh], accepted=accepted)


class Problem(BaseModel):
    """Answer of every error (RFC 9457)."""

    type: str = Field(description="Stable; meant for programs.", examples=[f"{URN}out-of-turn"])
    title: str
    status: int
    detail: str = Field(description="Meant for people: what is wrong, and what would be accepted.")
    accepted: list[str] | None = Field(None, description="What would be accepted instead.")
    state: str | None = Field(None, description="The state of the case, where it stands in the way.")
    version: int | None = Field(None, description="The version of the case that refused.")
    available_actions: list[str] | None = Field(None, description="What your role may do to the case now.")
    errors: list[FieldError] | None = Field(None, description="What is wrong, field by field.")
    request_id: str | None = Field(None, description="Names this request in the service's log.")


IN_CHINESE = "hotline.problem_in_chinese"
"""Entry of a request's scope with its problem in Chinese, for a page that says it in both languages."""


class ProblemResponse(Response):
    """Problem as an answer, in English, or in Chinese to a client that asks for it."""

    media_type = MEDIA_TYPE

    def __init__(self, problem: Problem, zh: Problem, headers: Mapping[str, str]) -> None:
        self._zh, self._more = zh, headers
        self._fill(problem, "en")

    def _fill(self, problem: Problem, language: str) -> None:
        headers = {**self._more, "Content-Language": language, "Vary": "Accept-Language"}
        super().__init__(problem.model_dump_json(exclude_none=True).encode(), problem.status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[IN_CHINESE] = self._zh
        if asks_for_chinese(Headers(scope=scope)):
            self._fill(self._zh, "zh")
        await super().__call__(scope, receive, send)


class ProblemError(Exception):
    """Problem that a request ends with; `zh` says in Chinese what is wrong, if the words of its type do not."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        *,
        accepted: Iterable[Accepted] | None = None,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        zh: str = "",
        **members: Any,  # noqa: ANN401 - members of Problem, checked there
    ) -> None:
        super().__init__(detail)
        self.accepted = None if accepted is None else [*accepted]
        self.headers = dict(headers or {})
        self._faults, self._zh = faults, zh
        self.problem = Problem(
            type=URN + kind.slug,
            title=kind.title,
            status=kind.status,
            detail=detail,
            accepted=None if self.accepted is None else chinese.said(self.accepted, zh=False),
            errors=[fault.said(zh=False) for fault in faults] or None,
            **members,
        )

    def response(self) -> Response:
        return ProblemResponse(self.problem, self.chinese(), self.headers)

    def chinese(self) -> Problem:
        """Return the problem in Chinese words."""
        status, slug = HTTPStatus(self.problem.status), self.problem.type.removeprefix(URN)
        accepted = None if self.accepted is None else chinese.said(self.accepted, zh=True)
        errors = [fault.said(zh=True) for fault in self._faults] or None
        faults = "；".join(f"{each.field}：{each.message}" for each in errors or ())
        said = {
            "title": chinese.title(slug, status),
            "detail": f"{faults or self._zh or chinese.sentence(slug, status, accepted)}。",
            "accepted": accepted,
            "errors": errors,
        }
        return self.problem.model_copy(update=said)


async def refusal_of(check: Awaitable[None]) -> ProblemError | None:
    """ProblemError that a check raises, also for an UnknownCode; None if it raises neither."""
    try:
        await check
    except (ProblemError, UnknownCode) as refused:
        return problem_of(refused)
    return None


def problem_of(error: ProblemError | Refused | UnknownCode | OperatorError) -> ProblemError:
    match error:
        case Refused():  # by a rule that no workflow keeps
            return refusal(error.kind, error.code, error.message, {"accepted": error.accepted})
        case UnknownCode():
            return ProblemError(UNKNOWN[error.kind], f"{_capitalised(str(error))}.", accepted=error.accepted)
        case OperatorError():
            return operator_needed(error)
    return error


def refusal(kind: str, code: str, message: str, facts: Mapping[str, Any]) -> ProblemError:
    """Refusal by an entity, of a code that this version may not know. Who may not act is not told the state."""
    slug = code.replace("_", "-")
    state, version = (None, None) if kind == "forbidden" else (facts.get("state"), facts.get("version"))
    # Pairs of words have become lists on their way through JSON.
    accepted = [each if isinstance(each, str) else (each[0], each[1]) for each in facts.get("accepted", ())]
    return ProblemError(
        ProblemKind(slug, STATUS[kind], PROBLEM_KINDS.get(slug, OTHER).title),
        message,
        state=state,
        version=version,
        accepted=accepted,
        available_actions=accepted if kind == "conflict" and _ACTION_NAMES.issuperset(accepted) else None,
    )


def workflow_lost(
    number: str, standing: str, version: int, state: str | None = None, repair: str | None = None
) -> ProblemError:
    """`repair` is the command by which an operator brings the workflow back; None: that of cases."""
    command = repair or f"hotline rebuild workflows --case {number}"
    detail = (
        f"{number} is {standing} (version {version}) in SQL, and has lost its workflow: nothing was done. An operator"
        f" brings it back by `{command}`; then send the same again."
    )
    return ProblemError(WORKFLOW_LOST, detail, accepted=[], state=state, version=version)


def unavailable(kind: ProblemKind, detail: str, retry_after: int) -> ProblemError:
    """`retry_after`: seconds, after which the client may send the request again."""
    return ProblemError(kind, detail, headers={"Retry-After": str(retry_after)})


def operator_needed(error: OperatorError) -> ProblemError:
    """Log the error, whose words name files, and tell the client that an operator is needed."""
    log.error("nothing was done: %s", error)
    detail = "Nothing was done: an operator has to mend the service first. /readyz says what is wrong, and the remedy."
    return unavailable(OPERATOR_NEEDED, detail, OPERATOR_SECONDS)


def _capitalised(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


async def _on_known_error(_: Request, error: Any) -> Response:  # noqa: ANN401 - one of those that `problem_of` takes
    return problem_of(error).response()


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    if isinstance(error.__cause__, ProblemError):
        # Raised while the body was read, where the framework makes something else of it.
        return error.__cause__.response()
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {path}. /docs lists the paths."
        return ProblemError(NOT_FOUND, detail, headers=error.headers).response()
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework names the methods of its first operation only.
        scopes = {method: {**request.scope, "method": method} for method in ("GET", "POST")}
        matching = {name: [route.matches(scope)[0] for route in request.app.routes] for name, scope in scopes.items()}
        allowed = [name for name, found in matching.items() if Match.FULL in found]
        detail = f"{path} does not support {request.method}; accepted: {', '.join(allowed)}."
        return ProblemError(NO_METHOD, detail, accepted=allowed, headers={"Allow": ", ".join(allowed)}).response()
    kind = BAD_REQUEST._replace(status=HTTPStatus(error.status_code))
    return ProblemError(kind, str(error.detail), headers=error.headers).response()


async def _on_invalid(request: Request, error: RequestValidationError) -> Response:
    """Answer an invalid body or parameter. What was sent is not repeated: it may be personal."""
    found = error.errors()
    if fault := next((fault for fault in found if fault["type"] == "json_invalid"), None):
        detail = f"At character {fault['loc'][-1]}: {fault['ctx']['error']}. Send one JSON object."
        return ProblemError(MALFORMED_JSON, detail).response()
    of_body = [fault for fault in found if tuple(fault["loc"]) == ("body",) and fault["type"] != "missing"]
    if of_body and "json" not in request.headers.get("content-type", ""):
        return ProblemError(NO_JSON, "Send JSON, with the header Content-Type: application/json.").response()
    found = causes(found)
    kinds = [_kind_of_fault(fault) for fault in found]
    kind = INVALID_REQUEST if INVALID_REQUEST in kinds else kinds[0]
    return invalid_request([_fault(request, fault) for fault in found], kind).response()


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    **dict.fromkeys((ProblemError, Refused, UnknownCode, OperatorError), _on_known_error),
    HTTPException: _on_http_error,
    RequestValidationError: _on_invalid,
}
"""Answers to errors by type, as the application takes them."""


def _kind_of_fault(fault: ErrorDetails) -> ProblemKind:
    """`INVALID_REQUEST` for a fault of the form alone."""
    slug = f"unknown-{fault['ctx']['kind']}" if fault["type"] == UNKNOWN_CODE else fault["type"]
    return PROBLEM_KINDS.get(slug, INVALID_REQUEST)


def invalid_request(faults: Sequence[Fault], kind: ProblemKind = INVALID_REQUEST) -> ProblemError:
    accepted = dict.fromkeys(each for fault in faults for each in fault.accepted)
    detail = "; ".join(f"{fault.field}: {fault.message[1]}" for fault in faults)
    return ProblemError(kind, detail, accepted=accepted or None, faults=faults)


def _fault(request: Request, fault: ErrorDetails) -> Fault:
    # The values of a repeated parameter have no names.
    place = fault["loc"][:2] if fault["loc"][0] == "query" else fault["loc"]
    field = ".".join(map(str, place))
    if fault["type"] == "instant":
        example = instant_like(fault["input"], request.app.state.backend.catalogue.calendar.timezone)
        zh = chinese.fault({**fault, "ctx": {"example": example}})
        return Fault(field, (zh, NO_INSTANT.format(example=example)), [example])
    if fault["type"] == UNKNOWN_CODE or _kind_of_fault(fault) is not INVALID_REQUEST:
        return Fault(field, (chinese.fault(fault), _capitalised(fault["msg"])), fault["ctx"]["accepted"])
    fields = _fields_at(request, fault) if fault["type"] == "extra_forbidden" else ()
    return Fault(field, (chinese.fault(fault, fields), _message(fault, fields)), chinese.listed(fault))


def instant_like(given: object, timezone: str) -> str:
    """Date and time that were given, in the time zone; some other instant if they cannot be read."""
    try:
        read = datetime.fromisoformat(str(given))
    except ValueError:
        read = _SOME_TIME
    example = (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(timezone))).isoformat()
    # Before zones were introduced, clocks differed by odd seconds.
    return example if RFC_3339.fullmatch(example) else instant_like(_SOME_TIME, timezone)


_SOME_TIME = datetime(2026, 12, 1, 10)  # noqa: DTZ001 - the zone is added


def _fields_at(request: Request, fault: ErrorDetails) -> list[str]:
    """Fields that are accepted where an unknown one was given."""
    route = request.scope["route"]
    fields = [route.body_field] if fault["loc"][0] == "body" else route.dependant.query_params
    tables = tables_at(fields[0].field_info.annotation, fault["loc"][1:-1])
    return [field.alias or name for table in tables for name, field in table.model_fields.items()]


def _message(fault: ErrorDetails, fields: Iterable[str]) -> str:
    if fault["type"] == "extra_forbidden":
        return f"Unknown field; accepted: {', '.join(fields)}"
    return form_of(fault)[0] if fault["type"] == "string_pattern_mismatch" else message(fault)
