"""Lists that desks ask for all day, as requests. Their data are those of the benchmark of lists."""

from typing import Any

from bench.lists import ALL_OPEN, DESK

_NAMED = {
    "owner": "me",
    "assignee": "me",
    "due_before": "$TONIGHT",
    "registered_from": "$TODAY",
    "registered_to": "$TONIGHT",
}
"""Values that a shell or the service knows; the benchmark has those of its data instead."""


def queries() -> dict[str, str]:
    """Return the query of each list, by its name; the page that shows them sets the variables."""
    return {name: "&".join(_part(*each) for each in asked.items()) for name, asked in DESK.items()}


def _part(name: str, value: Any) -> str:  # noqa: ANN401 - a value of a filter
    if value == ALL_OPEN:
        return "$OPEN"
    if isinstance(value, tuple):
        return "&".join(f"{name}={each}" for each in value)
    return f"{name}={_NAMED.get(name) or str(value).lower()}"
