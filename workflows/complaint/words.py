"""Words of a case in Chinese and English, as the Temporal UI shows them: people, departments, flags, its timeline."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from domain.case.clocks import CLOCK_ZH
from domain.case.decide import CASE_KINDS
from domain.case.lifecycle import Event, State
from domain.case.progress import recipient_of
from domain.case.state import CaseState
from domain.shared.actors import Role
from workflows.kit.words import WorkerNames, local, plain

_POSTS = {
    "assignee": "经办人",
    "department": "部门",
    "lead": "部门负责人",
    "director": "分管领导",
    "general_manager": "总经理",
}
"""Recipients that are no roles."""

FLAG_ZH = {
    "approval_rejected": "审批驳回",
    "approved": "已批准",
    "contact_changed": "责任人改过联系电话",
    "credit_waits": "补偿待审批",
    "criticised": "已通报批评",
    "extended": "已延期",
    "hardship": "困难户",
    "left_out": "未执行",
    "noticed": "已发催办通知书",
    "own_cause": "另有原因",
    "possible_duplicate": "疑似重复",
    "reopened": "已重开",
    "repeat_caller": "重复来电",
    "reworked": "已重办",
    "supervised": "督办",
    "undelivered": "未送达",
    "unreachable": "未联系上",
    "urged": "已催办",
}


def person(case: CaseState, person_id: str | None) -> str:
    """Return the name of a person of the case; a dash for None."""
    return plain(case.name_of(person_id))


def department(case: CaseState, code: str | None) -> str:
    """Return a department with both names and its code; a dash for None."""
    if code is None:
        return "-"
    unit = case.terms.unit(code)
    return f"`{code}`" if unit.name == code else f"{plain(unit.name_zh)} {plain(unit.name)} `{code}`"


def district(code: str | None, names: WorkerNames) -> str:
    """Return a district with both names, if they are known, and its code; a dash for None."""
    if code is None:
        return "-"
    return f"{plain(names.districts[code])} `{code}`" if code in names.districts else f"`{code}`"


def recipient(case: CaseState, address: str) -> str:
    """Return the recipient of a notification, `role` or `role:name`, in words."""
    role, _, name = address.partition(":")
    zh = Role(role).zh if role in [*Role] else _POSTS.get(role, "")
    who = department(case, name) if role == "department" else person(case, name)
    return f"{zh} {role} {who}".strip() if name and role != Role.CALLER else f"{zh} {role}".strip()


def flags(names: Iterable[str]) -> str:
    """Return flags with their Chinese names; a dash for none."""
    return ", ".join(f"{FLAG_ZH[name]} {name}" if name in FLAG_ZH else name for name in names) or "-"


RECENT = 10
"""Entries of the timeline that the details show."""
LONGEST_WORDS = 160
"""Characters of a text in an entry: the entries travel in the start message of the next run."""
OUTCOME_ZH = {"satisfied": "满意", "dissatisfied": "不满意", "unreachable": "未联系上"}


def _text(_: CaseState, value: object) -> str:
    texts = value if isinstance(value, tuple) else (value,)
    return plain(", ".join(map(str, texts)), LONGEST_WORDS)


def _decision(_: CaseState, approved: bool) -> str:
    return "同意 approved" if approved else "不同意 rejected"


def _yes_or_no(_: CaseState, yes: bool) -> str:
    return "是 yes" if yes else "否 no"


def _instant(case: CaseState, at: datetime) -> str:
    return local(at, case.calendar.timezone)


def _amount(case: CaseState, amount: Decimal) -> str:
    return f"{amount} {case.terms.currency}"


_SAID: dict[str, tuple[str, Callable[[CaseState, Any], str]]] = {
    "clock": ("时限 promise", lambda _, name: f"{CLOCK_ZH.get(name, '')} {name}".strip()),
    "percent": ("已用 used", lambda _, percent: f"{percent} %"),
    "department": ("部门 department", department),
    "assignee": ("经办人 assignee", person),
    "owner": ("首问责任人 owner", person),
    "task": ("任务 task", _text),
    "approved": ("决定 decided", _decision),
    "subject": ("事项 subject", _text),
    "amount": ("金额 amount", _amount),
    "grounds": ("依据 grounds", _text),
    "working_days": ("工作日 working days", _text),
    "outcome": ("结果 outcome", lambda _, outcome: f"{OUTCOME_ZH.get(outcome, '')} {outcome}".strip()),
    "contacted": ("已联系 contacted", _yes_or_no),
    "solved": ("已解决 solved", _yes_or_no),
    "satisfaction": ("满意度 satisfaction", lambda _, step: f"{step.zh} {step}"),
    "result": ("查明 found", _text),
    "findings": ("查实 findings", _text),
    "message": ("答复 replied", _text),
    "reason": ("原因 reason", _text),
    "ground": ("理由 ground", _text),
    "wake_at": ("恢复时间 wakes at", _instant),
    "incident": ("事件 incident", _text),
    "key": ("收件人 recipient", lambda case, key: recipient(case, recipient_of(key))),
    "channel": ("渠道 channel", _text),
    "error": ("错误 error", _text),
    "note": ("备注 note", _text),
}
"""Facts of an event that an entry tells, with their names in both languages. All others are left out: the intake, the
caller, the terms."""


def lines(recent: Iterable[str | Event], case: CaseState) -> list[str]:
    """Return the entries of a timeline as lines; of an earlier run, they are lines already."""
    return [entry if isinstance(entry, str) else timeline_line(entry, case) for entry in recent]


def said_in(facts: BaseModel, case: CaseState, of: Iterable[str] = tuple(_SAID)) -> Iterator[str]:
    """Yield these facts in words, each with its name in both languages; without those that nobody has set."""
    for fact in of:
        if (value := getattr(facts, fact, None)) not in (None, "", ()):
            name, words = _SAID[fact]
            yield f"{name}: {words(case, value)}"


def timeline_line(event: Event, case: CaseState) -> str:
    """Return an event of the case as one line: when, what, who, the state it led to, and what was said."""
    kind = CASE_KINDS[event.action]
    actor = "系统 system" if event.role is Role.SYSTEM else plain(event.people.get(event.actor, event.actor))
    said = "".join(f"; {told}" for told in said_in(event.data, case))
    zone, state = case.calendar.timezone, State(event.to_state)
    return f"- {local(event.at, zone)} · **{kind.zh}** `{event.action}` · {actor} → {state.zh} {state}{said}"
