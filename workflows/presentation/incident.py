"""An incident in the lists of the Temporal UI: id, summary and search attributes of its workflow."""

from collections.abc import Callable, Iterable, Mapping

from domain.incident.incident import Incident
from domain.incident.scope import Scope
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
        keys.DISTRICT: next(iter(incident.scope.districts), None),
        keys.DEPARTMENT: incident.department,
        keys.INCIDENT: incident.number,
    }


def scope_in_words(incident: Incident, names: Names, written: Callable[[str], str] = str) -> str:
    """Return the services and places of an incident; `written` returns words of people as they are to be shown."""
    return "; ".join(_in_words(each, names, written) for each in incident.scope.each)


def _in_words(scope: Scope, names: Names, written: Callable[[str], str]) -> str:
    where = [named(scope.districts, names.districts)] if scope.districts else []
    if circle := scope.circle:
        where.append(f"{circle.radius_m:g} m 内 around {circle.lat:.5f}, {circle.lng:.5f}")
    where += [", ".join(map(written, scope.streets))] if scope.streets else []
    return " · ".join([named(scope.services, names.services), *where])


def named(codes: Iterable[str], names: Mapping[str, str]) -> str:
    """Return the codes, each with its Chinese name if there is one."""
    return ", ".join(f"{names[code]} {code}" if code in names else code for code in codes)
