"""Details of an incident in the Temporal UI, with the progress of its cases."""

from collections.abc import Mapping

from domain.case.actions.link_incident import KEPT, OVER, SETTLED
from domain.incident.actions import INCIDENT_TABLE
from domain.incident.incident import Incident
from workflows.incident.messages import named, scope_in_words
from workflows.kit.messages import CatalogueNames
from workflows.kit.words import ANYBODY, local, markdown, plain

_COUNTED = {
    SETTLED: "随事件办结 Completed and replied to",
    KEPT: "另有事项，由部门继续 Go on with their department",
    OVER: "此前已结 Replied to or ended before",
    "linked": "已转出 Handed on",
    "refused": "未被接受 Refused",
    "gone": "已结束 Ended before",
}


def incident_details(incident: Incident, waiting: int, counts: Mapping[str, int], names: CatalogueNames) -> str:
    may = ", ".join(f"{INCIDENT_TABLE[a].zh} `{a}`" for a in incident.available_actions(ANYBODY))
    department = named([incident.department], names.departments) if incident.department else "-"
    total = waiting + sum(counts.values())
    done = total - waiting
    lines = [
        f"## {plain(incident.title)}",
        "| 项目 | Item | |",
        "|---|---|---|",
        f"| 状态 | State | {incident.state.zh} {incident.state.value} |",
        f"| 范围 | Scope | {scope_in_words(incident, names, plain)} |",
        f"| 处理部门 | Department | {department} |",
        f"| 预计恢复 ({names.timezone}) | Expected | {local(incident.expected_at, names.timezone)} |",
        f"| 并案工单 | Linked cases | {total} |",
        f"| 已处理 | Seen to | {done} ({100 * done // total if total else 0} %) |",
        *(f"| | {_COUNTED.get(answer, answer)} | {count} |" for answer, count in sorted(counts.items())),
        *([f"| 并入事件 | Merged into | {incident.into} |"] if incident.into else []),
        "",
        "### 可办理 · What may be done next",
        may or "- 无 nothing",
    ]
    return markdown(lines)
