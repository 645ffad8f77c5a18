"""An incident in the Temporal UI: summary, search attributes, and details with the progress of its cases."""

from collections.abc import Iterable, Mapping

from domain.case.incident_link import KEPT, OVER, SETTLED
from domain.incident.actions import INCIDENT_TABLE
from domain.incident.incident import Incident
from workflows.messages import Names
from workflows.presentation import search_attributes as keys
from workflows.presentation.complaint import ANYBODY
from workflows.presentation.words import local, markdown, plain

_COUNTED = {
    SETTLED: "已办结并回复 Completed and replied to",
    KEPT: "另有事项未结 Kept open for what they have of their own",
    OVER: "此前已回复或撤销 Replied to or ended before",
    "linked": "已转出 Handed on",
    "refused": "未被接受 Refused",
    "gone": "已结束 Ended before",
}


def incident_id(number: str) -> str:
    """Return the workflow id of an incident."""
    return f"incident-{number}"


def incident_summary(incident: Incident, names: Names) -> str:
    """Return one line for the list of workflows."""
    return f"突发事件 incident {incident.number} · {_scope(incident, names)}"


def incident_search_attributes(incident: Incident) -> keys.Values:
    """Return the search attributes of an incident; the first service and district stand for its scope."""
    return {
        keys.STATE: incident.state.value,
        keys.SERVICE: incident.scope.services[0],
        keys.DISTRICT: incident.scope.districts[0],
        keys.DEPARTMENT: incident.department,
        keys.INCIDENT: incident.number,
    }


def incident_details(incident: Incident, waiting: int, counts: Mapping[str, int], names: Names) -> str:
    """Return the details of an incident as Markdown."""
    may = ", ".join(f"{INCIDENT_TABLE[a].zh} `{a}`" for a in incident.available_actions(ANYBODY))
    department = _named([incident.department], names.departments) if incident.department else "-"
    total = waiting + sum(counts.values())
    done = total - waiting
    lines = [
        f"## {plain(incident.title)}",
        "| 项目 | Item | |",
        "|---|---|---|",
        f"| 状态 | State | {incident.state.zh} {incident.state.value} |",
        f"| 范围 | Scope | {_scope(incident, names)} |",
        f"| 处理部门 | Department | {department} |",
        f"| 预计恢复 ({names.timezone}) | Expected | {local(incident.expected_at, names.timezone)} |",
        f"| 并入工单 | Linked cases | {total} |",
        f"| 已处理 | Seen to | {done} ({100 * done // total if total else 0} %) |",
        *(f"| | {_COUNTED.get(answer, answer)} | {count} |" for answer, count in sorted(counts.items())),
        *([f"| 并入事件 | Merged into | {incident.into} |"] if incident.into else []),
        "",
        "### 可办理 · What may be done next",
        may or "- 无 nothing",
    ]
    return markdown(lines)


def _scope(incident: Incident, names: Names) -> str:
    scope = incident.scope
    return f"{_named(scope.services, names.services)} · {_named(scope.districts, names.districts)}"


def _named(codes: Iterable[str], names: Mapping[str, str]) -> str:
    """Return the codes, each with its Chinese name if there is one."""
    return ", ".join(f"{names[code]} {code}" if code in names else code for code in codes)
