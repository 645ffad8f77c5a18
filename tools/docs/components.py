"""Components of the OpenAPI document: what operations share is named once, in the form that client generators take."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from api.edge.problems import MEDIA_TYPE, PROBLEM_KINDS, URN
from api.parameters import Flag, Sla
from api.responses import Json
from domain.case.intake import IntakeChannel
from domain.catalogue.terms import Priority
from domain.shared.phones import Phone
from domain.shared.value import AccountNo, CallId, IncidentNumber, Instant, Name, ShortText, Text

NAMED: Mapping[str, Any] = {
    "AccountNo": AccountNo,
    "CallId": CallId,
    "Flag": Flag,
    "IncidentNumber": IncidentNumber,
    "Instant": Instant,
    "IntakeChannel": IntakeChannel,
    "Name": Name,
    "Phone": Phone,
    "Priority": Priority,
    "ShortText": ShortText,
    "Sla": Sla,
    "StringMap": dict[str, str],
    "Text": Text,
}
"""Types of single fields that have a component of their own: enumerations, patterns, maps."""
SCHEMA = "#/components/schemas/"
_OUTPUT = "Output"
"""End of the names of answers' schemas, where the schema of requests has the plain name."""
_RENAMED = {"Return": "ReturnComplaint", "Roles": "RoleTable"}
"""Names of schemas that generators cannot use: a word of Python in another case, and the name of a field of its own."""
_AS_IT_IS = frozenset({"const", "default", "enum", "example", "examples"})
"""Keywords whose values are no schemas."""
_BESIDE = frozenset({"default", "deprecated", "description", "examples"})
"""Keywords that may stand beside a reference."""


def share(document: Json) -> Json:
    """Return the document with what several operations have alike as components."""
    document = _plainly_named(document)
    components, named = document["components"], _named()
    schemas = _rewritten(components["schemas"], named)
    for page in ("Timeline", "IncidentTimeline"):
        _share_events(schemas, page)
    components["schemas"] = {
        **schemas,
        **{name: from_json(schema) for schema, name in reversed(named.items())},  # that of requests last, as it stays
        "ProblemType": {"type": "string", "enum": [URN + slug for slug in sorted(PROBLEM_KINDS)]},
    }
    document["paths"] = _rewritten(document["paths"], named)
    components["schemas"]["Problem"]["properties"]["type"] = {
        "$ref": f"{SCHEMA}ProblemType",
        "description": "Stable; meant for programs.",
    }
    document = _without_twins(document)
    _give_examples(document)
    _share_parameters(document)
    _share_answers(document)
    return document


def _plainly_named(document: Json) -> Json:
    """Return the document with plain names for schemas that the framework calls `-Input`, or `Page_..._`."""
    found = document["components"]["schemas"].items()
    pages = {name: schema["title"] for name, schema in found if name.startswith("Page_")}
    renamed, text = _RENAMED | pages, to_json(document).decode()
    text = re.sub(rf'"({SCHEMA})?([A-Za-z]+)-(Input|Output)"', _plain_name, text)
    document = from_json(re.sub(rf'(?<="{SCHEMA})({"|".join(renamed)})(?=")', lambda name: renamed[name[0]], text))
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = {renamed.get(name, name): schema for name, schema in schemas.items()}
    return document


def _plain_name(found: re.Match[str]) -> str:
    return f'"{found[1] or ""}{found[2]}{_OUTPUT if found[3] == _OUTPUT else ""}"'


def _named() -> dict[bytes, str]:
    """Return the names of the types that have a component of their own, by their schemas."""
    named = dict[bytes, str]()
    for name, kind in NAMED.items():
        # What is answered has been accepted: it has the form of requests too, unless it is shown masked.
        for schema in (TypeAdapter(kind).json_schema(mode=mode) for mode in ("validation", "serialization")):
            if schema.keys() - {"format", "type"}:
                named[_key(schema)] = name
    return named


def _key(schema: Json) -> bytes:
    kept = {name: value for name, value in schema.items() if name not in _BESIDE and name != "title"}
    return to_json(dict(sorted(kept.items())))


def _rewritten(value: Any, named: Mapping[bytes, str]) -> Any:  # noqa: ANN401 - JSON
    """Return schemas, wherever they stand in the value, without titles, and with references to those that are named."""
    if isinstance(value, list):
        return [_rewritten(each, named) for each in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("type"), str) and (name := named.get(_key(value))):
        beside = {key: each for key, each in value.items() if key in _BESIDE}
        return _without_empty_default({"$ref": f"{SCHEMA}{name}", **beside})
    kept = {
        key: each if key in _AS_IT_IS else _rewritten(each, named)
        for key, each in value.items()
        # Generators name classes after titles, and two classes alike. A property of this name is no text.
        if not (key == "title" and isinstance(each, str))
    }
    if "dependentRequired" in kept:  # which pydantic writes in any order
        kept["dependentRequired"] = {name: sorted(others) for name, others in kept["dependentRequired"].items()}
    return _shorter(_as_map(_as_condition(_without_empty_default(kept))))


def _without_empty_default(schema: Json) -> Json:
    """Return a reference without its default if that is an empty object: generators write a dict, which is no model."""
    return {key: each for key, each in schema.items() if "$ref" not in schema or (key, each) != ("default", {})}


def _as_condition(schema: Json) -> Json:
    """Return the schema of an object with the forms that it may have as a condition, of which no class is made."""
    for forms in ("anyOf", "oneOf", "not"):
        if "properties" in schema and forms in schema:
            schema |= {"if": {forms: schema.pop(forms)}, "else": {"not": {}}}
    return schema


def _as_map(schema: Json) -> Json:
    """Return the schema of a map with the pattern of its names beside the type of its values, which generators read."""
    match schema:
        case {"patternProperties": dict(kinds), "additionalProperties": False} if len(kinds) == 1:
            del schema["patternProperties"]
            [(pattern, kind)] = kinds.items()
            return {**schema, "additionalProperties": kind, "propertyNames": {"pattern": pattern}}
    return schema


def _shorter(schema: Json) -> Json:
    """Return the schema with a list of types if it is that of one type or null."""
    match schema.get("anyOf"):
        case [{"type": str(kind)} as some, {"type": "null"}] if not some.keys() & _AS_IT_IS:
            del schema["anyOf"]
            return {**some, **schema, "type": [kind, "null"]}
    return schema


def _share_events(schemas: Json, page: str) -> None:
    """Give the events of a timeline one base, with what all kinds have alike."""
    mapping: Mapping[str, str] = schemas[page]["properties"]["items"]["items"]["discriminator"]["mapping"]
    kinds = [schemas[_last(reference)] for reference in mapping.values()]
    alike = {name: schema for name, schema in kinds[0]["properties"].items() if name not in _OF_KIND}
    needed = [name for name in kinds[0]["required"] if name in alike]
    schemas[f"{page}Event"] = {"type": "object", "properties": alike, "required": needed}
    for kind in kinds:
        kind["allOf"] = [{"$ref": f"{SCHEMA}{page}Event"}]
        kind["properties"] = {name: schema for name, schema in kind["properties"].items() if name in _OF_KIND}
        kind["required"] = [*_OF_KIND]


_OF_KIND = ("action", "data")
"""Fields of an event whose types tell its kind."""


def _without_twins(document: Json) -> Json:
    """Return the document without the schemas of answers that are those of requests."""
    schemas = document["components"]["schemas"]
    twins = {name: name.removesuffix(_OUTPUT) for name in schemas if name.endswith(_OUTPUT)}
    alike = [name for name, plain in twins.items() if schemas[name] == schemas.get(plain)]
    for name in alike:
        del schemas[name]
    names = re.compile(rf'(?<="{SCHEMA})({"|".join(alike)})(?=")')
    kept: Json = from_json(names.sub(lambda name: twins[name[0]], to_json(document).decode()))
    return kept if alike else document


def _give_examples(document: Json) -> None:
    """Give each body the examples of its model, unless it has its own."""
    schemas = document["components"]["schemas"]
    for operation in _operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        taken = content.get("schema", {})
        models = [schemas[_last(each["$ref"])] for each in taken.get("anyOf", [taken]) if "$ref" in each]
        given = [example for model in models for example in model.pop("examples", ())]
        if given and "examples" not in content:
            content["examples"] = {f"usual{number or ''}": {"value": each} for number, each in enumerate(given)}


def _share_parameters(document: Json) -> None:
    """Make components of the parameters that several operations have alike."""
    parameters = [each for operation in _operations(document) for each in operation.get("parameters", ())]
    for each in parameters:
        each["schema"].pop("description", None)  # it is the parameter's
        if not each["required"]:
            del each["required"]
    _refer(document, "parameters", [(each, each["name"]) for each in parameters])


def _share_answers(document: Json) -> None:
    """Make components of examples of problems, and of headers and answers that several operations have alike."""
    answers = [(status, answer) for each in _operations(document) for status, answer in each["responses"].items()]
    for _, answer in answers:
        if problem := answer.get("content", {}).get(MEDIA_TYPE):
            for slug, example in problem["examples"].items():
                document["components"]["examples"][slug] = {"value": example["value"]}
            problem["examples"] = {slug: {"$ref": f"#/components/examples/{slug}"} for slug in problem["examples"]}
    headers = [(header, name) for _, answer in answers for name, header in answer.get("headers", {}).items()]
    _refer(document, "headers", headers)
    _refer(document, "responses", [(answer, status) for status, answer in answers])


def _refer(document: Json, kind: str, values: Sequence[tuple[Json, str]]) -> None:
    """Make components of values of this kind that occur more than once, by their names; further ones are numbered."""
    times = Counter((to_json(value), name) for value, name in values)
    components, names, used = document["components"].setdefault(kind, {}), dict[bytes, str](), Counter[str]()
    for (text, name), count in times.most_common():
        if count > 1:
            used[name] += 1
            names[text] = f"{name}-{used[name]}" if used[name] > 1 else name
            components[names[text]] = from_json(text)
    for value, _ in values:
        if found := names.get(to_json(value)):
            value.clear()
            value["$ref"] = f"#/components/{kind}/{found}"


def _operations(document: Json) -> Iterator[Json]:
    for path in document["paths"].values():
        yield from path.values()


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]
