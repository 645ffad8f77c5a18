"""The search attributes of a case: one typed registry, read by workflows and by registration alike."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from temporalio.common import SearchAttributeKey

STATE: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("State")
SERVICE: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Service")
DISTRICT: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("District")
DEPARTMENT: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Department")
OWNER: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Owner")
PRIORITY: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Priority")
SLA: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Sla")
INCIDENT: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("Incident")
NEXT_DUE_AT: Final[SearchAttributeKey[datetime]] = SearchAttributeKey.for_datetime("NextDueAt")
INVOLVED: Final[SearchAttributeKey[Sequence[str]]] = SearchAttributeKey.for_keyword_list("Involved")
FLAGS: Final[SearchAttributeKey[Sequence[str]]] = SearchAttributeKey.for_keyword_list("Flags")

# The value type differs from key to key; who registers them reads name and kind only.
REGISTRY: Final[tuple[SearchAttributeKey[Any], ...]] = (
    STATE,
    SERVICE,
    DISTRICT,
    DEPARTMENT,
    OWNER,
    PRIORITY,
    SLA,
    INCIDENT,
    NEXT_DUE_AT,
    INVOLVED,
    FLAGS,
)
