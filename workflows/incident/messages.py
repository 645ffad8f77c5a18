"""Messages of an incident's workflow, and what the Temporal UI shows of it: attributes and details."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from pydantic import Field, RootModel

from domain.case.actions.link_incident import KEPT, OVER, SETTLED
from domain.incident.actions import INCIDENT_TABLE
from domain.incident.incident import INCIDENT_KINDS, Incident, NamedCases
from domain.incident.state import IncidentEvent, IncidentState, Opening, Scope
from domain.shared.value import InClear, Phrase, omit_default
from workflows.kit import search_attributes as keys
from workflows.kit.entity import EntityOutcome, EntityStart
from workflows.kit.words import ANYBODY, CatalogueNames, both, entry_line, local, markdown, plain


class CaseNumbers(RootModel[tuple[str, ...]], InClear):
    """Numbers of cases that an incident is told of, as a hint: it asks the cases itself."""


class IncidentStart(EntityStart):
    """Start of an incident's workflow: the opening, or the incident that an earlier run carried over."""

    source: Opening | Incident
    waiting: tuple[str, ...] = Field((), description="Numbers of the linked cases, in the order of linking.")
    counts: dict[str, int] = Field({})
    gather: bool = Field(False, description="Cases of the scope are still to be looked for.")
    absorbed: bool = Field(False, description="The incident that it is merged into knows of it.")
    named: NamedCases | None = omit_default(None, "Cases that somebody has named, and that have not answered yet.")
    names: CatalogueNames = CatalogueNames()
    recent: tuple[str, ...] = omit_default((), "The last entries of the timeline, a short line each.")


class IncidentOutcome(EntityOutcome):
    """Answer of an update or query of an incident."""

    incident: Incident
    events: tuple[IncidentEvent, ...] = Field((), description="Those that SQL is not known to have.")
    counts: dict[str, int] = Field({})
    waiting: int = Field(description="Linked cases that still wait for it.")


def search_attributes(incident: Incident, names: CatalogueNames) -> keys.Values:
    """Let the first service and district stand for the scope."""
    service, district = incident.scope.services[0], next(iter(incident.scope.districts), None)
    return {
        keys.STATE: incident.state.value,
        keys.SERVICE: service,
        keys.DISTRICT: district,
        keys.DEPARTMENT: incident.department,
        keys.INCIDENT: incident.number,
        keys.HEADLINE: keys.headline(
            incident.state.zh,
            names.services.get(service, service),
            names.districts.get(district, district) if district else None,
        ),
    }


_ANYWHERE = "全部区域", "all districts"


def scope_in_words(
    scope: Scope,
    name: Callable[[str, str], str],
    say: Callable[[Phrase], str] = both,
    written: Callable[[str], str] = str,
) -> str:
    """`name` returns that of a code of a section; `say` chooses the language, `written` shows words of people."""
    parts, comma = list[str](), say(("、", ", "))
    for each in scope.each:
        said = [comma.join(name("services", code) for code in each.services)]
        if each.districts or not (each.circle or each.streets):
            said.append(comma.join(name("districts", code) for code in each.districts) or say(_ANYWHERE))
        if circle := each.circle:
            middle, radius = f"{circle.lat:.5f}, {circle.lng:.5f}", f"{circle.radius_m:g}"
            said.append(say((f"{middle} 周围 {radius} 米", f"within {radius} m of {middle}")))
        said += [comma.join(map(written, each.streets))] if each.streets else []
        parts.append(" · ".join(said))
    return say(("；", "; ")).join(parts)


OUTCOMES: Mapping[str, Phrase] = {
    SETTLED: ("随事件办结", "Completed and replied to"),
    KEPT: ("另有事项，由部门继续", "Go on with their department"),
    OVER: ("此前已结", "Replied to or ended before"),
    "linked": ("已转出", "Handed on"),
    "refused": ("未被接受", "Refused"),
    "gone": ("流程已结束", "Their workflow had ended"),
}
"""Results of the end of an incident for its cases."""


RECENT = 10
"""Entries of the timeline that the details show."""
MOST_CASES = 100
"""Linked cases that the details name; the page of the desk has all."""
LONGEST_WORDS = 160
"""Characters of a text in an entry: the entries travel in the start message of the next run."""
_FACTS = {
    "department": "部门 department",
    "into": "并入 into",
    "message": "通报 told",
    "result": "结果 result",
    "reason": "原因 reason",
}
"""Facts of an event that an entry shows, with their names in both languages."""


def lines(recent: Iterable[str | IncidentEvent], incident: Incident, names: CatalogueNames) -> list[str]:
    """Entries of an earlier run are lines already."""
    return [entry if isinstance(entry, str) else _entry(entry, incident, names) for entry in recent]


def _entry(event: IncidentEvent, incident: Incident, names: CatalogueNames) -> str:
    given = {name: getattr(event.data, name, None) for name in _FACTS}
    known = names.departments
    facts = (
        f"{_FACTS[name]}: {plain(known.get(value, value) if name == 'department' else value, LONGEST_WORDS)}"
        for name, value in given.items()
        if value
    )
    kind, state = INCIDENT_KINDS[event.action], IncidentState(event.to_state)
    return entry_line(event, kind.zh, state, incident.timezone, facts)


def details(
    incident: Incident,
    waiting: Sequence[str],
    counts: Mapping[str, int],
    names: CatalogueNames,
    recent: Iterable[str | IncidentEvent] = (),
) -> str:
    may = ", ".join(f"{INCIDENT_TABLE[a].zh} `{a}`" for a in incident.available_actions(ANYBODY))
    department = names.named("departments", incident.department) if incident.department else "-"
    total = len(waiting) + sum(counts.values())
    done = total - len(waiting)
    desk = f"/desk/incidents/{incident.number}"
    return markdown(
        [
            f"## {plain(incident.title)}",
            "| 项目 | Item | |",
            "|---|---|---|",
            f"| 状态 | State | {incident.state.zh} {incident.state.value} |",
            f"| 范围 | Scope | {scope_in_words(incident.scope, names.named, written=plain)} |",
            f"| 处理部门 | Department | {department} |",
            f"| 预计恢复 ({names.timezone}) | Expected | {local(incident.expected_at, names.timezone)} |",
            f"| 并案工单 | Linked cases | {total} |",
            f"| 已处理 | Seen to | {done} ({100 * done // total if total else 0} %) |",
            *(f"| | {both(OUTCOMES.get(each, (each, '')))} | {count} |" for each, count in sorted(counts.items())),
            *([f"| 并入事件 | Merged into | {incident.into} |"] if incident.into else []),
            f"| 工作台 | On the desk | [{incident.number}]({desk}) |",
            "",
            "### 可办理 · What may be done next",
            may or "- 无 nothing",
            *_waiting(waiting),
            "",
            f"### 最近记录 · Latest entries ({incident.timezone})",
            *reversed(lines(recent, incident, names)),
        ]
    )


def _waiting(numbers: Sequence[str]) -> Iterator[str]:
    """Yield the section of the linked cases that are not seen to, in the order of linking; nothing without one."""
    if numbers:
        yield from ("", "### 待办工单 · Cases that wait for it")
        yield from (f"- [{number}](/desk/cases/{number})" for number in numbers[:MOST_CASES])
    if (more := len(numbers) - MOST_CASES) > 0:
        yield f"- 另有 {more} 件 · {more} more"
