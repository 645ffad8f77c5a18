"""Acting (办理) in the Temporal UI: the update that it sends becomes the action of the API, by who has signed in.

The action is asked of the same application, in this process, so limits, rights, names, checks and the write are those
of its route. The answer is in the form in which Temporal answers an update.
"""

import json
import re
import uuid
from collections.abc import Sequence
from http import HTTPStatus

import httpx
from asgi_correlation_id import correlation_id
from google.protobuf.json_format import MessageToJson, ParseDict, ParseError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.update.v1 import Input, Outcome, UpdateRef
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse

from activities.names import ACTIONS
from api.complaints.actions import UNKNOWN_ACTION
from api.edge.middleware import REQUEST_ID
from api.edge.problems import BAD_REQUEST, MALFORMED_JSON, Problem, ProblemError
from api.responses import JSON
from api.routing import json_of
from api.sign_in.security import ACTOR, IDEMPOTENCY_KEY, request_key
from api.temporal_ui.refusals import bilingual
from domain.catalogue.catalogue import Catalogue
from domain.kit.event import AnyAction
from domain.shared.actors import Actor

_WORKFLOW = re.compile(r"(complaint|incident|assessment)-([0-9A-Za-z-]{1,40})")
_LISTED_LATER = "已办理；数据库暂不可用，列表稍后更新。Done; lists show it later, as the database does not answer."


async def act(catalogue: Catalogue, request: Request, actor: Actor, workflow_id: str, name: str) -> Response:
    """Carry out the update as the action of the API by this person, and return its outcome as Temporal does.

    Raises ProblemError for what the UI never sends.
    """
    try:
        found = json_of(await request.body())
        # What says what is to be done has no field of a newer UI, which nobody would judge.
        arguments = ParseDict(found["request"].pop("input"), Input()).args.payloads
        sent = ParseDict(found, UpdateWorkflowExecutionRequest(), ignore_unknown_fields=True)
    except (ParseError, AttributeError, TypeError, ValueError, KeyError, RecursionError):
        detail = "This is no update as the Temporal UI sends it. 不是 Temporal UI 的办理请求。"
        raise ProblemError(BAD_REQUEST, detail) from None
    key = sent.request.meta.update_id or str(uuid.uuid4())
    body: bytes | None = None
    action: AnyAction | None = None
    try:
        path, action = _meant(workflow_id, name)
        body = asked = _body_of(arguments)
        if "{id}" in path:  # an objection is named in the path
            path, asked = _objection(path, body)
        answer = await _ask(request, actor, path, asked, key)
    except ProblemError as refused:
        answer = httpx.Response(refused.problem.status, content=bytes(refused.response().body))
    run = WorkflowExecution(workflow_id=workflow_id, run_id=sent.workflow_execution.run_id)
    told = UpdateWorkflowExecutionResponse(
        update_ref=UpdateRef(workflow_execution=run, update_id=key),
        outcome=_outcome(catalogue, answer, action, body),
        stage=UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED,
    )
    return Response(MessageToJson(told, indent=None), media_type=JSON)


def _outcome(catalogue: Catalogue, answer: httpx.Response, action: AnyAction | None, body: bytes | None) -> Outcome:
    found = answer.json()
    if answer.is_success:
        if answer.status_code == HTTPStatus.ACCEPTED:
            found = {"remark": _LISTED_LATER, **found}
        done = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(found, ensure_ascii=False).encode())
        return Outcome(success=Payloads(payloads=[done]))
    problem = Problem.model_validate(found)
    info = ApplicationFailureInfo(type=problem.type, non_retryable=True)
    words = bilingual(problem, action, body, catalogue)
    return Outcome(failure=Failure(message=words, application_failure_info=info))


async def _ask(request: Request, actor: Actor, path: str, body: bytes, key: str) -> httpx.Response:
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
    actions = ACTIONS[f"{form[1].title()}Workflow"] if form else {}
    if form is None or name not in actions:
        detail = f"{workflow_id[:60]!r} has no action {name[:40]!r}. The service alone sends internal updates."
        raise ProblemError(UNKNOWN_ACTION, detail, accepted=[*actions])
    kind, number = form.groups()
    if kind != "assessment":
        return f"/v1/{kind}s/{number}/actions/{name}", actions[name]
    routes = {"inspect": "inspections", "object": "objections", "decide_objection": "objections/{id}/decision"}
    return f"/v1/assessments/{number}/{routes[name]}", actions[name]


def _body_of(payloads: Sequence[Payload]) -> bytes:
    """Return the body of the action in the arguments of an update. Raises ProblemError if it is not one JSON object."""
    if not payloads:
        return b"{}"
    encodings = {payload.metadata["encoding"].decode(errors="replace") for payload in payloads}
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
