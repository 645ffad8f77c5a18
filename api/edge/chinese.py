"""Chinese words of refusals: what a problem is, what is wrong with a field, and what would be accepted."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic_core import ErrorDetails

from domain.assessment.actions import ASSESSMENT_ACTIONS
from domain.case.actions import ACTIONS
from domain.incident.actions import INCIDENT_ACTIONS
from domain.kit.event import AnyAction
from domain.shared.actors import Role
from domain.shared.codes import UNKNOWN_CODE
from domain.shared.errors import Accepted, form_of
from domain.shared.numbers import NumberError
from domain.shared.value import RFC_3339, Phrase, exhaustive

_KNOWN: tuple[AnyAction, ...] = (*ACTIONS, *INCIDENT_ACTIONS, *ASSESSMENT_ACTIONS)
_QUOTED = re.compile(r"'([^']*)'")
_ZH = {
    "invalid-request": "填写有误",
    "malformed-json": "不是有效的 JSON 对象",
    "unknown-owner": "所填首问责任人不在在岗人员名录中，或属抢修人员",
    "unknown-assignee": "所填经办人不是该部门的在岗人员",
    "wrong-scope": "您的密钥只能查询，不能办理",
    "idempotency-key-reused": "该编号已用于另一次办理",
    "complaint-not-found": "没有这张工单",
    "incident-not-found": "没有这个突发事件",
    "assessment-not-found": "没有这个月的考核",
    "unknown-action": "没有这个操作",
    "unknown-agent": "所填话务员不在在岗人员名录中",
    "unknown-service": "没有这个服务项目代码",
    "unknown-district": "没有这个区域代码",
    "unknown-department": "没有这个部门代码",
    "unknown-incident": "没有这个突发事件",
    "since-ahead": "起算时间不能晚于现在",
    "unknown-cases": "所填工单中有查不到的",
    "unknown-figure": "没有这个考核指标",
    "unknown-subject": "没有这个考核对象",
    "case-not-counted": "该指标未计入此工单",
    "workflow-lost": "工作流已丢失，请联系运维人员恢复",
    "incident-closed": "该突发事件已结束",
    "cases-over": "所填工单中有已回复的",
    "credit-limit-reached": "该户补偿已达上限",
    "no-text-messages": "未开通短信渠道，无法发送链接",
    "contact-without-witness": "来电人电话由责任人更改或属工作人员，不能据此发送链接",
    "call-mismatch": "所填来电与本人、来电号码或时间不符",
    "work-order-over": "此派工单的链接已失效，请重新打印",
    "other-owner": "您只能查看本人负责的工单",
    "no-role": "您的账号没有本系统的岗位，请联系管理员",
    "no-such-person": "您不在在岗人员名录中，请联系管理员登记",
    "malformed-key": "密钥格式不对，请完整复制（hk_ 开头，共 55 位）",
    "unauthorized": "未提供密钥，或密钥不存在、已过期、已吊销",
    "invalid-token": "公司账号系统给出的令牌无效，请重新登录",
    "issuer-unavailable": "公司账号系统暂时没有应答，请稍后再试，或用密钥登录",
    "sign-in-refused": "公司账号登录未成功，请重新开始",
    "signed-out-here": "本浏览器已退出；系统暂时繁忙，其他电脑上的会话尚未结束，请稍后登录并再次退出",
    "foreign-request": "本次提交来自其他网站，未予受理",
    "too-many-guesses": "尝试次数过多，请一分钟后再试",
    "masked-search": "您无权按脱敏内容查询",
    "letter-not-dead": "该通知不在死信之列",
    "period-not-ended": "该期间尚未结束",
    "invalid-number": "应填工单号：13 位数字，末位为校验位",
    "invalid-period": "起止时间有误，止应晚于起，且不超过规定的长度",
    "invalid-call": "来电时间应依次为来电、接听、结束，且不晚于现在",
    "invalid-cursor": "翻页位置无效",
    "invalid-etag": "版本标识有误，应照填查询结果中的 ETag",
    "invalid-idempotency-key": "Idempotency-Key 有误，应填 1 至 200 个可见字符",
    **dict.fromkeys(("temporal-ui-not-allowed", "dangerous-request"), "不允许此请求"),
}
"""Chinese words by type of the problem; those of the domain have their own (`add_words`)."""
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
_BEFORE_ACCEPTED: Mapping[int, Phrase] = {
    HTTPStatus.FORBIDDEN: ("有权办理", "it takes"),
    HTTPStatus.CONFLICT: ("可改为", "accepted"),
}
_NAMES_ZH = {**{role.value: role.zh for role in Role}, **{action.name: action.zh for action in reversed(_KNOWN)}}
_KINDS_ZH = {
    "service": "服务项目",
    "district": "区域",
    "department": "部门",
    "finding": "查实事项",
    "channel": "来电渠道",
}
_FAULTS_ZH = {
    "missing": "必填",
    "string_type": "应填文字",
    "string_too_short": "不能为空",
    "string_too_long": "不能超过 {max_length} 字",
    "too_short": "至少填 {min_length} 项",
    "too_long": "不能超过 {max_length} 项",
    "hidden": "应填文字，不含不可见字符",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "应填整数"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "应填数字"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "应填 true 或 false"),
    **dict.fromkeys(("decimal_type", "decimal_parsing"), '应填金额，如 "860.00"'),
    "decimal_max_digits": "不能超过 {max_digits} 位数字",
    "decimal_max_places": "小数不能超过 {decimal_places} 位",
    "decimal_whole_digits": "整数部分不能超过 {whole_digits} 位",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    **dict.fromkeys(("literal_error", "enum"), "可填 {listed}"),
    "instant": "应填带时区的时间，如 {example}",
    "half_coordinates": "纬度和经度应同时填写、同时清空或都不填",
    "half_circle": "圆形范围应同时填写纬度、经度和半径",
    "circle_and_streets": "圆形范围和路段只能填一种",
    "no_place": "区域、圆形范围（纬度、经度和半径）、路段应至少填一种",
    "only_of_thanks": "服务项目为表扬时才填表扬对象",
    "ground_of_approval": "不予批准时才填理由",
    "one_key_of_callers": "电话号码和用户号只填一项",
    "period": "应填日期或期间，如 2026-08-03、2026-W32、2026-08",
    "day_or_instant": "应填日期或带时区的时间，如 2026-08-03、2026-08-03T08:00:00+08:00",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "应填一个 JSON 对象"),
    **dict.fromkeys(("tuple_type", "list_type"), '应填列表，如 ["…"]'),
    "follow_up_form": "只填回访结果；或未联系上的，只填是否联系上；或已联系上的，同时填是否联系上、是否解决和满意度",
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), "应填日期，如 2026-12-01"),
}
"""Chinese words for pydantic's types of errors; all others are 填写有误."""


def add_words(slug: str, zh: str) -> None:
    _ZH[slug] = zh


def check_words(kinds: Iterable[tuple[str, HTTPStatus, str]]) -> None:
    """Raise LookupError with the types that have no Chinese words, neither of their own nor by their status."""
    exhaustive("_ZH", (slug for slug, status, _ in kinds if status not in _ZH_BY_STATUS), _ZH)


def title(slug: str, status: HTTPStatus) -> str:
    return _ZH.get(slug) or _ZH_BY_STATUS.get(status, "未办理")


def before_accepted(status: int, accepted: Iterable[str]) -> Phrase:
    """Words before what is accepted: a time, actions, or by the status of the problem."""
    if all(map(RFC_3339.fullmatch, accepted)):
        return "可办理时间", "possible from"
    if status == HTTPStatus.CONFLICT and all(name in _NAMES_ZH for name in accepted):
        return "现可办理", "possible now"
    return _BEFORE_ACCEPTED.get(status, ("可填", "accepted"))


def said(accepted: Iterable[Accepted], *, zh: bool) -> list[str]:
    """Return what would be accepted in one language; a code or an example as it is sent."""
    return [each if isinstance(each, str) else each[not zh] for each in accepted]


def listed(found: ErrorDetails) -> list[str]:
    """Values of which one is expected; empty if a fault lists none."""
    return _QUOTED.findall(str(found.get("ctx", {}).get("expected", "")))


def sentence(slug: str, status: HTTPStatus, accepted: Iterable[str] | None) -> str:
    """Title of a type, and what would be accepted."""
    words = [*(accepted or ())]
    named = "、".join(f"{word}（{_NAMES_ZH[word]}）" if word in _NAMES_ZH else word for word in words)
    return title(slug, status) + (f"，{before_accepted(status, words)[0]}：{named}" if words else "")


def fault(found: ErrorDetails, fields: Iterable[str] = ()) -> str:
    """Say what is wrong with a field, without any value that was sent; `fields` are accepted for an unknown one."""
    kind, facts = found["type"], dict[str, Any](found.get("ctx", {}))
    if kind == "extra_forbidden":
        return f"没有这一项，可填 {', '.join(fields)}"
    if kind == UNKNOWN_CODE:
        codes = facts["accepted"]  # of each entry the code and both names
        accepted = "、".join(f"{code}（{name}）" for code, name in zip(codes[::3], codes[2::3], strict=True))
        return f"没有这个{_KINDS_ZH[facts['kind']]}代码，{f'可填 {accepted}' if accepted else '服务目录中没有可填的'}"
    if kind == "string_pattern_mismatch":
        return form_of(found)[1]
    if isinstance(facts.get("error"), NumberError):
        return _ZH["invalid-number"]
    facts["listed"] = "、".join(listed(found))
    return _FAULTS_ZH[kind].format_map(facts) if kind in _FAULTS_ZH else _ZH.get(kind, "填写有误")
