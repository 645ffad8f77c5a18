"""Details of a case in the Temporal UI, in Chinese and English: facts, promises, timeline, and what may be done."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from pydantic import BaseModel

from domain.case.actions import TABLE
from domain.case.automatic.lateness import ESCALATE
from domain.case.clocks import APPROVE, CLOCK_ZH, DEPARTMENT_CLOCKS, Clock, ClockStatus
from domain.case.decide import CASE_KINDS, available_actions
from domain.case.lifecycle import Event, State
from domain.case.progress import recipient_of
from domain.case.state import CaseState
from domain.shared.actors import FORMER_CALLER, Role
from domain.shared.value import Phrase, english
from workflows.complaint.reasons import reason
from workflows.kit.words import ANYBODY, BREAK, WorkerNames, both, entry_line, local, markdown, plain

TELEPHONES = (Role.CALLER.value, FORMER_CALLER)
"""Recipients of notifications whose name is the number of a case."""
RECIPIENTS: Mapping[str, Phrase] = {
    **{role.value: (role.zh, english(role.value).capitalize()) for role in Role},
    "assignee": ("经办人", "Assignee"),
    "department": ("部门", "Department"),
    "lead": ("部门负责人", "Lead"),
    "director": ("分管领导", "Director"),
    "general_manager": ("总经理", "General manager"),
    FORMER_CALLER: ("原联系电话", "Former telephone"),
}
"""Kinds of recipients of notifications."""

FLAG_ZH = {
    "approval_rejected": "审批驳回",
    "approved": "已批准",
    "contact_changed": "责任人改过联系电话",
    "credit_waits": "补偿待审批",
    "criticised": "已通报批评",
    "extended": "已延期",
    "extension_waits": "延期待审批",
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
    "unsubscribed": "来电人已退订短信",
    "urged": "已催办",
}


def person(case: CaseState, person_id: str | None) -> str:
    """Name of a person of the case; a dash for None."""
    return plain(case.name_of(person_id))


def department(case: CaseState, code: str | None) -> str:
    """With both names and its code; a dash for None."""
    if code is None:
        return "-"
    unit = case.terms.unit(code)
    return f"`{code}`" if unit.name == code else f"{plain(unit.name_zh)} {plain(unit.name)} `{code}`"


def district(code: str | None, names: WorkerNames) -> str:
    """With both names, if they are known, and its code; a dash for None."""
    if code is None:
        return "-"
    return f"{plain(names.districts[code])} `{code}`" if code in names.districts else f"`{code}`"


def recipient(case: CaseState, address: str) -> str:
    """In words; `address` is `role` or `role:name`."""
    role, _, name = address.partition(":")
    who = department(case, name) if role == "department" else person(case, name)
    return both((both(RECIPIENTS.get(role, (role, ""))), who if name and role not in TELEPHONES else ""))


def flags(names: Iterable[str]) -> str:
    """With their Chinese names; a dash for none."""
    return ", ".join(f"{FLAG_ZH[name]} {name}" if name in FLAG_ZH else name for name in names) or "-"


RECENT = 10
"""Entries of the timeline that the details show; escalations in a row are one."""
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


_IN_WORDS: dict[str, tuple[str, Callable[[CaseState, Any], str]]] = {
    "clock": ("时限 promise", lambda _, name: f"{CLOCK_ZH.get(name, '')} {name}".strip()),
    "percent": ("已用 used", lambda _, percent: f"{percent} %"),
    "department": ("部门 department", department),
    "assignee": ("经办人 assignee", person),
    "owner": ("首问责任人 owner", person),
    "task": ("任务 task", _text),
    "approved": ("决定 decided", _decision),
    "subject": ("事项 subject", _text),
    "amount": ("金额 amount", lambda case, amount: _money(amount, case.terms.currency)),
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
    "wake_at": ("恢复时间 wakes at", lambda case, at: local(at, case.calendar.timezone)),
    "incident": ("事件 incident", _text),
    "key": ("收件人 recipient", lambda case, key: recipient(case, recipient_of(key))),
    "channel": ("渠道 channel", _text),
    "error": ("错误 error", _text),
    "note": ("备注 note", _text),
}
"""Facts of an event that the timeline shows, with their names in both languages. All others are left out: the intake,
the caller, the terms."""


Entry = str | Event
"""Entry of the timeline; that of an earlier run is a line already."""


def latest(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the recent entries, the oldest first."""
    return tuple(chain.from_iterable(_rows(entries)[-RECENT:]))


def lines(recent: Iterable[Entry], case: CaseState) -> list[str]:
    return [_line(row, case) for row in _rows(recent)]


def _rows(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Put escalations in a row together: many of them would hide who did what."""
    rows: list[list[Entry]] = []
    for entry in entries:
        if rows and _is_escalation(entry) and _is_escalation(rows[-1][0]):
            rows[-1].append(entry)
        else:
            rows.append([entry])
    return rows


def _is_escalation(entry: Entry) -> bool:
    return not isinstance(entry, str) and entry.action == ESCALATE.name


def _line(row: Sequence[Entry], case: CaseState) -> str:
    last = row[-1] if isinstance(row[-1], str) else timeline_line(row[-1], case)
    if len(row) == 1:
        return last
    return f"- **升级 {len(row)} 次** escalated {len(row)} times · 最近 the last: {last.removeprefix('- ')}"


def facts_in_words(facts: BaseModel, case: CaseState, of: Iterable[str] = tuple(_IN_WORDS)) -> Iterator[str]:
    """Yield these facts in words, each with its name in both languages; without those that nobody has set."""
    for fact in of:
        if (value := getattr(facts, fact, None)) not in (None, "", ()):
            name, words = _IN_WORDS[fact]
            yield f"{name}: {words(case, value)}"


def timeline_line(event: Event, case: CaseState) -> str:
    """On one line: when, what, who, the state it led to, and its facts."""
    (zh, _), zone, state = CASE_KINDS[event.action].done(event), case.calendar.timezone, State(event.to_state)
    return entry_line(event, zh, state, zone, facts_in_words(event.data, case))


SLA_ZH = {"on_time": "正常", "at_risk": "临期", "missed": "超时", "paused": "暂停"}


def details(case: CaseState, at: datetime, recent: Iterable[Entry], names: WorkerNames) -> str:
    """As Markdown, with the recent entries of its timeline, the oldest first.

    They hold what people wrote, and no field of the caller. They are as of the last change, so they name no ages.
    """
    terms, zone = case.terms, case.calendar.timezone
    title = names.incidents.get(case.incident or "")
    incident = f"- {case.incident} · {plain(title)}" if title is not None else f"- {case.incident}"
    return markdown(
        [
            f"## {case.number} · {terms.name_zh} {terms.name} ({terms.priority})",
            f"> {plain(case.intake.description)}",
            "",
            *_overview(case, names),
            *_section("部门联动 · Parts of other departments", _parts(case)),
            *promises(case),
            *_section("查明 · Found and done", _found(case, names)),
            *_section("回复 · Replied to the caller", [f"- {plain(case.reply)}"] if case.reply else []),
            *_section("回访 · Followed up", _followed_up(case)),
            *_section("审批 · Decided by management", [*_decided(case), *_undecided(case)]),
            *_section("未送达 · Not delivered", _not_delivered(case)),
            *_section("并案 · Incident", [incident] if case.incident else []),
            *_section(f"最近记录 · Latest entries ({zone})", reversed(lines(recent, case))),
            *_section("可办理 · What may be done next", [*_possible(case, at)] or ["- 无 nothing"]),
        ]
    )


def _section(heading: str, lines: Iterable[str]) -> list[str]:
    """Nothing if it has no lines."""
    return [f"### {heading}", *shown, ""] if (shown := [*lines]) else []


def _overview(case: CaseState, names: WorkerNames) -> list[str]:
    zone = case.calendar.timezone
    suspended = {"挂起原因 Suspended for": plain(case.suspended_for)} if _is_suspended(case) else {}
    wakes = {"恢复时间 Wakes at": local(case.wake_at, zone)} if case.wake_at else {}
    rows = {
        "状态 State": f"**{case.state.zh}** {case.state.value}",
        **suspended,
        **wakes,
        "首问责任人 Owner": person(case, case.owner),
        "部门 Department": department(case, case.department),
        "经办人 Assignee": person(case, case.assignee),
        "区域 District": district(case.intake.location.district, names),
        "轮次 Cycle": str(case.cycle),
        "时限 Service level": f"{SLA_ZH[case.sla]} {case.sla}",
        "标记 Flags": flags(case.flags),
        "受理 Registered": local(case.registered_at, zone),
    }
    if case.reopen_ends_at:
        withdrawn = case.state is State.WITHDRAWN
        until = "可撤回撤销至 May be reinstated until" if withdrawn else "可重开至 May be reopened until"
        rows[until] = local(case.reopen_ends_at, zone)
    return ["| 项目 Item | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items()), ""]


def _parts(case: CaseState) -> Iterable[str]:
    for part in case.parts:
        state, assignee = f"{part.state.zh} {part.state}", person(case, part.assignee)
        yield f"- {part.serial}. {department(case, part.department)} · {state} · {assignee} · {plain(part.task)}"


def _is_suspended(case: CaseState) -> bool:
    """Return True if it is suspended for a known reason: a case that was suspended long ago has none."""
    return case.state is State.SUSPENDED and case.suspended_for is not None


def _found(case: CaseState, names: WorkerNames) -> Iterable[str]:
    if case.result:
        yield f"- {plain(case.result)}"
    yield from (f"- {department(case, each.department)}: {plain(each.result)}" for each in case.parts if each.result)
    for finding in case.findings:
        name = f"{plain(names.findings[finding.code])} " if finding.code in names.findings else ""
        yield f"- 查实 finding {name}`{finding.code}` · {local(finding.found_at, case.calendar.timezone)}"


def _followed_up(case: CaseState) -> Iterable[str]:
    if last := case.answer:
        facts = [f"{OUTCOME_ZH[last.outcome]} {last.outcome}", *facts_in_words(last, case, ("solved", "satisfaction"))]
        yield f"- {local(last.answered_at, case.calendar.timezone)} · {' · '.join(facts)} · {plain(last.note)}"


def _decided(case: CaseState) -> Iterable[str]:
    for each in case.decisions:
        by = ", ".join(person(case, who) for who in each.decided_by)
        outcome, amount = _decision(case, each.approved), _money(each.amount, each.currency)
        reason = f"{BREAK}原因 reason: {plain(each.reason)}" if each.reason else ""
        yield f"- **{outcome}** · {plain(each.subject)} · {amount}{_why(each.grounds)} · {by}{reason}"


def _undecided(case: CaseState) -> Iterable[str]:
    currency, zone = case.terms.currency, case.calendar.timezone
    if asked := case.approval:
        who = asked.next_approver
        turn = f" · 审批人 turn: {person(case, who.holder or who.post)}" if who else ""
        clock = next((clock for clock in reversed(case.clocks) if clock.name == APPROVE and clock.live), None)
        due = f" · 到期 due **{local(clock.due_at(case.calendar), zone)}**" if clock else ""
        amount = _money(asked.amount, currency)
        yield f"- **待批 waits** · {plain(asked.subject)} · {amount}{_why(asked.grounds)}{turn}{due}"
    if owed := case.undecided_credits:
        yield f"- **待批 waits** · 补偿 credits: {len(owed)} · {_money(sum(one.amount for one in owed), currency)}"
        notes = dict.fromkeys((one.name, one.note) for one in owed if one.note)
        yield from (f"- **核对 check** · {plain(name)}: {plain(note)}" for name, note in notes)


def _money(amount: object, currency: str) -> str:
    return "-" if amount is None else f"{amount} {currency}"


def _why(grounds: str | None) -> str:
    return f" · 依据 grounds: {plain(grounds)}" if grounds else ""


def _not_delivered(case: CaseState) -> Iterable[str]:
    zone = case.calendar.timezone
    for each in case.failed_deliveries:
        to, error = recipient(case, each.recipient), plain(each.error)
        yield f"- {local(each.failed_at, zone)} · {to} · 渠道 channel {plain(each.channel)} · 错误 error {error}"


def _possible(case: CaseState, at: datetime) -> Iterable[str]:
    for row in (TABLE[action] for action in available_actions(case, ANYBODY, at)):
        roles = [f"{role.zh} {role}" for role in Role if role in row.roles - {Role.SYSTEM}]
        yield f"- [{row.zh}](/desk/cases/{case.number}/actions/{row.name}) `{row.name}`: {', '.join(roles)}"


def promises(case: CaseState) -> list[str]:
    shown = [clock for clock in case.clocks if clock.name != APPROVE]
    mine = [clock for clock in shown if clock.name in DEPARTMENT_CLOCKS or clock.part]
    owners = [clock for clock in shown if clock not in mine]
    zone = case.calendar.timezone
    return [
        f"### 部门时限 · The department's promises ({zone})",
        *([_item(case, clock) for clock in mine] or ["- 无 none"]),
        "",
        f"### 对来电人的承诺 · The owner's promises to the caller ({zone})",
        *([_item(case, clock) for clock in owners] or ["- 无 none"]),
        "",
    ]


def _item(case: CaseState, clock: Clock) -> str:
    """Clock on one line; one of an earlier cycle without its reason."""
    of_part = f" ({department(case, case.parts[clock.part - 1].department)})" if clock.part else ""
    earlier = f"第 {clock.cycle} 轮 cycle {clock.cycle} · " if clock.cycle != case.cycle else ""
    name = f"{earlier}**{CLOCK_ZH[clock.name]} {clock.name}**{of_part}"
    due = clock.due_at(case.calendar)
    until = f" · 到期 due **{local(due, case.calendar.timezone)}**" if due else ""
    why = (
        f"{BREAK}{' · '.join(reason(case, clock))}" if not earlier and clock.status is not ClockStatus.CANCELLED else ""
    )
    given = f"{BREAK}原因 reason: {plain(case.suspended_for)}" if clock.paused and _is_suspended(case) else ""
    return f"- {name} · {clock.status.zh} {clock.status}{until}{why}{given}"
