"""Details of an incident in the Temporal UI: its scope in words, and its cases by how they came out."""

from domain.incident.actions import Confirm
from domain.incident.state import IncidentState, Scope
from tests.support.incidents import do, incident_in
from workflows.incident.messages import details, scope_in_words, search_attributes
from workflows.kit.search_attributes import DISTRICT
from workflows.kit.words import CatalogueNames

NAMES = CatalogueNames(services={"no_water": "停水"}, districts={"west": "西区"})


def test_cases_that_were_settled_and_those_that_go_on_are_counted_apart() -> None:
    shown = details(incident_in(IncidentState.SETTLING), 1, {"settled": 5, "kept": 2}, NAMES)
    assert "Completed and replied to\N{EN SPACE}| 5 |" in shown
    assert "Go on with their department\N{EN SPACE}| 2 |" in shown


def test_a_scope_is_told_with_its_circle_or_streets() -> None:
    incident = incident_in(IncidentState.SUSPECTED)
    do(incident, Confirm(lat=22.52, lng=113.39, radius_m=500))
    assert scope_in_words(incident, NAMES) == "停水 no_water · 西区 west · 500 m 内 around 22.52000, 113.39000"
    incident.scope = Scope(services=("no_water",), streets=("莲塘东路", "*Lotus* Road"))
    assert scope_in_words(incident, NAMES) == "停水 no_water · 莲塘东路, *Lotus* Road"
    assert "*Lotus*" not in details(incident, 0, {}, NAMES)
    assert search_attributes(incident)[DISTRICT] is None
