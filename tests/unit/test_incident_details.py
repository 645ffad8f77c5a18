"""Details of an incident in the Temporal UI: its scope in words, its cases, and what happened to it."""

from domain.incident.actions import Confirm
from domain.incident.state import IncidentState, Scope
from tests.support.build import ADMIN
from tests.support.incidents import BODIES, do, incident_in
from workflows.incident.messages import MOST_CASES, details, lines, scope_in_words, search_attributes
from workflows.kit.search_attributes import DISTRICT, HEADLINE
from workflows.kit.words import CatalogueNames

NAMES = CatalogueNames(services={"no_water": "停水"}, districts={"west": "西区"}, departments={"repair": "抢修队"})


def test_cases_that_were_settled_and_those_that_go_on_are_counted_apart() -> None:
    shown = details(incident_in(IncidentState.SETTLING), ("2608034711014",), {"settled": 5, "kept": 2}, NAMES)
    assert "Completed and replied to\N{EN SPACE}| 5 |" in shown
    assert "Go on with their department\N{EN SPACE}| 2 |" in shown


def test_a_scope_is_told_with_its_circle_or_streets() -> None:
    incident = incident_in(IncidentState.SUSPECTED)
    do(incident, Confirm(lat=22.52, lng=113.39, radius_m=500))
    circle = "22.52000, 113.39000 周围 500 米 within 500 m of 22.52000, 113.39000"
    assert scope_in_words(incident.scope, NAMES.named) == f"停水 no_water · 西区 west · {circle}"
    incident.scope = Scope(services=("no_water",), streets=("莲塘东路", "*Lotus* Road"))
    assert scope_in_words(incident.scope, NAMES.named) == "停水 no_water · 莲塘东路, *Lotus* Road"
    assert "*Lotus*" not in details(incident, (), {}, NAMES)
    assert search_attributes(incident, NAMES)[DISTRICT] is None


def test_links_lead_to_its_page_and_to_the_cases_that_wait_for_it() -> None:
    incident = incident_in(IncidentState.IN_PROGRESS)
    numbers = [f"26080347{each:05}" for each in range(MOST_CASES + 2)]
    shown = details(incident, numbers, {}, NAMES)
    assert f"[{incident.number}](/desk/incidents/{incident.number})" in shown
    assert f"- [{numbers[0]}](/desk/cases/{numbers[0]})\n" in shown
    assert (shown.count("/desk/cases/"), "- 另有 2 件 · 2 more" in shown) == (MOST_CASES, True)
    assert "Cases that wait for it" not in details(incident, (), {}, NAMES)


def test_entries_say_who_did_what_the_latest_first() -> None:
    incident = incident_in(IncidentState.CONFIRMED)
    events = [do(incident, BODIES[name], ADMIN) for name in ("dispatch", "inform")]
    first, second = lines(events, incident, NAMES)
    assert first.endswith("→ 待签收 dispatched; 部门 department: 抢修队")
    assert second.endswith("→ 待签收 dispatched; 通报 told: 正在抢修")
    shown = details(incident, (), {}, NAMES, ["- an earlier run's", *events])
    assert shown.endswith(f"{second}\n{first}\n- an earlier run's")


def test_the_headline_of_the_list_is_in_words() -> None:
    incident = incident_in(IncidentState.CONFIRMED)
    assert search_attributes(incident, NAMES)[HEADLINE] == "已确认 · 停水 · 西区"
    assert search_attributes(incident, CatalogueNames())[HEADLINE] == "已确认 · no_water · west"
