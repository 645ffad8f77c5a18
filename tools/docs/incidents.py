"""The life of an incident for its page: drawn, and written out, from the table that it obeys."""

from collections.abc import Set as AbstractSet

from domain.case.lifecycle import ROLE_ZH
from domain.incident.lifecycle import (
    BY_ITSELF_ZH,
    ENDS,
    FINISH,
    INCIDENT_BODIES,
    INCIDENT_ROWS,
    INCIDENT_STATE_ZH,
    LINKABLE,
    MERGE_FAILED,
    SUSPECT,
    IncidentRow,
    IncidentState,
)
from tools.docs.tables import fields, table


def diagram() -> str:
    """Return a Mermaid state diagram with every change of state, by people and by the system."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {state.value}: {INCIDENT_STATE_ZH[state]} {state.value}" for state in IncidentState]
    lines.append(_arrow("[*]", IncidentState.SUSPECTED, BY_ITSELF_ZH[SUSPECT], SUSPECT))
    lines += [
        _arrow(source, row.target, row.zh, row.action)
        for row in INCIDENT_ROWS
        if row.target is not None
        for source in _in_order(row.sources) or ["[*]"]
    ]
    lines += [
        _arrow(IncidentState.MERGING, before, BY_ITSELF_ZH[MERGE_FAILED], MERGE_FAILED)
        for before in _in_order(LINKABLE)
    ]
    lines += [_arrow(ending, end, BY_ITSELF_ZH[FINISH], FINISH) for ending, end in ENDS.items()]
    lines += [f"    {end.value} --> [*]" for end in ENDS.values()]
    return "\n".join([*lines, "```"]) + "\n"


def actions() -> str:
    """Return the table of actions on an incident: from which states, who, with which body."""
    return table(("action", "中文", "from", "role", "body; `note?` may always be added"), map(_row, INCIDENT_ROWS[1:]))


def _row(row: IncidentRow) -> tuple[str, ...]:
    sources = ", ".join(f"`{state}`" for state in _in_order(row.sources))
    roles = ", ".join(f"`{role}`" for role in ROLE_ZH if role in row.roles)
    return f"`{row.action}`", row.zh, sources, roles, fields(INCIDENT_BODIES[row.action])


def _in_order(states: AbstractSet[IncidentState]) -> list[str]:
    return [state.value for state in IncidentState if state in states]


def _arrow(source: str, target: str, zh: str, event: str) -> str:
    return f"    {source} --> {target}: {zh} {event}"
