"""Acting (办理) in the Temporal UI: the update that it sends becomes the action of the API, by who has signed in.

The action is asked of the same application, in this process, so limits, rights, names, checks and the write are those
of its route. The answer is in the form in which Temporal answers an update.
"""

import json
import re
import uuid
from base64 import b64encode
from http import HTTPStatus
from typing import Any

import httpx
from asgi_correlation_id import correlation_id
from pydantic import Base64Bytes, BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from activities.command_faults import ACTIONS
from api.backend import Backend
from api.middleware import REQUEST_ID
from api.problems import BAD_REQUEST, MALFORMED_JSON, Problem, ProblemError
from api.routes.complaint_actions import UNKNOWN_ACTION
from api.routes.parameters import json_of
from api.security import ACTOR, IDEMPOTENCY_KEY, request_key
from api.temporal_ui.refusals import bilingual
from domain.catalogue.catalogue import Catalogue
from domain.shared.actors import Actor
from domain.shared.event import AnyAction

_WORKFLOW = re.compile(r"(complaint|incident|assessment)-([0-9A-Za-z-]{1,40})")
_TYPES = {"complaint": "ComplaintWorkflow", "incident": "IncidentWorkflow", "assessment": "AssessmentWorkflow"}
_LISTED_LATER = "已办理；数据库暂不可用，列表稍后更新。Done; lists show it later, as the database does not answer."


class _Payload(BaseModel):
    metadata: dict[str, Base64Bytes]
    data: Base64Bytes = b""


class _Arguments(BaseModel):
    payloads: list[_Payload] | None = None


class _Input(BaseModel):
    args: _Arguments = _Arguments()


class _Meta(BaseModel):
    updateId: str | None = None  # noqa: N815 - Temporal's name


class _Update(BaseModel):
    meta: _Meta = _Meta()
    input: _Input = _Input()


class _Run(BaseModel):
    runId: str | None = None  # noqa: N815 - as above


class _Sent(BaseModel):
    """Body of the UI's request. Who acts and what else it names is not read."""

    request: _Update
    workflowExecution: _Run = _Run()  # noqa: N815 - as above


async def act(backend: Backend, request: Request, actor: Actor, workflow_id: str, name: str) -> Response:
    """Carry out the update as the action of the API by this person, and return its outcome as Temporal does.

    Raises ProblemError for what the UI never sends.
    """
    try:
        sent = _Sent.model_validate(json_of(await request.body()))
    except (ValueError, RecursionError):
        detail = "This is no update as the Temporal UI sends it. 不是 Temporal UI 的办理请求。"
        raise ProblemError(BAD_REQUEST, detail) from None
    key = sent.request.meta.updateId or str(uuid.uuid4())
    body: bytes | None = None
    action: AnyAction | None = None
    try:
        path, action = _meant(workflow_id, name)
        body = asked = _body_of(sent.request.input.args.payloads or [])
        if "{id}" in path:  # an objection is named in the path
            path, asked = _objection(path, body)
        answer = await _ask(request, actor, path, asked, key)
    except ProblemError as refused:
        answer = httpx.Response(refused.problem.status, content=bytes(refused.response().body))
    execution = {"workflowId": workflow_id, "runId": sent.workflowExecution.runId or ""}
    return JSONResponse(
        {
            "updateRef": {"workflowExecution": execution, "updateId": key},
            "outcome": _outcome(backend.catalogue, answer, action, body),
            "stage": "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED",
        }
    )


def _outcome(
    catalogue: Catalogue, answer: httpx.Response, action: AnyAction | None, body: bytes | None
) -> dict[str, Any]:
    """Return the outcome of an update, as Temporal tells it."""
    found = answer.json()
    if answer.is_success:
        if answer.status_code == HTTPStatus.ACCEPTED:
            found = {"remark": _LISTED_LATER, **found}
        data = b64encode(json.dumps(found, ensure_ascii=False).encode()).decode()
        payload = {"metadata": {"encoding": b64encode(b"json/plain").decode()}, "data": data}
        return {"success": {"payloads": [payload]}}
    problem = Problem.model_validate(found)
    words = bilingual(problem, action, body, catalogue)
    failure = {"type": problem.type, "nonRetryable": True}
    return {"failure": {"message": words, "applicationFailureInfo": failure}}


async def _ask(request: Request, actor: Actor, path: str, body: bytes, key: str) -> httpx.Response:
    """Return the answer of the same application to an action of this person."""

    async def by_the_person(scope: Scope, receive: Receive, send: Send) -> None:
        # The transport makes these of the address, which holds what the browser sent as Host.
        outer = {name: request.scope[name] for name in ("client", "server")}
        await request.app({**scope, **outer, ACTOR: actor}, receive, send)

    request_id = correlation_id.get() or ""
    headers = {
        "Content-Type": "application/json",
        # A header holds no Chinese: a digest stands for such a key.
        IDEMPOTENCY_KEY: key if key.isascii() else request_key(actor, key),
        **({"X-Request-ID": request_id} if REQUEST_ID.fullmatch(request_id) else {}),
    }
    # The transport alone: a client would add headers.
    sent = httpx.Request("POST", str(request.base_url.replace(path=path)), headers=headers, content=body)
    answer = await httpx.ASGITransport(by_the_person).handle_async_request(sent)
    await answer.aread()
    return answer


def _meant(workflow_id: str, name: str) -> tuple[str, AnyAction]:
    """Return the path of the API, and the action, that an update of this workflow means. Raises ProblemError."""
    form = _WORKFLOW.fullmatch(workflow_id)
    actions = ACTIONS[_TYPES[form[1]]] if form else {}
    if form is None or name not in actions:
        detail = f"{workflow_id[:60]!r} has no action {name[:40]!r}. The service alone sends internal updates."
        raise ProblemError(UNKNOWN_ACTION, detail, accepted=[*actions])
    kind, number = form.groups()
    if kind != "assessment":
        return f"/v1/{kind}s/{number}/actions/{name}", actions[name]
    routes = {"inspect": "inspections", "object": "objections", "decide_objection": "objections/{id}/decision"}
    return f"/v1/assessments/{number}/{routes[name]}", actions[name]


def _body_of(payloads: list[_Payload]) -> bytes:
    """Return the body of the action in the arguments of an update. Raises ProblemError if it is not one JSON object."""
    if not payloads:
        return b"{}"
    encodings = {payload.metadata.get("encoding", b"").decode(errors="replace") for payload in payloads}
    if len(payloads) > 1 or encodings != {"json/plain"}:
        detail = "Send one JSON object, with the encoding json/plain. 应填一个 JSON 对象，编码为 json/plain。"
        raise ProblemError(MALFORMED_JSON, detail)
    return payloads[0].data or b"{}"


def _objection(path: str, body: bytes) -> tuple[str, bytes]:
    """Return path and body of a decision on the objection that the body names, else 0. Raises ProblemError."""
    try:
        given = json_of(body)
        number = given.pop("objection", 0)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return path.format(id=0), body
    return path.format(id=number if type(number) is int else 0), json.dumps(given).encode()
