"""The OpenAPI document: the framework's, with what the routes do not say."""

from collections.abc import Iterable, Mapping, Sequence
from inspect import getdoc
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic_core import to_json

from api.assessments.assessments import ASSESSMENT_NOT_FOUND
from api.edge import problems as known
from api.edge.limits import TOO_MANY_GUESSES, TOO_MANY_REQUESTS
from api.edge.middleware import BODY_TOO_LARGE, TOO_SLOW, WRONG_HOST
from api.edge.problems import INVALID_REQUEST, MEDIA_TYPE, Problem, ProblemKind
from api.incidents.routes import INCIDENT_NOT_FOUND
from api.parameters import COMPLAINT_NOT_FOUND, INVALID_ETAG, INVALID_NUMBER
from api.responses import Json, header, problems
from api.routing import right_of
from api.sign_in.security import IDEMPOTENCY_KEY, INVALID_IDEMPOTENCY_KEY, MALFORMED_KEY, UNAUTHORIZED
from api.sign_in.tokens import INVALID_TOKEN, NO_ISSUER, NO_ROLE
from api.sql import INVALID_CURSOR, READ_MODEL_UNAVAILABLE
from api.temporal.errors import KEY_REUSED
from domain.shared.errors import VERSION_CHANGED
from tools.docs import examples
from tools.docs.components import SCHEMA, share

RIGHT = "x-right"
"""Field of an operation in the document: the right that it takes, as `GET /v1/roles` names it."""
KEY_NEEDED = (
    UNAUTHORIZED,
    MALFORMED_KEY,
    TOO_MANY_GUESSES,
    TOO_MANY_REQUESTS,
    READ_MODEL_UNAVAILABLE,
    INVALID_TOKEN,
    NO_ROLE,
    NO_ISSUER,
    known.WRONG_ROLE,
)
"""Problems of every operation that takes a right."""
BODY_TAKEN = (known.MALFORMED_JSON, known.BAD_REQUEST, BODY_TOO_LARGE, TOO_SLOW, known.NO_JSON, INVALID_REQUEST)
"""Problems of every operation that takes a body."""
OF_PARAMETERS: Mapping[str, Sequence[ProblemKind]] = {
    IDEMPOTENCY_KEY: (INVALID_IDEMPOTENCY_KEY, KEY_REUSED),
    "If-Match": (INVALID_ETAG, known.kind_of(VERSION_CHANGED)),
    "If-None-Match": (INVALID_ETAG,),
    "cursor": (INVALID_REQUEST, INVALID_CURSOR),
}
"""Problems of the operations that have these parameters."""
OF_PATHS: Mapping[str, Sequence[ProblemKind]] = {
    "/v1/complaints/{number}": (COMPLAINT_NOT_FOUND, INVALID_NUMBER, known.OTHER_DEPARTMENT),
    "/v1/incidents/{number}": (INVALID_REQUEST, INCIDENT_NOT_FOUND),
    "/v1/assessments/{month}": (INVALID_REQUEST, ASSESSMENT_NOT_FOUND),
}
"""Problems of the operations whose paths begin so."""
DONE = {
    200: "Done, and lists show it; the answer is the present state.",
    201: "Durable, and lists show it.",
    202: "Durable; lists will show it as soon as SQL has caught up.",
}
"""Descriptions of the answers of an operation that has several, by status."""
EXAMPLES: Json = examples.written()
"""Documented answers by the name of the operation or else of the model."""
SERVERS = [
    {"url": "/", "description": "The service that serves this document."},
    {"url": "http://127.0.0.1:8080", "description": "A service on this machine, as `hotline up` runs it."},
]

TAGS = [
    {"name": "complaints", "description": "Take complaints in, find them, read them. 工单"},
    {"name": "callers", "description": "The customer who calls, earlier cases, thanks. 来电人"},
    {"name": "calls", "description": "Calls as the telephone system reports them. 通话记录"},
    {"name": "handovers", "description": "All open cases of one person to another. 全部移交"},
    {"name": "actions", "description": "Actions on a complaint, one operation for each. 办理"},
    {"name": "incidents", "description": "One cause behind many calls, handled once. 突发事件"},
    {"name": "letters", "description": "Dead letters: notifications that no channel delivered. 未送达"},
    {"name": "assessments", "description": "Every month judged by the written standard, objections, exclusions. 考核"},
    {"name": "reports", "description": "Reports of a day or month, and of calls. 报表"},
    {"name": "reference", "description": "The catalogue of services and the lifecycle table. 目录与流程"},
    {"name": "operations", "description": "Health and metrics of the service. 运维"},
]

ABOUT = """A water company's complaint hotline (供水热线). A complaint is durable in Temporal before it is answered.

* **200, 201**: durable, and lists show it. **202**: durable; lists will show it as soon as SQL is back.
* **429** with `Retry-After`: wrong keys or links of this address, requests of this person, or actions on this
  case within a minute.
* **503** with `Retry-After`: not available, or the outcome is unknown. Repeat the request with the same
  `Idempotency-Key`: it is carried out at most once.
* Every error is a problem (RFC 9457, `application/problem+json`) whose `type` is stable and whose `detail` says what
  would be accepted.
* Times are RFC 3339 in UTC, durations are seconds, money is a decimal string in the catalogue's currency.
* A list is `{"items": [...], "next_cursor": ...}`; give `next_cursor` back as `cursor` to get the next page.
"""


_ETAG = header("ETag", "The version, quoted.", type="string", pattern='^"[0-9]+"$')


def document(app: FastAPI) -> Json:
    """Return the document of the application's routes."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        description=ABOUT,
        routes=app.routes,
        tags=TAGS,
        servers=SERVERS,
    )
    return share(_completed(made, app))


def written(document: Json) -> str:
    """Return the document as text with a line for each path and component, so that a difference is seen."""
    components = {kind: _lines(map(_entry, each.items())) for kind, each in document["components"].items()}
    parts = {name: _text(part) for name, part in document.items()} | {
        "paths": _lines(map(_entry, document["paths"].items())),
        "components": _lines(f"{_text(kind)}:{each}" for kind, each in components.items()),
    }
    return _lines(f"{_text(name)}:{part}" for name, part in parts.items()) + "\n"


def _entry(entry: tuple[str, Any]) -> str:
    return f"{_text(entry[0])}:{_text(entry[1])}"


def _lines(entries: Iterable[str]) -> str:
    return "{\n" + ",\n".join(entries) + "\n}"


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    return to_json(value).decode()


def _completed(document: Json, app: FastAPI) -> Json:
    """Return the framework's document with what it does not know."""
    components = document["components"]
    components["examples"] = {name: {"value": value} for name, value in EXAMPLES.items()}
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                _complete(document["paths"][route.path_format][method.lower()], route)
    problem = Problem.model_json_schema(ref_template=f"{SCHEMA}{{model}}", mode="serialization")
    for own in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(own, None)
    components["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
    for path, operations in document["paths"].items():
        _say_what_is_sent(operations)
        _link(operations, document["paths"].get(f"{path}/{{number}}", {}))
    return document


def _complete(operation: Json, route: APIRoute) -> None:
    """Add to an operation what follows of its route."""
    right, answers = right_of(route), operation["responses"]
    if MEDIA_TYPE not in answers.get("422", {}).get("content", {MEDIA_TYPE: {}}):
        del answers["422"]  # the framework's own, which is never sent
    _add_problems(answers, (WRONG_HOST, known.INTERNAL))
    for path, kinds in OF_PATHS.items():
        _add_problems(answers, kinds if route.path_format.startswith(path) else ())
    for parameter in operation.get("parameters", ()):
        _add_problems(answers, OF_PARAMETERS.get(parameter["name"], ()))
        if parameter["in"] != "header" and parameter["name"] != "number":
            _add_problems(answers, (INVALID_REQUEST,))
    if "requestBody" in operation:
        _add_problems(answers, BODY_TAKEN)
    if right is None:
        return
    operation[RIGHT] = right.name
    _add_problems(answers, KEY_NEEDED)
    model = route.response_model
    if not model:
        return
    name = route.name if route.name in EXAMPLES else model.__name__
    for status in {"200", "201", "202", "304"} & answers.keys() if "version" in model.model_fields else ():
        answers[status] |= _ETAG
    good = {
        int(status): answer for status, answer in answers.items() if "application/json" in answer.get("content", ())
    }
    for status, answer in good.items():
        answer["description"] = DONE[status] if len(good) > 1 else getdoc(model)
        answer["content"]["application/json"]["examples"] = {name: {"$ref": f"#/components/examples/{name}"}}


def _add_problems(answers: Json, kinds: Sequence[ProblemKind]) -> None:
    for status, answer in problems(*kinds).items():
        known = answers.setdefault(str(status), answer)
        shown = known["content"][MEDIA_TYPE]["examples"]
        shown |= answer["content"][MEDIA_TYPE]["examples"]
        known["description"] = "; ".join(each["summary"] for each in shown.values())


def _say_what_is_sent(operations: Json) -> None:
    """Take null out of the types of parameters: it can be left out, and not sent."""
    for parameter in (each for operation in operations.values() for each in operation.get("parameters", ())):
        schema = parameter["schema"]
        given = [kind for kind in schema.pop("anyOf", ()) if kind.get("type") != "null"]
        parameter["schema"] = {**(given[0] if given else {}), **schema}


def _link(operations: Json, made: Json) -> None:
    """Link what an operation makes to the operation that reads it."""
    if "post" in operations and "get" in made:
        read = made["get"]["operationId"]
        answer = operations["post"]["responses"]["201"]
        location = header("Location", "Path of what was made.", type="string")["headers"]
        answer["headers"] = answer.get("headers", {}) | location
        answer["links"] = {read: {"operationId": read, "parameters": {"number": "$response.body#/number"}}}
