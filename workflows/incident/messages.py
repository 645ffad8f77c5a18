"""Messages of an incident's workflow, and its entry in the lists of the Temporal UI: id, summary, attributes."""

from collections.abc import Callable, Iterable, Mapping

from pydantic import Field, RootModel

from domain.incident.incident import Incident, NamedCases
from domain.incident.scope import Scope
from domain.incident.state import IncidentEvent, Opening
from domain.shared.value import InClear, omit_default
from workflows.kit import search_attributes as keys
from workflows.kit.messages import CatalogueNames, EntityOutcome, EntityStart


class CaseNumbers(RootModel[tuple[str, ...]], InClear):
    """Numbers of cases that an incident is told of, as a hint: it asks the cases itself."""


class IncidentStart(EntityStart):
    """Start of an incident's workflow: the opening, or the incident that an earlier run carried over."""

    source: Opening | Incident
    waiting: tuple[str, ...] = Field(default=(), description="Numbers of the linked cases, in the order of linking.")
    counts: dict[str, int] = Field(default={})
    gather: bool = Field(default=False, description="Cases of the scope are still to be looked for.")
    absorbed: bool = Field(default=False, description="The incident that it is merged into knows of it.")
    named: NamedCases | None = omit_default(None, "Cases that somebody has named, and that have not answered yet.")
    names: CatalogueNames = CatalogueNames()


class IncidentOutcome(EntityOutcome):
    """Answer of an update or query of an incident."""

    incident: Incident
    events: tuple[IncidentEvent, ...] = Field(default=(), description="Those that SQL is not known to have.")
    counts: dict[str, int] = Field(default={})
    waiting: int = Field(description="Linked cases that still wait for it.")


def incident_summary(incident: Incident, names: CatalogueNames) -> str:
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


def scope_in_words(incident: Incident, names: CatalogueNames, written: Callable[[str], str] = str) -> str:
    """Return the services and places of an incident; `written` returns words of people as they are to be shown."""
    return "; ".join(_in_words(each, names, written) for each in incident.scope.each)


def _in_words(scope: Scope, names: CatalogueNames, written: Callable[[str], str]) -> str:
    where = [named(scope.districts, names.districts)] if scope.districts else []
    if circle := scope.circle:
        where.append(f"{circle.radius_m:g} m 内 around {circle.lat:.5f}, {circle.lng:.5f}")
    where += [", ".join(map(written, scope.streets))] if scope.streets else []
    return " · ".join([named(scope.services, names.services), *where])


def named(codes: Iterable[str], names: Mapping[str, str]) -> str:
    """Return the codes, each with its Chinese name if there is one."""
    return ", ".join(f"{names[code]} {code}" if code in names else code for code in codes)
