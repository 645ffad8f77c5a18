"""Search attributes of complaints and incidents: one typed registry, and how values become upserts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from temporalio.common import (
    SearchAttributeIndexedValueType,
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

from activities import names

STATE: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("State")
SERVICE: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Service")
DISTRICT: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("District")
DEPARTMENT: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Department")
OWNER: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Owner")
PRIORITY: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Priority")
SLA: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Sla")
INCIDENT: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Incident")
NEXT_DUE_AT: Final[SearchAttributeKey[datetime]] = SearchAttributeKey.for_datetime("NextDueAt")
CHANGED_AT: Final[SearchAttributeKey[datetime]] = SearchAttributeKey.for_datetime(names.CHANGED_AT)
INVOLVED: Final[SearchAttributeKey[Sequence[str]]] = SearchAttributeKey.for_keyword_list("Involved")
FLAGS: Final[SearchAttributeKey[Sequence[str]]] = SearchAttributeKey.for_keyword_list("Flags")

# The value type differs from key to key.
REGISTRY: Final[dict[SearchAttributeKey[Any], str]] = {
    STATE: "State of the case: `registered`, `dispatched` ...",
    SERVICE: "Code of the service in the catalogue.",
    DISTRICT: "Code of the district, if it is known.",
    DEPARTMENT: "Code of the department that has the case.",
    OWNER: "The owner's id.",
    PRIORITY: "`P1` to `P5`.",
    SLA: "Service level of the present cycle: `on_time`, `at_risk`, `missed`, `paused`.",
    INCIDENT: "Number of the incident that the case is linked to; of an incident, its own number.",
    NEXT_DUE_AT: "Due time of the most urgent promise that is not kept, missed or not. Absent if there is none.",
    CHANGED_AT: "Time of the last change of the case; later with every change.",
    INVOLVED: "Codes of further departments with unfinished parts (协办).",
    FLAGS: "Flags of the case: `urged`, `supervised`, `reworked` ...",
}
"""Every key above, with its meaning for the documentation."""
COLUMNS: Final = {
    f"{kind.name.title().replace('_', '')}{index:02}": key.name
    for kind in SearchAttributeIndexedValueType
    for index, key in enumerate((key for key in REGISTRY if key.indexed_value_type is kind), start=1)
}
"""Name of each key by the column that Temporal has for it in an SQL database, as `Keyword01`."""

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
