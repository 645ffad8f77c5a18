"""Search attributes of complaints and incidents: one typed registry, and how values become upserts."""

from typing import Any, Final, TypeVar

from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes

KeyT = TypeVar("KeyT", bound=SearchAttributeKey[Any])
REGISTRY: Final[dict[SearchAttributeKey[Any], str]] = {}
"""Every key below with its meaning, which the documentation shows. The value type differs from key to key."""


def _registered(key: KeyT, meaning: str) -> KeyT:
    REGISTRY[key] = meaning
    return key


STATE = _registered(SearchAttributeKey.for_keyword("State"), "State of the case: `registered`, `dispatched` ...")
SERVICE = _registered(SearchAttributeKey.for_keyword("Service"), "Code of the service in the catalogue.")
DISTRICT = _registered(SearchAttributeKey.for_keyword("District"), "Code of the district, if it is known.")
DEPARTMENT = _registered(SearchAttributeKey.for_keyword("Department"), "Code of the department that has the case.")
OWNER = _registered(SearchAttributeKey.for_keyword("Owner"), "The owner's name, as on the key.")
PRIORITY = _registered(SearchAttributeKey.for_keyword("Priority"), "`P1` to `P5`.")
SLA = _registered(
    SearchAttributeKey.for_keyword("Sla"),
    "Service level of the present cycle: `on_time`, `at_risk`, `missed`, `paused`.",
)
INCIDENT = _registered(
    SearchAttributeKey.for_keyword("Incident"),
    "Number of the incident that the case is linked to; of an incident, its own number.",
)
NEXT_DUE_AT = _registered(
    SearchAttributeKey.for_datetime("NextDueAt"), "Due time of the next running clock. Absent if no clock runs."
)
INVOLVED = _registered(
    SearchAttributeKey.for_keyword_list("Involved"), "Codes of further departments with unfinished parts (协办)."
)
FLAGS = _registered(
    SearchAttributeKey.for_keyword_list("Flags"), "Flags of the case: `urged`, `supervised`, `reworked` ..."
)

Values = dict[SearchAttributeKey[Any], Any]
"""Search attributes of one entity; None means that the attribute is not set."""


def changes(before: Values, now: Values) -> list[SearchAttributeUpdate[Any]]:
    """Return the updates that lead from `before` to `now`."""
    return [
        key.value_unset() if value is None else key.value_set(value)
        for key, value in now.items()
        if value != before.get(key)
    ]


def typed(values: Values) -> TypedSearchAttributes:
    """Return the values as a workflow is started with them."""
    return TypedSearchAttributes(
        [SearchAttributePair(key, value) for key, value in values.items() if value is not None]
    )
