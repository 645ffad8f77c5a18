"""Acting (办理) in the Temporal UI: the update that it sends becomes the action of the API, by who has signed in.

The action is asked of the same application, in this process, so limits, rights, names, checks and the write are those
of its route. The answer is in the form in which Temporal answers an update.
"""

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

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
from api.edge.problems import BAD_REQUEST, MALFORMED_JSON, URN, Problem, ProblemError, ProblemKind
from api.responses import JSON
from api.routing import json_of
from domain.catalogue.catalogue import Catalogue
from domain.kit.event import AnyAction
from domain.shared import errors
from domain.shared.actors import Actor, Role
from domain.shared.codes import UNKNOWN_CODE, CodeKind
from domain.shared.errors import ProblemType, causes, form_of, table_at
from domain.shared.value import exhaustive

MOST_FAULTS = 5
"""Faults that a message names."""
_KNOWN = tuple(action for table in ACTIONS.values() for action in table.values())
_TYPES = (*vars(errors).values(), *(problem for action in _KNOWN for problem in action.problems))
_ZH = {
    **{each.code.replace("_", "-"): each.zh for each in _TYPES if isinstance(each, ProblemType)},
    "invalid-request": "填写有误",
    "malformed-json": "应填一个 JSON 对象",
    "unknown-owner": "所填首问责任人不在在岗人员名录中，或属抢修人员，请填名录中其他人员的工号",
    "unknown-assignee": "所填经办人不是该部门的在岗人员，请填名录中该部门人员的工号",
    "wrong-scope": "您的密钥只能查询，不能办理",
    "idempotency-key-reused": "该编号已用于另一次办理，请换一个编号",
    "complaint-not-found": "没有这张工单",
    "incident-not-found": "没有这个突发事件",
    "assessment-not-found": "没有这个月的考核",
    "unknown-action": "没有这个操作，请从列表中选择",
    "unknown-agent": "所填话务员不在在岗人员名录中",
    "unknown-service": "没有这个服务项目代码",
    "unknown-district": "没有这个区域代码",
    "unknown-department": "没有这个部门代码",
    "unknown-incident": "没有这个突发事件",
    "unknown-cases": "所填工单中有查不到的",
    "unknown-figure": "没有这个考核指标",
    "unknown-subject": "没有这个考核对象",
    "case-not-counted": "该指标未计入此工单",
    "unknown-exclusion-ground": "没有这个剔除理由",
    "evidence-needed": "该剔除理由须附依据",
    "exclusion-decided": "该剔除申请已有审批结果",
    "own-exclusion": "不能审批本人提出的剔除申请",
    "assessment-final": "该月考核已定稿",
    "workflow-lost": "工作流已丢失，请联系运维人员恢复",
    "incident-closed": "该突发事件已结束",
    "cases-over": "所填工单中有已回复的",
    "credit-limit-reached": "该户补偿已达上限",
    "no-text-messages": "未开通短信渠道，无法发送链接",
    "contact-without-witness": "来电人电话由本人更改，不能据此发送链接",
    "call-mismatch": "所填来电与本人、来电号码或时间不符",
    "other-owner": "您只能查看本人负责的工单",
    "no-role": "您的账号没有分配角色",
    "no-such-person": "您不在在岗人员名录中",
    "masked-search": "您无权按脱敏内容查询",
    "letter-not-dead": "该通知不在死信之列",
    "call-back-taken": "该回拨已由他人认领",
    "call-back-over": "该回拨已结束",
    "period-not-ended": "该期间尚未结束",
    **dict.fromkeys(("invalid-number", "invalid-period", "invalid-cursor", "invalid-call"), "填写有误"),
    **dict.fromkeys(("invalid-etag", "invalid-idempotency-key"), "填写有误"),
    **dict.fromkeys(("foreign-request", "temporal-ui-not-allowed", "dangerous-request"), "不允许此请求"),
}
"""Chinese words by type of the problem."""
_ZH_BY_STATUS = {
    HTTPStatus.BAD_REQUEST: "请求有误",
    HTTPStatus.UNAUTHORIZED: "请重新登录",
    HTTPStatus.NOT_FOUND: "没有找到",
    **dict.fromkeys((HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_ACCEPTABLE), "请求有误"),
    **dict.fromkeys((HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE), "请求有误"),
    **dict.fromkeys((HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), "请求有误"),
    HTTPStatus.INTERNAL_SERVER_ERROR: "系统出错，请联系运维人员",
    HTTPStatus.TOO_MANY_REQUESTS: "操作过于频繁，请稍后再试",
    HTTPStatus.SERVICE_UNAVAILABLE: "系统暂时无法办理，请稍后再试",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "填写内容过长",
}
"""Chinese words of the types that no rule of the service raises, by status."""
_ACCEPTED_ZH = {HTTPStatus.FORBIDDEN: "有权办理", HTTPStatus.CONFLICT: "现可办理"}
_NAMES_ZH = {**{role.value: role.zh for role in Role}, **{action.name: action.zh for action in reversed(_KNOWN)}}
_BODIES: Mapping[str, type[BaseModel]] = {"object": NewObjection}
"""Bodies that differ from those of the actions."""
_KINDS_ZH = {"service": "服务项目", "district": "区域", "department": "部门"}
_FAULTS_ZH = {
    "missing": "必填",
    "string_type": "应填文字",
    "string_too_short": "不能为空",
    "string_too_long": "不能超过 {max_length} 字",
    "too_long": "不能超过 {max_length} 项",
    **dict.fromkeys(("int_type", "int_parsing"), "应填整数"),
    "float_type": "应填数字",
    **dict.fromkeys(("bool_type", "bool_parsing"), "应填 true 或 false"),
    **dict.fromkeys(("decimal_type", "decimal_parsing"), '应填金额，如 "860.00"'),
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    **dict.fromkeys(("literal_error", "enum"), "可填 {listed}"),
    "instant": "应填带时区的时间，如 {example}",
    "half_coordinates": "lat 和 lng 应同时填写、同时为 null 或都不填",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "应填一个 JSON 对象"),
    **dict.fromkeys(("tuple_type", "list_type"), '应填列表，如 ["…"]'),
    "follow_up_form": "只填 outcome，或只填 contacted: false，或填 contacted: true 并填 solved 和 satisfaction",
    "json_invalid": "不是有效的 JSON",
}
"""Chinese words for pydantic's types of errors; all others are 填写有误."""
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]{0,39}")


def check_words(kinds: Iterable[ProblemKind]) -> None:
    """Raise LookupError with the types that have no Chinese words, neither of their own nor by their status."""
    exhaustive("_ZH", (kind.slug for kind in kinds if kind.status not in _ZH_BY_STATUS), _ZH)


def bilingual(problem: Problem, action: AnyAction | None, sent: bytes | None, catalogue: Catalogue) -> str:
    """Say why an action was refused, and what is accepted: a Chinese sentence, then the English one.

    `sent` is the body, None if there is none; `action` is None if there is no such action.
    """
    status = HTTPStatus(problem.status)
    is_invalid = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
    faults = _faults(action, sent, catalogue) if action and sent and is_invalid else []
    if faults:
        zh = f"填写有误：{'；'.join(faults)}"
    else:
        zh = _ZH.get(problem.type.removeprefix(URN)) or _ZH_BY_STATUS.get(status, "未办理")
        # What is accepted may be a description in English, which the English sentence needs alone.
        listed = [
            f"{word}（{_NAMES_ZH[word]}）" if word in _NAMES_ZH else word
            for word in problem.accepted or ()
            if " " not in word
        ]
        zh += f"，{_ACCEPTED_ZH.get(status, '可填')}：{'、'.join(listed)}" if listed else ""
    is_named = all(word in problem.detail for word in problem.accepted or ())
    rest = "" if is_named else f" Accepted: {', '.join(problem.accepted or ())}."
    shown = f" 示例 Example: {example_in(action, catalogue)}" if action and is_invalid else ""
    return f"{zh}。{problem.title}: {problem.detail}{rest}{shown}"


def example_in(action: AnyAction, catalogue: Catalogue) -> str:
    codes: Mapping[CodeKind, list[str]] = {
        "service": [each.code for each in catalogue.services],
        "district": [each.code for each in catalogue.districts],
        "department": [each.code for each in catalogue.departments],
    }
    return example(action, lambda kind, code: code if code in codes[kind] else codes[kind][0])


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
    kind, place = fault["type"], fault["loc"]
    if kind == "extra_forbidden":
        within, key = place[:-1], str(place[-1])
        zh = f"没有这一项，可填 {', '.join(table_at(model, within).model_fields)}"
        # A key that is no name may be anything that was sent.
        place = place if _NAME.fullmatch(key) else within
    elif kind == UNKNOWN_CODE:
        codes = fault["ctx"]["accepted"]  # of each entry the code and both names
        accepted = "、".join(f"{code}（{name}）" for code, name in zip(codes[::3], codes[2::3], strict=True))
        zh = f"没有这个{_KINDS_ZH[fault['ctx']['kind']]}代码，可填 {accepted}"
    elif kind == "string_pattern_mismatch":
        zh = form_of(fault)[1]
    else:
        facts: dict[str, Any] = dict(fault.get("ctx", {}))
        facts["listed"] = str(facts.get("expected", "")).replace(" or ", "、").replace(", ", "、").replace("'", "")
        zh = _FAULTS_ZH.get(kind, "填写有误").format_map(facts)
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
    run = WorkflowExecution(workflow_id=workflow_id, run_id=sent.workflow_execution.run_id)
    response = UpdateWorkflowExecutionResponse(
        update_ref=UpdateRef(workflow_execution=run, update_id=key),
        outcome=_outcome(catalogue, answer, action, body),
        stage=UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED,
    )
    return Response(MessageToJson(response, indent=None), media_type=JSON)


def _outcome(catalogue: Catalogue, answer: httpx.Response, action: AnyAction | None, body: bytes | None) -> Outcome:
    found = answer.json()
    if answer.is_success:
        if answer.status_code == HTTPStatus.ACCEPTED:
            found = {"remark": _LISTED_LATER, **found}
        done = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(found, ensure_ascii=False).encode())
        return Outcome(success=Payloads(payloads=[done]))
    problem = Problem.model_validate(found)
    info = ApplicationFailureInfo(type=problem.type, non_retryable=True)
    return Outcome(failure=Failure(message=bilingual(problem, action, body, catalogue), application_failure_info=info))


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
