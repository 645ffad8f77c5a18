"""Search attributes of complaints and incidents: one typed registry, and how values become upserts."""

from typing import Any, TypeVar

from temporalio.common import (
    SearchAttributeIndexedValueType,
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

from activities import names

Key = TypeVar("Key", bound=SearchAttributeKey[Any])
REGISTRY: dict[SearchAttributeKey[Any], str] = {}
"""Every key below, with its meaning for the documentation."""


def _key(key: Key, meaning: str) -> Key:
    REGISTRY[key] = meaning
    return key


STATE = _key(SearchAttributeKey.for_keyword("State"), "State of the case: `registered`, `dispatched` ...")
SERVICE = _key(SearchAttributeKey.for_keyword("Service"), "Code of the service in the catalogue.")
DISTRICT = _key(SearchAttributeKey.for_keyword("District"), "Code of the district, if it is known.")
DEPARTMENT = _key(SearchAttributeKey.for_keyword("Department"), "Code of the department that has the case.")
OWNER = _key(SearchAttributeKey.for_keyword("Owner"), "The owner's id.")
PRIORITY = _key(SearchAttributeKey.for_keyword("Priority"), "`P1` to `P5`.")
SLA = _key(
    SearchAttributeKey.for_keyword("Sla"),
    "Service level of the present cycle: `on_time`, `at_risk`, `missed`, `paused`.",
)
INCIDENT = _key(
    SearchAttributeKey.for_keyword("Incident"),
    "Number of the incident that the case is linked to; of an incident, its own number.",
)
NEXT_DUE_AT = _key(
    SearchAttributeKey.for_datetime("NextDueAt"),
    "Due time of the most urgent promise that is not kept, missed or not. Absent if there is none.",
)
CHANGED_AT = _key(
    SearchAttributeKey.for_datetime(names.CHANGED_AT), "Time of the last change of the case; later with every change."
)
INVOLVED = _key(
    SearchAttributeKey.for_keyword_list("Involved"), "Codes of further departments with unfinished parts (协办)."
)
FLAGS = _key(SearchAttributeKey.for_keyword_list("Flags"), "Flags of the case: `urged`, `supervised`, `reworked` ...")

COLUMNS = {
    f"{kind.name.title().replace('_', '')}{index:02}": key.name
    for kind in SearchAttributeIndexedValueType
    for index, key in enumerate((key for key in REGISTRY if key.indexed_value_type is kind), start=1)
}
"""Name of each key by the column that Temporal has for it in an SQL database, as `Keyword01`.

Trap: a new key goes behind the others. Before one of its type, it would take the column in which theirs are.
"""

Values = dict[SearchAttributeKey[Any], Any]
"""Search attributes of one entity; None means that the attribute is not set."""


def changes(before: Values, now: Values) -> list[SearchAttributeUpdate[Any]]:
    return [
        key.value_unset() if value is None else key.value_set(value)
        for key, value in now.items()
        if value != before.get(key)
    ]


def typed(values: Values) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [SearchAttributePair(key, value) for key, value in values.items() if value is not None]
    )
