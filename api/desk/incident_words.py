"""Incidents in words: their scope, the reasons of their candidates, and what happened to them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from api.desk import words
from api.desk.timeline import Entry, with_facts
from api.desk.words import FIELDS, Names
from domain.case.actions.link_incident import OwnMatter
from domain.incident.incident import INCIDENT_KINDS, Incident
from domain.incident.state import NOT_LINKED, PLACE_UNKNOWN, Around, IncidentEvent, Scope
from domain.kit.event import EventData
from domain.shared.value import exhaustive
from workflows.kit.words import Phrase

REASONS: Mapping[str, Phrase] = {
    **{matter.value: words.of_code(matter) for matter in OwnMatter},
    PLACE_UNKNOWN: ("位置不明", "Place unknown"),
    NOT_LINKED: ("尚未并入", "Not taken"),
}
"""Reasons why an incident does not take a case by itself."""
_COUNTED: Mapping[str, Phrase] = {
    "settled": ("随事件办结", "Settled with it"),
    "kept": ("由部门继续", "Kept by departments"),
    "over": ("此前已结", "Ended before"),
    "linked": ("已转出", "Handed on"),
    "refused": ("未被接受", "Refused"),
    "gone": ("流程已结束", "Gone"),
}
_IN_SCOPE = {"services", "districts", *Around.model_fields}
"""Facts that the scope tells as well."""
_NAMES = sorted({name for kind in INCIDENT_KINDS.values() for name in kind.data.model_fields})
exhaustive("FIELDS or _COUNTED", _NAMES, {**FIELDS, **_COUNTED})


def scope_in_words(scope: Scope, names: Names) -> str:
    return names.say(("；", "; ")).join(_part(each, names) for each in scope.each)


def _part(scope: Scope, names: Names) -> str:
    comma = names.say(("、", ", "))
    where = [comma.join(map(names.district, scope.districts)) or names.say(("全部区域", "all districts"))]
    if circle := scope.circle:
        middle, radius = f"{circle.lat:.5f}, {circle.lng:.5f}", f"{circle.radius_m:g}"
        where.append(names.say((f"{middle} 周围 {radius} 米", f"within {radius} m of {middle}")))
    where += [comma.join(scope.streets)] if scope.streets else []
    return " · ".join([comma.join(map(names.service, scope.services)), *where])


def entry_of(incident: Incident, event: IncidentEvent, names: Names) -> Entry:
    return with_facts(event, INCIDENT_KINDS[event.action], names, _facts(incident, event.data, names))


def _facts(incident: Incident, data: EventData, names: Names) -> Iterator[tuple[str, str]]:
    left_out = _IN_SCOPE if hasattr(data, "scope") else set[str]()
    for name in type(data).model_fields:
        value = getattr(data, name)
        if name not in left_out and value not in (None, "", (), 0):
            yield (
                names.say(_COUNTED.get(name) or words.words_of(name, type(data))),
                _value(incident, name, value, names),
            )


def _value(incident: Incident, name: str, value: Any, names: Names) -> str:  # noqa: ANN401 - of any fact
    if isinstance(value, Scope):
        return scope_in_words(value, names)
    if isinstance(value, datetime):
        return names.local(value)
    if isinstance(value, tuple):
        return names.say(("、", ", ")).join(map(str, value))
    if name == "department":
        return names.department(value)
    return incident.people.get(value, value) if name == "assignee" else str(value)
