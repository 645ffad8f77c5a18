"""Diagram and tables of the incident page, from the incident's transition table."""

from collections.abc import Set as AbstractSet

from domain.incident.actions import INCIDENT_ACTIONS, INCIDENT_COMMANDS
from domain.incident.incident import INCIDENT_FINISH, MERGE_FAILED, SUSPECT
from domain.incident.state import ENDS, LINKABLE, IncidentAction, IncidentKind, IncidentState
from domain.shared.actors import Role
from tools.docs.markdown import table


def diagram() -> str:
    """Draw a Mermaid state diagram of all transitions, by people and by the system."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {state.value}: {state.zh} {state.value}" for state in IncidentState]
    lines.append(_arrow("[*]", IncidentState.SUSPECTED, SUSPECT))
    lines += [
        _arrow(source, target, action)
        for action in INCIDENT_ACTIONS
        for target in action.targets
        for source in _in_order(action.sources) or ["[*]"]
    ]
    lines += [_arrow(IncidentState.MERGING, before, MERGE_FAILED) for before in _in_order(LINKABLE)]
    lines += [_arrow(ending, end, INCIDENT_FINISH) for ending, end in ENDS.items()]
    lines += [f"    {end.value} --> [*]" for end in ENDS.values()]
    return "\n".join([*lines, "```"]) + "\n"


def actions() -> str:
    """Return the table of actions: sources, roles and bodies."""
    return table(("action", "中文", "from", "role", "body (`note?` in all)"), map(_row, INCIDENT_COMMANDS.values()))


def _row(action: IncidentAction) -> tuple[str, ...]:
    sources = ", ".join(f"`{state}`" for state in _in_order(action.sources))
    roles = ", ".join(f"`{role}`" for role in Role if role in action.roles)
    fields = action.body.model_fields.items()
    body = ", ".join(f"`{name}{'' if field.is_required() else '?'}`" for name, field in fields if name != "note")
    return f"`{action.name}`", action.zh, sources, roles, body


def _in_order(states: AbstractSet[IncidentState]) -> list[str]:
    return [state.value for state in IncidentState if state in states]


def _arrow(source: str, target: str, kind: IncidentKind) -> str:
    return f"    {source} --> {target}: {kind.zh} {kind.name}"
