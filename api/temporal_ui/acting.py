"""Acting (办理) in the Temporal UI: the update that it sends becomes the action of the API, by who has signed in.

The action is asked of the same application, in this process, so limits, rights, names, checks and the write are those
of its route. The answer is in the form in which Temporal answers an update.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus

import httpx
from google.protobuf.json_format import MessageToJson, ParseDict, ParseError
from starlette.requests import Request
from starlette.responses import Response
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.update.v1 import Input, Outcome, UpdateRef
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse

from activities.names import ACTIONS, example
from api import inner
from api.complaints.actions import UNKNOWN_ACTION
from api.edge.problems import (
    BAD_REQUEST,
    IN_CHINESE,
    MALFORMED_JSON,
    Fault,
    Problem,
    ProblemError,
    invalid_request,
)
from api.responses import JSON
from api.routing import json_of
from domain.assessment.actions import OBJECT
from domain.catalogue.catalogue import Catalogue
from domain.kit.event import AnyAction
from domain.shared.actors import OWNERS, Actor
from domain.shared.codes import CodeKind
from readmodel.people.people import Member

MOST_FAULTS = 5
"""Faults that a message names."""


def bilingual(
    problem: Problem, zh: Problem, action: AnyAction | None, catalogue: Catalogue, people: Mapping[str, str]
) -> str:
    """Say why an action was refused, and what is accepted: a Chinese sentence, then the English one.

    `action` is None if there is no such action. `people`: see `example_in`.
    """
    is_invalid = problem.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
    faults = [f"{each.field}：{each.message}".removeprefix("body.").removeprefix("body：") for each in zh.errors or ()]
    words = f"填写有误：{'；'.join(faults[:MOST_FAULTS])}。" if faults else zh.detail
    is_named = all(word in problem.detail for word in problem.accepted or ())
    rest = "" if is_named else f" Accepted: {', '.join(problem.accepted or ())}."
    shown = f" 示例 Example: {example_in(action, catalogue, people)}" if action and is_invalid else ""
    return f"{words}{problem.title}: {problem.detail}{rest}{shown}"


def example_in(action: AnyAction, catalogue: Catalogue, people: Mapping[str, str]) -> str:
    """Return an example of the body, with codes of this catalogue and the ids of these people by field."""

    def find(kind: CodeKind, code: str) -> str:
        codes = [each.code for each in getattr(catalogue, f"{kind}s")]
        return code if code in codes else codes[0]

    # An objection is to a figure of somebody who takes calls.
    return example(action, find, {"subject": people["owner"]} if action is OBJECT else people)


def people_in_examples(actor: Actor, people: Iterable[Member]) -> Mapping[str, str]:
    """Ids of people of the company, by the field that would accept them: who acts comes first."""
    known: list[Actor | Member] = [actor, *(each for each in people if each.left_at is None)]
    fitting = {
        "owner": (each.id for each in known if each.role in OWNERS),
        "assignee": (each.id for each in known if each.department),
    }
    return {field: next(ids, actor.id) for field, ids in fitting.items()}


_WORKFLOW = re.compile(r"(complaint|incident|assessment)-([0-9A-Za-z-]{1,40})")
_LISTED_LATER = "已办理；数据库暂不可用，列表稍后更新。Done; lists show it later, as the database does not answer."


async def act(catalogue: Catalogue, request: Request, actor: Actor, workflow_id: str, name: str) -> Response:
    """Carry out the update as this person's action of the API, and answer as Temporal does.

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
    action: AnyAction | None = None
    try:
        path, action = _target_of(workflow_id, name)
        body = _body_of(arguments)
        if "{id}" in path:  # an objection is named in the path
            path, body = _objection(path, body)
        answer = await inner.post(request, actor, path, body, key)
    except ProblemError as refused:
        content, extensions = bytes(refused.response().body), {IN_CHINESE: refused.chinese()}
        answer = httpx.Response(refused.problem.status, content=content, extensions=extensions)

    def words(problem: Problem, zh: Problem) -> str:
        people = people_in_examples(actor, request.app.state.backend.people.directory.people)
        return bilingual(problem, zh, action, catalogue, people)

    run = WorkflowExecution(workflow_id=workflow_id, run_id=sent.workflow_execution.run_id)
    response = UpdateWorkflowExecutionResponse(
        update_ref=UpdateRef(workflow_execution=run, update_id=key),
        outcome=_outcome(answer, words),
        stage=UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED,
    )
    return Response(MessageToJson(response, indent=None), media_type=JSON)


def _outcome(answer: httpx.Response, words: Callable[[Problem, Problem], str]) -> Outcome:
    found = answer.json()
    if answer.is_success:
        if answer.status_code == HTTPStatus.ACCEPTED:
            found = {"remark": _LISTED_LATER, **found}
        done = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(found, ensure_ascii=False).encode())
        return Outcome(success=Payloads(payloads=[done]))
    problem = Problem.model_validate(found)
    info = ApplicationFailureInfo(type=problem.type, non_retryable=True)
    message = words(problem, answer.extensions[IN_CHINESE])
    return Outcome(failure=Failure(message=message, application_failure_info=info))


def _target_of(workflow_id: str, name: str) -> tuple[str, AnyAction]:
    """Path of the API, and the action, that an update of this workflow means. Raises ProblemError."""
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
    """Body of the action in the arguments of an update. Raises ProblemError if it is not one JSON object."""
    if not payloads:
        return b"{}"
    encodings = {payload.metadata["encoding"].decode(errors="replace") for payload in payloads}
    if len(payloads) > 1 or encodings != {"json/plain"}:
        detail = "Send one JSON object, with the encoding json/plain. 应填一个 JSON 对象，编码为 json/plain。"
        raise ProblemError(MALFORMED_JSON, detail)
    return payloads[0].data or b"{}"


def _objection(path: str, body: bytes) -> tuple[str, bytes]:
    """Path and body of a decision on the objection that the body names. Raises ProblemError if it names none."""
    try:
        given = json_of(body)
        number = given.pop("objection", None)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return path.format(id=0), body  # its route says what is wrong
    if type(number) is not int:
        zh = "必填" if number is None else "应填整数"
        raise invalid_request([Fault("body.objection", (zh, "The id of the objection is an integer"))])
    return path.format(id=number), json.dumps(given).encode()
