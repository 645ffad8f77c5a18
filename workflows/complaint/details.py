"""Details of a case in the Temporal UI, in Chinese and English."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime

from domain.case.actions import TABLE
from domain.case.clocks import APPROVE
from domain.case.decide import available_actions
from domain.case.events import Event
from domain.case.lifecycle import State
from domain.case.state import CaseState
from domain.shared.actors import Role
from workflows.complaint.promises import promises
from workflows.complaint.timeline import OUTCOME_ZH, lines, said_in
from workflows.complaint.words import department, district, flags, person, recipient
from workflows.kit.words import ANYBODY, BREAK, WorkerNames, local, markdown, plain

_SLA_ZH = {"on_time": "正常", "at_risk": "临期", "missed": "超时", "paused": "暂停"}


def details(case: CaseState, at: datetime, recent: Iterable[str | Event], names: WorkerNames) -> str:
    """Return the details of a case at `at` as Markdown, with the recent entries of its timeline, the oldest first.

    They hold what people wrote, and no field of the caller. They are as of the last change, so they name no ages.
    """
    terms, zone = case.terms, case.calendar.timezone
    return markdown(
        [
            f"## {case.number} · {terms.name_zh} {terms.name} ({terms.priority})",
            f"> {plain(case.intake.description)}",
            "",
            *_overview(case, names),
            *_parts(case),
            *promises(case),
            *_found(case),
            *_section("回复 · Replied to the caller", [f"- {plain(case.reply)}"] if case.reply else []),
            *_section("回访 · Followed up", _followed_up(case)),
            *_section("审批 · Decided by management", [*_decided(case), *_undecided(case)]),
            *_section("未送达 · Not delivered", _not_delivered(case)),
            *_section("并案 · Incident", _incident(case, names)),
            *_section(f"最近记录 · Latest entries ({zone})", reversed(lines(recent, case))),
            *_section("可办理 · What may be done next", _possible(case, at) or ["- 无 nothing"]),
        ]
    )


def _section(heading: str, lines: Iterable[str]) -> list[str]:
    """Return a section, or nothing if it has no lines."""
    return [f"### {heading}", *shown, ""] if (shown := [*lines]) else []


def _overview(case: CaseState, names: WorkerNames) -> list[str]:
    zone = case.calendar.timezone
    rows = {
        "状态 State": f"**{case.state.zh}** {case.state.value}",
        "首问责任人 Owner": person(case, case.owner),
        "部门 Department": department(case, case.department),
        "经办人 Assignee": person(case, case.assignee),
        "区域 District": district(case.intake.location.district, names),
        "轮次 Cycle": str(case.cycle),
        "时限 Service level": f"{_SLA_ZH[case.sla]} {case.sla}",
        "标记 Flags": flags(case.flags),
        "受理 Registered": local(case.registered_at, zone),
    }
    if case.wake_at:
        rows["恢复时间 Wakes at"] = local(case.wake_at, zone)
    if case.reopen_ends_at:
        withdrawn = case.state is State.WITHDRAWN
        until = "可撤回撤销至 May be reinstated until" if withdrawn else "可重开至 May be reopened until"
        rows[until] = local(case.reopen_ends_at, zone)
    return ["| 项目 Item | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items()), ""]


def _parts(case: CaseState) -> list[str]:
    lines = (
        f"- {part.serial}. {department(case, part.department)} · {part.state.zh} {part.state}"
        f" · {person(case, part.assignee)} · {plain(part.task)}"
        for part in case.parts
    )
    return _section("部门联动 · Parts of other departments", lines)


def _found(case: CaseState) -> list[str]:
    """Return what the departments found and did."""
    lines = [f"- {plain(case.result)}"] if case.result else []
    lines += [f"- {department(case, part.department)}: {plain(part.result)}" for part in case.parts if part.result]
    lines += [
        f"- 查实 finding `{finding.code}` · {local(finding.found_at, case.calendar.timezone)}"
        for finding in case.findings
    ]
    return _section("查明 · Found and done", lines)


def _followed_up(case: CaseState) -> Iterable[str]:
    if said := case.answer:
        facts = [f"{OUTCOME_ZH[said.outcome]} {said.outcome}", *said_in(said, case, ("solved", "satisfaction"))]
        yield f"- {local(said.answered_at, case.calendar.timezone)} · {' · '.join(facts)} · {plain(said.note)}"


def _decided(case: CaseState) -> Iterable[str]:
    for each in case.decisions:
        outcome = "同意 approved" if each.approved else "不同意 rejected"
        by = ", ".join(person(case, who) for who in each.decided_by)
        amount = _money(each.amount, each.currency)
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
        total = sum(one.amount for one in owed)
        yield f"- **待批 waits** · 补偿 credits: {len(owed)} · {_money(total, currency)}"
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


def _incident(case: CaseState, names: WorkerNames) -> Iterable[str]:
    if number := case.incident:
        yield f"- {number} · {plain(names.incidents[number])}" if number in names.incidents else f"- {number}"


def _possible(case: CaseState, at: datetime) -> list[str]:
    rows = [TABLE[action] for action in available_actions(case, ANYBODY, at)]
    return [f"- {row.zh} `{row.name}`: {_roles(row.roles - {Role.SYSTEM})}" for row in rows]


def _roles(roles: AbstractSet[Role]) -> str:
    return ", ".join(f"{role.zh} {role}" for role in Role if role in roles)
