"""A case in the Temporal UI: summary, search attributes, and details in Chinese and English."""

from collections.abc import Iterable
from datetime import datetime

from temporalio.common import Priority

from domain.case.actions import TABLE
from domain.case.clocks import CLOCK_ZH, Clock
from domain.case.clocks import DEPARTMENT as DEPARTMENT_CLOCKS
from domain.case.decide import available_actions
from domain.case.events import Event
from domain.case.kinds import KINDS
from domain.case.state import CaseState
from domain.shared.actors import Actor, Role
from workflows.presentation import search_attributes as keys

_SLA_ZH = {"on_time": "正常", "at_risk": "临期", "missed": "超时", "paused": "暂停"}
RECENT = 10
"""Entries of the timeline that the details show."""
UNVERIFIED = " (未核实 unverified, from the Temporal UI)"
ANYBODY = Actor(id="anybody", role=Role.ADMIN)
"""Reader of the Temporal UI, which shows what any role may do."""


def workflow_id(number: str) -> str:
    """Return the workflow id of a case."""
    return f"complaint-{number}"


def urgency(case: CaseState) -> Priority:
    """Return the priority of a case's work in queues: emergencies (P1) go before all else."""
    return Priority(priority_key=int(case.terms.priority.removeprefix("P")))


def summary(case: CaseState) -> str:
    """Return one line for the list of workflows, without personal data."""
    terms = case.terms
    where = case.intake.location.district or "-"
    return f"{terms.priority} {terms.name_zh} {terms.name} · {where} · {case.number}"


def search_attributes(case: CaseState, changed_at: datetime) -> keys.Values:
    """Return the search attributes of a case as it is now, after its last change at `changed_at`."""
    return {
        keys.STATE: case.state.value,
        keys.SERVICE: case.intake.service_code,
        keys.DISTRICT: case.intake.location.district,
        keys.DEPARTMENT: case.department,
        keys.OWNER: case.owner,
        keys.PRIORITY: case.terms.priority,
        keys.SLA: case.sla,
        keys.INCIDENT: case.incident,
        keys.NEXT_DUE_AT: case.next_due(),
        keys.CHANGED_AT: changed_at,
        keys.INVOLVED: [part.department for part in case.unfinished] or None,
        keys.FLAGS: list(case.flags) or None,
    }


def timeline_line(event: Event) -> str:
    """Return an event as one short line, without what people wrote."""
    kind = KINDS[event.action]
    actor = f"{event.people.get(event.actor, event.actor)}{UNVERIFIED if event.unverified else ''}"
    return f"- {instant_text(event.at)} · {kind.zh} `{event.action}` · {actor} → {event.to_state}"


def details(case: CaseState, at: datetime, recent: Iterable[str]) -> str:
    """Return the details of a case at `at` as Markdown, with the recent lines of its timeline, the oldest first.

    The text stays until the case changes, so it names no ages.
    """
    terms = case.terms
    may = [TABLE[action] for action in available_actions(case, ANYBODY, at)]
    lines = [
        f"## {case.number} · {terms.name_zh} {terms.name} ({terms.priority})",
        "",
        "| 项目 | Item | |",
        "|---|---|---|",
        f"| 状态 | State | **{case.state.zh}** {case.state.value} |",
        f"| 首问责任人 | Owner | {table_cell(case.name_of(case.owner))} |",
        f"| 部门 | Department | {case.department or '-'} |",
        f"| 处理人 | Assignee | {table_cell(case.name_of(case.assignee))} |",
        f"| 轮次 | Cycle | {case.cycle} |",
        f"| 时限 | Service level | {_SLA_ZH[case.sla]} {case.sla} |",
        f"| 标记 | Flags | {', '.join(case.flags) or '-'} |",
        *_waiting_rows(case),
        "",
        *_parts(case),
        "### 部门时限 · The department's promises",
        *_promises(case, [k for k in case.clocks if k.name in DEPARTMENT_CLOCKS or k.part]),
        "",
        "### 对来电人的承诺 · The owner's promises to the caller",
        *_promises(case, [k for k in case.clocks if k.name not in DEPARTMENT_CLOCKS and not k.part]),
        "",
        "### 可办理 · What may be done next",
        ", ".join(f"{row.zh} `{row.name}`" for row in may) or "- 无 nothing",
        "",
        "### 最近记录 · Latest entries (UTC)",
        *reversed([*recent]),
    ]
    return markdown(lines)


def markdown(lines: list[str]) -> str:
    """Return the lines as Markdown for the UI, which draws tables without space between the columns."""
    # Markdown does not trim this space.
    return "\n".join(lines).replace(" | ", "\N{EN SPACE}| ")


def _waiting_rows(case: CaseState) -> list[str]:
    rows = []
    if case.incident:
        rows.append(f"| 并案 | Incident | {case.incident} |")
    if case.wake_at:
        rows.append(f"| 恢复时间 | Wakes at | {instant_text(case.wake_at)} |")
    if case.approval:
        rows.append(f"| 报批 | Approval asked | {case.approval.amount or '-'} {case.terms.currency} |")
        if who := case.approval.turn:
            rows.append(f"| 审批人 | Whose turn | {table_cell(case.name_of(who.holder or who.post))} |")
    if owed := case.undecided_credits:
        total = sum(one.amount for one in owed)
        rows.append(f"| 待批补偿 | Credits to approve | {len(owed)}: {total} {case.terms.currency} |")
    if case.reopen_ends_at:
        rows.append(f"| 可重开至 | May be reopened until | {instant_text(case.reopen_ends_at)} |")
    return rows


def _parts(case: CaseState) -> list[str]:
    """Return the parts of further departments; nothing if there are none."""
    if not case.parts:
        return []
    rows = [
        f"| {part.serial} | {part.department} | {part.state.zh} {part.state} "
        f"| {table_cell(case.name_of(part.assignee))} |"
        for part in case.parts
    ]
    head = ["### 部门联动 · Parts of other departments", "| # | 部门 Department | 状态 State | 处理人 Assignee |"]
    return [*head, "|---|---|---|---|", *rows, ""]


def _promises(case: CaseState, clocks: list[Clock]) -> list[str]:
    if not clocks:
        return ["- 无 none"]
    rows = ["| 轮次 Cycle | 时限 Clock | 状态 Status | 到期 Due (UTC) |", "|---|---|---|---|"]
    return rows + [
        f"| {clock.cycle} | {CLOCK_ZH[clock.name]} {clock.name}{_department_of(case, clock)} "
        f"| {clock.status.zh} {clock.status.value} | {instant_text(clock.due_at(case.calendar))} |"
        for clock in clocks
    ]


def _department_of(case: CaseState, clock: Clock) -> str:
    return f" ({case.parts[clock.part - 1].department})" if clock.part else ""


def table_cell(name: str | None) -> str:
    """Return a name as a cell of a table takes it."""
    return name.replace("|", "\\|") if name else "-"


def instant_text(at: datetime | None) -> str:
    """Return an instant as the UI shows it; a dash for None."""
    return at.isoformat(" ", "seconds")[:19] if at else "-"
