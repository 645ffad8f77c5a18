"""A case in the Temporal UI: summary, search attributes, and details in Chinese and English."""

from datetime import datetime

from temporalio.common import Priority, TypedSearchAttributes

from domain.case.clocks import CLOCK_ZH, Clock, ClockStatus
from domain.case.clocks import DEPARTMENT as DEPARTMENT_CLOCKS
from domain.case.decisions import available_actions
from domain.case.intake import Actor
from domain.case.lifecycle import STATE_ZH, TABLE, Role
from domain.case.parts import PART_STATE_ZH
from domain.case.state import Record
from workflows.presentation import search_attributes as keys

_STATUS_ZH = {
    ClockStatus.WAITING: "未开始",
    ClockStatus.RUNNING: "计时中",
    ClockStatus.PAUSED: "暂停",
    ClockStatus.MET: "按时",
    ClockStatus.MISSED: "超时",
    ClockStatus.CANCELLED: "取消",
}
_SLA_ZH = {"on_time": "正常", "at_risk": "临期", "missed": "超时", "paused": "暂停"}
ANYBODY = Actor(name="anybody", role=Role.ADMIN)
"""Reader of the Temporal UI, which shows what any role may do."""


def workflow_id(number: str) -> str:
    """Return the workflow id of a case."""
    return f"complaint-{number}"


def urgency(record: Record) -> Priority:
    """Return the priority of a case's work in queues: emergencies (P1) go before all else."""
    return Priority(priority_key=int(record.terms.priority.removeprefix("P")))


def summary(record: Record) -> str:
    """Return one line for the list of workflows, without personal data."""
    terms = record.terms
    where = record.intake.location.district or "-"
    return f"{terms.priority} {terms.name_zh} {terms.name} · {where} · {record.number}"


def search_attributes(record: Record) -> keys.Values:
    """Return the search attributes of a case as it is now."""
    return {
        keys.STATE: record.state.value,
        keys.SERVICE: record.intake.service_code,
        keys.DISTRICT: record.intake.location.district,
        keys.DEPARTMENT: record.department,
        keys.OWNER: record.owner,
        keys.PRIORITY: record.terms.priority,
        keys.SLA: record.sla,
        keys.INCIDENT: record.incident,
        keys.NEXT_DUE_AT: record.next_due(),
        keys.INVOLVED: [part.department for part in record.unfinished] or None,
        keys.FLAGS: list(record.flags) or None,
    }


def attributes(record: Record) -> TypedSearchAttributes:
    """Return the search attributes to start the workflow of a case with."""
    return keys.typed(search_attributes(record))


def details(record: Record, at: datetime) -> str:
    """Return the details of a case at `at` as Markdown. It stays until the case changes, so it names no ages."""
    terms = record.terms
    may = [TABLE[action] for action in available_actions(record, ANYBODY, at)]
    lines = [
        f"## {record.number} · {terms.name_zh} {terms.name} ({terms.priority})",
        "",
        "| 项目 | Item | |",
        "|---|---|---|",
        f"| 状态 | State | **{STATE_ZH[record.state]}** {record.state.value} |",
        f"| 首问责任人 | Owner | {plain(record.owner)} |",
        f"| 部门 | Department | {record.department or '-'} |",
        f"| 处理人 | Assignee | {plain(record.assignee)} |",
        f"| 轮次 | Cycle | {record.cycle} |",
        f"| 时限 | Service level | {_SLA_ZH[record.sla]} {record.sla} |",
        f"| 标记 | Flags | {', '.join(record.flags) or '-'} |",
        *_waits_for(record),
        "",
        *_parts(record),
        "### 部门时限 · The department's promises",
        *_promises(record, [k for k in record.clocks if k.name in DEPARTMENT_CLOCKS or k.part]),
        "",
        "### 对来电人的承诺 · The owner's promises to the caller",
        *_promises(record, [k for k in record.clocks if k.name not in DEPARTMENT_CLOCKS and not k.part]),
        "",
        "### 可办理 · What may be done next",
        ", ".join(f"{row.zh} `{row.action.value}`" for row in may) or "- 无 nothing",
    ]
    return drawn(lines)


def drawn(lines: list[str]) -> str:
    """Return the lines as Markdown for the UI, which draws tables without space between the columns."""
    # Markdown does not trim this space.
    return "\n".join(lines).replace(" | ", "\N{EN SPACE}| ")


def _waits_for(record: Record) -> list[str]:
    rows = []
    if record.incident:
        rows.append(f"| 并案 | Incident | {record.incident} |")
    if record.wake_at:
        rows.append(f"| 恢复时间 | Wakes at | {when(record.wake_at)} |")
    if record.approval:
        rows.append(f"| 报批 | Approval asked | {record.approval.amount or '-'} {record.terms.currency} |")
        if who := record.approval.turn:
            rows.append(f"| 审批人 | Whose turn | {plain(who.holder or who.post)} |")
    if owed := record.credits_waiting:
        total = sum(one.amount for one in owed)
        rows.append(f"| 待批补偿 | Credits to approve | {len(owed)}: {total} {record.terms.currency} |")
    if record.reopen_ends_at:
        rows.append(f"| 可重开至 | May be reopened until | {when(record.reopen_ends_at)} |")
    return rows


def _parts(record: Record) -> list[str]:
    """Return the parts of further departments; nothing if there are none."""
    if not record.parts:
        return []
    rows = [
        f"| {part.serial} | {part.department} | {PART_STATE_ZH[part.state]} {part.state} | {plain(part.assignee)} |"
        for part in record.parts
    ]
    head = ["### 部门联动 · Departments together", "| # | 部门 Department | 状态 State | 处理人 Assignee |"]
    return [*head, "|---|---|---|---|", *rows, ""]


def _promises(record: Record, clocks: list[Clock]) -> list[str]:
    if not clocks:
        return ["- 无 none"]
    rows = ["| 轮次 Cycle | 时限 Clock | 状态 Status | 到期 Due (UTC) |", "|---|---|---|---|"]
    return rows + [
        f"| {clock.cycle} | {CLOCK_ZH[clock.name]} {clock.name}{_department_of(record, clock)} "
        f"| {_STATUS_ZH[clock.status]} {clock.status.value} | {when(clock.due_at(record.calendar))} |"
        for clock in clocks
    ]


def _department_of(record: Record, clock: Clock) -> str:
    return f" ({record.parts[clock.part - 1].department})" if clock.part else ""


def plain(name: str | None) -> str:
    """Return a name as a cell of a table takes it."""
    return name.replace("|", "\\|") if name else "-"


def when(at: datetime | None) -> str:
    """Return an instant as the UI shows it; a dash for None."""
    return at.isoformat(" ", "seconds")[:19] if at else "-"
