"""An incident in the lists of the Temporal UI: id, summary and search attributes of its workflow."""

from collections.abc import Iterable, Mapping

from domain.incident.incident import Incident
from workflows.messages import Names
from workflows.presentation import search_attributes as keys


def incident_id(number: str) -> str:
    """Return the workflow id of an incident."""
    return f"incident-{number}"


def incident_summary(incident: Incident, names: Names) -> str:
    """Return one line for the list of workflows."""
    return f"突发事件 incident {incident.number} · {scope_in_words(incident, names)}"


def incident_search_attributes(incident: Incident) -> keys.Values:
    """Return the search attributes of an incident; the first service and district stand for its scope."""
    return {
        keys.STATE: incident.state.value,
        keys.SERVICE: incident.scope.services[0],
        keys.DISTRICT: incident.scope.districts[0],
        keys.DEPARTMENT: incident.department,
        keys.INCIDENT: incident.number,
    }


def scope_in_words(incident: Incident, names: Names) -> str:
    """Return the services and districts of an incident."""
    scope = incident.scope
    return f"{named(scope.services, names.services)} · {named(scope.districts, names.districts)}"


def named(codes: Iterable[str], names: Mapping[str, str]) -> str:
    """Return the codes, each with its Chinese name if there is one."""
    return ", ".join(f"{names[code]} {code}" if code in names else code for code in codes)
