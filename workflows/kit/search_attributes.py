"""Search attributes of complaints and incidents: one typed registry, and how values become upserts."""

from collections.abc import Mapping
from typing import Any

from temporalio.common import (
    SearchAttributeIndexedValueType,
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

from activities import names

STATE = SearchAttributeKey.for_keyword("State")
SERVICE = SearchAttributeKey.for_keyword("Service")
DISTRICT = SearchAttributeKey.for_keyword("District")
DEPARTMENT = SearchAttributeKey.for_keyword("Department")
OWNER = SearchAttributeKey.for_keyword("Owner")
PRIORITY = SearchAttributeKey.for_keyword("Priority")
SLA = SearchAttributeKey.for_keyword("Sla")
INCIDENT = SearchAttributeKey.for_keyword("Incident")
NEXT_DUE_AT = SearchAttributeKey.for_datetime("NextDueAt")
CHANGED_AT = SearchAttributeKey.for_datetime(names.CHANGED_AT)
INVOLVED = SearchAttributeKey.for_keyword_list("Involved")
FLAGS = SearchAttributeKey.for_keyword_list("Flags")
HEADLINE = SearchAttributeKey.for_keyword("Headline")

REGISTRY: Mapping[SearchAttributeKey[Any], str] = {
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
    HEADLINE: "State, service and district in Chinese: 待签收 · 漏水 · 西区.",
}
"""Every search attribute of the service, with its meaning for the documentation.

Trap: a new key goes behind the others of its type. Before one of them, it would take the column that they have in
clusters that are set up.
"""
COLUMNS = {
    f"{kind.name.title().replace('_', '')}{index:02}": key.name
    for kind in SearchAttributeIndexedValueType
    for index, key in enumerate((key for key in REGISTRY if key.indexed_value_type is kind), start=1)
}
"""Name of each key by the column that Temporal has for it in an SQL database, as `Keyword01`, by the order above."""

Values = dict[SearchAttributeKey[Any], Any]
"""Search attributes of one entity; None means that the attribute is not set."""


LONGEST_HEADLINE = 200
"""Characters of a headline: Temporal's SQL databases take 255 of a keyword."""


def headline(*words: str | None) -> str:
    """Join the words that are known, for the first column of the list; it holds no personal data."""
    return " · ".join(filter(None, words))[:LONGEST_HEADLINE]


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
