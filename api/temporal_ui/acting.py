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
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request
from starlette.responses import Response
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.update.v1 import Input, Outcome, UpdateRef
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse

from activities.names import ACTIONS, example
from api import inner
from api.assessments.answers import NewObjection
from api.complaints.actions import UNKNOWN_ACTION
from api.edge import chinese
from api.edge.problems import BAD_REQUEST, MALFORMED_JSON, URN, Problem, ProblemError
from api.responses import JSON
from api.routing import json_of
from domain.assessment.actions import OBJECT
from domain.catalogue.catalogue import Catalogue
from domain.kit.event import AnyAction
from domain.shared.actors import OWNERS, Actor
from domain.shared.codes import CodeKind
from domain.shared.errors import causes, table_at
from readmodel.people.people import Member

MOST_FAULTS = 5
"""Faults that a message names."""
_BODIES: Mapping[str, type[BaseModel]] = {"object": NewObjection}
"""Bodies that differ from those of the actions."""
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]{0,39}")


def bilingual(
    problem: Problem,
    action: AnyAction | None,
    sent: bytes | None,
    catalogue: Catalogue,
    people: Mapping[str, str],
) -> str:
    """Say why an action was refused, and what is accepted: a Chinese sentence, then the English one.

    `sent` is the body, None if there is none; `action` is None if there is no such action. `people`: see `example_in`.
    """
    status = HTTPStatus(problem.status)
    is_invalid = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
    faults = _faults(action, sent, catalogue) if action and sent and is_invalid else []
    if faults:
        zh = f"填写有误：{'；'.join(faults)}"
    else:
        zh = chinese.sentence(problem.type.removeprefix(URN), status, problem.accepted)
    is_named = all(word in problem.detail for word in problem.accepted or ())
    rest = "" if is_named else f" Accepted: {', '.join(problem.accepted or ())}."
    shown = f" 示例 Example: {example_in(action, catalogue, people)}" if action and is_invalid else ""
    return f"{zh}。{problem.title}: {problem.detail}{rest}{shown}"


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


def _faults(action: AnyAction, sent: bytes, catalogue: Catalogue) -> list[str]:
    """Chinese words of what is wrong with the form of a body; empty if that is right."""
    model = _BODIES.get(action.name, action.body)
    try:
        model.model_validate_json(sent, context={"codes": catalogue.code})
    except ValidationError as error:
        found = causes(error.errors(include_url=False, include_input=False))
        return [*dict.fromkeys(_fault(model, fault) for fault in found)][:MOST_FAULTS]
    return []


def _fault(model: type[BaseModel], fault: ErrorDetails) -> str:
    """In Chinese, the field and what is wrong with it, without any value that was sent."""
    place, within = fault["loc"], fault["loc"][:-1]
    is_extra = fault["type"] == "extra_forbidden"
    zh = chinese.fault(fault, table_at(model, within).model_fields if is_extra else ())
    if is_extra and not _NAME.fullmatch(str(place[-1])):
        # A key that is no name may be anything that was sent.
        place = within
    field = ".".join(map(str, place))
    return f"{field}：{zh}" if field else zh


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
    body: bytes | None = None
    action: AnyAction | None = None
    try:
        path, action = _target_of(workflow_id, name)
        body = asked = _body_of(arguments)
        if "{id}" in path:  # an objection is named in the path
            path, asked = _objection(path, body)
        answer = await inner.post(request, actor, path, asked, key)
    except ProblemError as refused:
        answer = httpx.Response(refused.problem.status, content=bytes(refused.response().body))
    people = people_in_examples(actor, request.app.state.backend.people.directory.people)
    run = WorkflowExecution(workflow_id=workflow_id, run_id=sent.workflow_execution.run_id)
    response = UpdateWorkflowExecutionResponse(
        update_ref=UpdateRef(workflow_execution=run, update_id=key),
        outcome=_outcome(answer, lambda problem: bilingual(problem, action, body, catalogue, people)),
        stage=UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED,
    )
    return Response(MessageToJson(response, indent=None), media_type=JSON)


def _outcome(answer: httpx.Response, words: Callable[[Problem], str]) -> Outcome:
    found = answer.json()
    if answer.is_success:
        if answer.status_code == HTTPStatus.ACCEPTED:
            found = {"remark": _LISTED_LATER, **found}
        done = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(found, ensure_ascii=False).encode())
        return Outcome(success=Payloads(payloads=[done]))
    problem = Problem.model_validate(found)
    info = ApplicationFailureInfo(type=problem.type, non_retryable=True)
    return Outcome(failure=Failure(message=words(problem), application_failure_info=info))


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
    """Path and body of a decision on the objection that the body names, else on 0. Raises ProblemError."""
    try:
        given = json_of(body)
        number = given.pop("objection", 0)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return path.format(id=0), body
    return path.format(id=number if type(number) is int else 0), json.dumps(given).encode()
