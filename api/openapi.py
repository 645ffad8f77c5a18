"""Documentation of the operations: examples, problems, tags."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from types import MethodType
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from api import examples
from api.backend import Backend
from api.edge.middleware import WRONG_HOST
from api.edge.problems import INTERNAL, MEDIA_TYPE, WRONG_ROLE, Problem, ProblemError, ProblemKind
from api.rights import only_with
from api.sign_in.security import KEY_ERRORS
from api.sign_in.tokens import Tokens
from domain.rights.rights import Right

Json = dict[str, Any]
Responses = dict[int | str, Json]
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Example = str | tuple[str, BaseModel]
Kinds = Sequence[ProblemKind]
Model = type[BaseModel]

RIGHT = "x-right"
"""Field of an operation in the document: the right that it takes, as `GET /v1/roles` names it."""
GUARD_ERRORS = (*KEY_ERRORS, WRONG_ROLE)
DESCRIPTIONS = {
    200: "Done, and lists show it; the answer is the present state.",
    201: "Durable, and lists show it.",
    202: "Durable; lists will show it as soon as SQL has caught up.",
}
"""Descriptions of the answers of an operation that writes, by status."""
SHARED: Json = {}
"""Examples of answers by name. They are added to the document last, since the framework leaves out nulls."""
_SCHEMA = "#/components/schemas/{model}"

PAGE = {"tryItOutEnabled": True, "persistAuthorization": False, "filter": True, "validatorUrl": None}
"""Settings of the page at `/docs`: it forgets keys, and asks no validator on the internet."""

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
* **429** with `Retry-After`: too many wrong keys or links of this address, requests of this person, or actions on this
  case within a minute. Send it again after the pause.
* **503** with `Retry-After`: the service is not available, or the outcome is unknown. Repeat the request with the same
  `Idempotency-Key`: it is carried out at most once.
* Every error is a problem (RFC 9457, `application/problem+json`) whose `type` is stable and whose `detail` says what
  would be accepted.
* Times are RFC 3339 in UTC, durations are seconds, money is a decimal string in the catalogue's currency.
* A list is `{"items": [...], "next_cursor": ...}`; give `next_cursor` back as `cursor` to get the next page.
"""


class Operations:
    """Operations of one tag, for which a key is needed: functions whose first argument is the backend.

    Arguments of the decorators: the path, a summary of one line, the right that the operation takes, the shape of the
    answers, examples of them, and the problems besides those of every key.
    """

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._listed: list[tuple[Callable[..., Any], Right | None, Json]] = []

    def get(  # noqa: PLR0913 - as the class says; `may_be_known`: 304 to a client that has the version
        self,
        path: str,
        summary: str,
        right: Right,
        model: Model,
        shown: Example,
        errors: Kinds = (),
        *,
        other_formats: Sequence[str] = (),
        may_be_known: bool = False,
    ) -> Decorator:
        documented = _documented(summary, model, {200: shown}, errors)
        others = {media_type: {"schema": {"type": "string"}} for media_type in other_formats}
        documented["responses"][200]["content"] |= others
        if may_be_known:
            documented["responses"][304] = {"description": "You have this version.", **_ETAG}
        return self.route("GET", path, right, **documented)

    def post(
        self, path: str, summary: str, right: Right, model: Model, shown: Mapping[int, Example], errors: Kinds = ()
    ) -> Decorator:
        return self.route("POST", path, right, **_documented(summary, model, shown, errors))

    def route(self, method: str, path: str, right: Right | None, **documented: Any) -> Decorator:  # noqa: ANN401 - as FastAPI takes them
        """Return the decorator of an operation that is documented in its own way; without a right, any key will do."""

        def listed(operation: Callable[..., Any]) -> Callable[..., Any]:
            self._listed.append((operation, right, {"path": path, "methods": [method], **documented}))
            return operation

        return listed

    def add_routes(self, router: APIRouter, backend: Backend) -> None:
        """Add the operations to the router of an application with this backend."""
        for operation, right, documented in self._listed:
            guard = only_with(backend.bearer, right) if right else backend.bearer
            router.add_api_route(
                endpoint=MethodType(operation, backend),
                tags=[self._tag],
                dependencies=[Depends(guard)],
                openapi_extra={RIGHT: right.name} if right else None,
                **documented,
            )


def _documented(summary: str, model: Model, shown: Mapping[int, Example], errors: Kinds) -> Json:
    texts = DESCRIPTIONS if len(shown) > 1 else {}
    versioned = _ETAG if "version" in model.model_fields else {}
    answers = {
        status: {"model": model, **example(texts.get(status, model.__doc__ or ""), each), **versioned}
        for status, each in shown.items()
    }
    return {
        "summary": summary,
        "response_model": model,
        "status_code": next(iter(shown)),
        "responses": {**answers, **errors_of(*GUARD_ERRORS, *errors)},
    }


def example(description: str, *shown: Example) -> Json:
    """Return a documented answer with examples, by name in `examples.ANSWERS` or by their own names and values."""
    links = {}
    for each in shown:
        name, value = (each, examples.ANSWERS[each]) if isinstance(each, str) else each
        SHARED[name] = {"summary": name.replace("_", " "), "value": to_jsonable_python(value, by_alias=True)}
        links[name] = {"$ref": f"#/components/examples/{name}"}
    return {"description": description, "content": {"application/json": {"examples": links}}}


def errors_of(*kinds: ProblemKind) -> Responses:
    """Return the documented problems of an operation by status; those of a wrong host and of status 500 are of all."""
    by_status: dict[int, dict[str, ProblemKind]] = {}
    for kind in (*kinds, WRONG_HOST, INTERNAL):
        by_status.setdefault(int(kind.status), {})[kind.slug] = kind
    return {status: _problems([*found.values()]) for status, found in by_status.items()}


def described(app: FastAPI, tokens: Tokens | None) -> Callable[[], Json]:
    """Return the application's `openapi` with the examples, the schema of problems, and tokens as another way in."""
    framework = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            document = framework()
            components = document["components"]
            components["examples"] = {name: SHARED[name] for name in _examples_in(document)}
            problem = Problem.model_json_schema(ref_template=_SCHEMA, mode="serialization")
            components["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
            if tokens:
                _add_tokens(document, tokens.issuer.discovery_url)
            for path, operations in document["paths"].items():
                _say_what_is_sent(operations)
                _link(operations, document["paths"].get(f"{path}/{{number}}", {}))
            app.openapi_schema = document
        return app.openapi_schema

    return openapi


def _examples_in(document: Json) -> Iterator[str]:
    for path in document["paths"].values():
        for answer in (answer for operation in path.values() for answer in operation["responses"].values()):
            yield from answer.get("content", {}).get("application/json", {}).get("examples", ())


def _add_tokens(document: Json, discovery_url: str) -> None:
    described = {"type": "openIdConnect", "openIdConnectUrl": discovery_url, "description": "An access token."}
    document["components"]["securitySchemes"]["openIdConnect"] = described
    for path in document["paths"].values():
        for operation in path.values():
            if "security" in operation:
                operation["security"].append({"openIdConnect": []})


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
        location = _header("Location", "Path of what was made.", type="string")["headers"]
        answer["headers"] = answer.get("headers", {}) | location
        answer["links"] = {read: {"operationId": read, "parameters": {"number": "$response.body#/number"}}}


def _header(name: str, description: str, **schema: Any) -> Json:  # noqa: ANN401 - JSON
    """Return the documentation of a header that the answer always has."""
    return {"headers": {name: {"required": True, "description": description, "schema": schema}}}


_ETAG = _header("ETag", "The version, quoted.", type="string", pattern='^"[0-9]+"$')
_RETRY_AFTER = _header("Retry-After", "Seconds until the request may be sent again.", type="integer", minimum=1)
_HEADERS: Mapping[int, Json] = {
    HTTPStatus.UNAUTHORIZED: _header("WWW-Authenticate", "Challenge of RFC 6750.", type="string"),
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}
"""Headers of errors by status."""


def _problems(kinds: Sequence[ProblemKind]) -> Json:
    shown = {
        kind.slug: {
            "summary": kind.title,
            "value": ProblemError(kind, f"{kind.title}.").problem.model_dump(exclude_none=True),
        }
        for kind in kinds
    }
    return {
        "description": "; ".join(kind.title for kind in kinds),
        **_HEADERS.get(kinds[0].status, {}),
        "content": {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA.format(model="Problem")}, "examples": shown}},
    }
