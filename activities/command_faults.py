"""Faults of the argument of an action's update, explained in Chinese and English with an example that is accepted."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from domain.case.actions import COMMANDS
from domain.incident.actions import INCIDENT_COMMANDS
from domain.shared.codes import UNKNOWN_CODE, FindCode
from domain.shared.command import Command
from domain.shared.event import AnyAction
from domain.shared.explain import causes, form_of, message, table_at

NO_HANDLER = "expected but not found"
"""Words of the SDK's error for an update that a worker does not know."""
INVALID_ARGUMENTS = "InvalidArguments"
"""Type of the failure of an update whose argument is wrong."""
PERSON, COLLEAGUE = "10031", "10046"
"""Ids of the person who acts, and of one who is named, in examples."""
MOST_FAULTS = 5
"""Faults that a message names."""
_ACTIONS: Mapping[str, Mapping[str, AnyAction]] = {
    "ComplaintWorkflow": COMMANDS,
    "IncidentWorkflow": INCIDENT_COMMANDS,
}
_KINDS_ZH = {"service": "服务项目", "district": "区域", "department": "部门"}
_FAULTS_ZH = {
    "missing": "必填",
    "string_type": "应填文字",
    "string_too_short": "不能为空",
    "string_too_long": "不能超过 {max_length} 字",
    "too_long": "不能超过 {max_length} 项",
    "int_type": "应填整数",
    "int_parsing": "应填整数",
    "bool_type": "应填 true 或 false",
    "bool_parsing": "应填 true 或 false",
    "decimal_type": '应填金额，如 "860.00"',
    "decimal_parsing": '应填金额，如 "860.00"',
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "literal_error": "可填 {listed}",
    "enum": "可填 {listed}",
    "instant": "应填带时区的时间，如 {example}",
    "half_coordinates": "lat 和 lng 应同时填写、同时为 null 或都不填",
    "model_type": "应填一个 JSON 对象",
    "model_attributes_type": "应填一个 JSON 对象",
    "dict_type": "应填一个 JSON 对象",
    "tuple_type": '应填列表，如 ["…"]',
    "list_type": '应填列表，如 ["…"]',
    "follow_up_form": "只填 outcome，或只填 contacted: false，或填 contacted: true 并填 solved 和 satisfaction",
    "json_invalid": "不是有效的 JSON",
}
"""Chinese words for pydantic's types of errors; all others are 填写有误."""
_FAULTS_EN = {
    "missing": "required",
    "model_type": "one JSON object is accepted",
    "model_attributes_type": "one JSON object is accepted",
    "dict_type": "one JSON object is accepted",
    "literal_error": "accepted: {expected}",
    "enum": "accepted: {expected}",
}
"""English words where those of pydantic quote a pattern or do not say what is accepted."""


_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]{0,39}")


class Unreadable:
    """Argument of an action's update that could not be decoded."""


def action_meant(update: str) -> AnyAction | None:
    """Return the action of this update of the present workflow; None for an update that is no action."""
    return _ACTIONS.get(workflow.info().workflow_type, {}).get(update)


def example(action: AnyAction) -> str:
    """Return a short argument of the action's update as JSON: the plain body, and who acts.

    Instants are left out where they may be, as those of the examples have passed; so is the note.
    """
    body = action.example
    said = {name for name in body.model_fields_set if not isinstance(getattr(body, name), datetime)} - {"note"}
    with suppress(ValidationError):
        body = action.body.model_validate(body.model_dump(include=said, exclude_unset=True))
    ids = {name: COLLEAGUE for name in ("owner", "assignee") if name in said}
    sent = {"as": PERSON} | body.model_dump(mode="json", exclude_unset=True) | ids
    return json.dumps(sent, ensure_ascii=False)


def check_argument(action: AnyAction, sent: Sequence[Payload], find: FindCode | None = None) -> None:
    """Raise ApplicationError if this is not the one argument of the action's update.

    Args:
        action: the action of the update.
        sent: the encoded arguments.
        find: finds the codes of the catalogue in force, which the body may have alone; None for any code.
    """
    kind: type[Command] = Command.__class_getitem__(action.body)  # type: ignore[type-arg, assignment]  # known at run time
    try:
        [one] = sent
        kind.model_validate_json(one.data or b"null", context={"codes": find})
    except ValidationError as error:
        raise _failure(action, causes(error.errors(include_url=False, include_input=False))) from None
    except ValueError:
        raise _failure(action, ()) from None


def unreadable(action: AnyAction) -> ApplicationError:
    """Return the failure of an argument in another encoding than JSON."""
    return _failure(action, ())


def _failure(action: AnyAction, faults: Sequence[ErrorDetails]) -> ApplicationError:
    told = list(dict.fromkeys(_fault(action, fault) for fault in faults))[:MOST_FAULTS]
    told = told or [("应填一个 JSON 对象", "one JSON object is accepted")]
    zh, en = "；".join(zh for zh, _ in told), "; ".join(en for _, en in told)
    text = f"填写有误：{zh}。Not accepted: {en}. 示例 Example: {example(action)}"
    return ApplicationError(text, type=INVALID_ARGUMENTS, non_retryable=True)


def _fault(action: AnyAction, fault: ErrorDetails) -> tuple[str, str]:
    """Return the field and what is wrong with it, in Chinese and in English, without any value that was sent."""
    kind, place = fault["type"], fault["loc"]
    if kind == "extra_forbidden":
        within, key = place[:-1], str(place[-1])
        fields = ", ".join((*(("as",) if len(within) == 1 else ()), *table_at(action.body, within[1:]).model_fields))
        zh, en = f"没有这一项，可填 {fields}", f"unknown field; accepted: {fields}"
        # A key that is no name may be anything that was sent.
        place = place if _NAME.fullmatch(key) else within
    elif kind == UNKNOWN_CODE:
        codes = fault["ctx"]["accepted"]  # of each entry the code and both names
        accepted = "、".join(f"{code}（{name}）" for code, name in zip(codes[::3], codes[2::3], strict=True))
        zh, en = f"没有这个{_KINDS_ZH[fault['ctx']['kind']]}代码，可填 {accepted}", fault["msg"]
    elif kind == "string_pattern_mismatch":
        en, zh = form_of(fault)
    else:
        facts = dict(fault.get("ctx", {}))
        facts["listed"] = str(facts.get("expected", "")).replace(" or ", "、").replace(", ", "、").replace("'", "")
        zh = _FAULTS_ZH.get(kind, "填写有误").format_map(facts)
        en = _FAULTS_EN.get(kind, "").format_map(facts) or message(fault)
    field = "as" if place[:1] == ("actor",) else ".".join(map(str, place[place[:1] == ("body",) :]))
    return (f"{field}：{zh}", f"{field}: {en}") if field else (zh, en)
