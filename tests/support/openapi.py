"""Reading of the OpenAPI document, in which components stand for what operations share."""

from typing import Any

Json = dict[str, Any]


def resolved(document: Json, value: Json) -> Json:
    """Return what a reference to a component leads to; anything else as it is."""
    if "$ref" not in value:
        return value
    _, _, kind, name = value["$ref"].split("/")
    found: Json = document["components"][kind][name]
    return found


def parameters_of(document: Json, operation: Json, into: str | None = None) -> list[Json]:
    """Return the parameters of an operation, or those of its `header`, `path` or `query`."""
    found = [resolved(document, each) for each in operation.get("parameters", ())]
    return [each for each in found if into in {None, each["in"]}]
