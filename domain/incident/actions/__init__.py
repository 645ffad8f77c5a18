"""Actions on an incident, in the order of the table. A new one is a module here and a line below."""

from domain.incident.actions import confirm, declare, dismiss, dispatch, inform, merge, resolve, sign_for
from domain.incident.state import IncidentAction
from domain.kit.event import ActionBody, by_body, by_name

INCIDENT_ACTIONS: tuple[IncidentAction, ...] = (
    declare.ACTION,
    confirm.ACTION,
    dismiss.ACTION,
    merge.ACTION,
    dispatch.ACTION,
    sign_for.ACTION,
    inform.ACTION,
    resolve.ACTION,
)

INCIDENT_TABLE: dict[str, IncidentAction] = by_name(*INCIDENT_ACTIONS)
INCIDENT_COMMANDS = {name: action for name, action in INCIDENT_TABLE.items() if action is not declare.ACTION}
"""Actions that are done to an incident; the declaration starts it."""
INCIDENT_ACTION_OF: dict[type[ActionBody], IncidentAction] = by_body(*INCIDENT_COMMANDS.values())
