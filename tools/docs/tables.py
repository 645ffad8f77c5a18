"""Tables of the documentation, generated from the code and the default catalogue."""

import textwrap
import types
from collections.abc import Iterable, Mapping
from enum import EnumType
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import api.app  # noqa: F401 - its modules declare the types of problems
from api.complaints.caller_words import STATE_FOR_CALLERS
from api.edge.problems import PROBLEM_KINDS
from domain.assessment.assessment import ASSESSMENT_KINDS
from domain.case.actions import ACTIONS, COMMANDS
from domain.case.automatic import AUTOMATIC
from domain.case.lifecycle import OPEN, PartState, State
from domain.case.state import Action
from domain.case.views import mermaid
from domain.incident.incident import INCIDENT_KINDS
from domain.incident.state import IncidentState
from domain.kit.event import CANCELLATION, BaseKind
from domain.shared.actors import Role
from domain.shared.value import NamedCode
from hotline.settings import DEFAULT_CATALOGUE, Settings, variable
from tools.docs.keys import bounds
from tools.docs.markdown import WRITTEN_BY, bullets, items, table, wrapped
from tools.docs.rules import RULES_IN_TIME
from workflows.kit.search_attributes import REGISTRY

_ROOT = Path(__file__).resolve().parents[2]


def lifecycle_page() -> str:
    """Return the lifecycle page: the transition table as a diagram and as a table, and its conditions of time."""
    transitions = table(("action", "from", "to", "role"), map(_row, ACTIONS))
    return f"""{WRITTEN_BY}

# The lifecycle of a case

This is the transition table in `domain/case/`, which `GET /v1/lifecycle` publishes.
[The glossary](glossary.md#actions-操作) says what each action means.

```mermaid
{mermaid()}```

## Transitions

Every state but `closed`, `refused` and `withdrawn` is open. The owner of a case may carry out the actions of `owner`,
in addition to those of their role; the administrator may act in every role.

{transitions}
{RULES_IN_TIME}"""


def glossary_actions() -> str:
    """Return the glossary's list of actions and of the system's events."""
    return _events((*ACTIONS, *AUTOMATIC))


def glossary_incident_events() -> str:
    """Return the glossary's names of what happens to incidents."""
    return _words(kind for name, kind in INCIDENT_KINDS.items() if name != CANCELLATION)


def glossary_assessment_events() -> str:
    """Return the glossary's names of what happens to an assessment."""
    return _words(ASSESSMENT_KINDS[name] for name in ASSESSMENT_KINDS if name != CANCELLATION)


def glossary_states() -> str:
    """Return the glossary's list of the states of a case, with what its caller reads."""
    return bullets(f"{_word(state)}: {' · '.join(STATE_FOR_CALLERS[state])}" for state in State)


def glossary_part_states() -> str:
    """Return the glossary's names of the states of a part."""
    return _words(PartState)


def glossary_incident_states() -> str:
    """Return the glossary's names of the states of an incident."""
    return _words(IncidentState)


def _word(term: NamedCode | BaseKind[Any, Any]) -> str:
    return f"{term.zh} `{term if isinstance(term, NamedCode) else term.name}`"


def _words(terms: Iterable[NamedCode | BaseKind[Any, Any]]) -> str:
    """Return terms in lines of usual width; none is broken."""
    listed = ", ".join(_word(term).replace(" ", "\0") for term in terms)
    return f"{textwrap.fill(listed, break_long_words=False)}.\n".replace("\0", " ")


def _events(kinds: Iterable[BaseKind[Any, Any]]) -> str:
    return bullets(f"{_word(kind)}: {kind.description}" for kind in kinds)


def _row(row: Action) -> tuple[str, ...]:
    to = "every open state" if {*row.targets} >= OPEN else ", ".join(f"`{state}`" for state in row.targets) or "stays"
    who = ", ".join(f"`{role}`" for role in Role if role in row.roles)
    return f"`{row.name}`", _sources(row), to, who


def _sources(row: Action) -> str:
    if row.sources >= OPEN:
        return ", ".join(["every open state", *(f"`{state}`" for state in State if state in row.sources - OPEN)])
    return ", ".join(f"`{state}`" for state in State if state in row.sources) or "-"


def settings() -> str:
    """Return the list of settings: variable, default, accepted values and meaning."""
    plain = {name: field.default for name, field in Settings.model_fields.items()}
    plain["catalogue"] = DEFAULT_CATALOGUE.relative_to(_ROOT)
    return wrapped(_setting(name, field, plain) for name, field in Settings.model_fields.items())


def _setting(name: str, field: FieldInfo, plain: Mapping[str, Any]) -> str:
    derived: Any = field.default_factory
    value = derived(plain) if derived else plain[name]
    default = f"`{str(value).lower() if isinstance(value, bool) else value}`" if value not in (None, "") else ""
    accepted = "/".join(f"`{choice}`" for choice in get_args(field.annotation) if isinstance(choice, str))
    told = ", ".join(filter(None, (default, accepted or bounds(field))))
    return f"`{variable(name)}`{f' ({told})' * bool(told)}: {field.description}"


def bodies() -> str:
    """Return the list of the actions' bodies; the type is left out if it is text."""
    found = ((name, action, fields(action.body).replace("` text", "`")) for name, action in COMMANDS.items())
    return wrapped(f"`{name}` {action.zh}: {body}".replace("` or `", "`/`") for name, action, body in found)


def fields(body: type[BaseModel]) -> str:
    """Return the fields of a body with their types; a question mark marks optional fields."""
    found = (
        f"`{name}{'' if field.is_required() else '?'}` {_type(field.annotation)}"
        for name, field in body.model_fields.items()
        if name != "note" or field.is_required()
    )
    return ", ".join(found) or "-"


def _type(annotation: Any) -> str:  # noqa: ANN401 - an annotation may be anything
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if get_origin(annotation) is tuple:
        return f"list of {_type(get_args(annotation)[0])}"
    if choices := get_args(annotation) if get_origin(annotation) is Literal else _members(annotation):
        return " or ".join(f"`{choice}`" for choice in choices)
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_type(part) for part in get_args(annotation) if part is not type(None))
    if issubclass(annotation, BaseModel):
        return f"object with {' or '.join(f'`{name}`' for name in annotation.model_fields)}"
    return _TYPES.get(annotation.__name__, "text")


def _members(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - same
    return tuple(annotation) if isinstance(annotation, EnumType) else ()


_TYPES = {
    "AwareDatetime": "instant",
    "Decimal": "decimal string",
    "bool": "true or false",
    "float": "number",
    "int": "number",
    "tuple": "list",
}


def problems() -> str:
    """Return the list of problem types, without the beginning that they share, by status."""
    kinds = sorted(PROBLEM_KINDS.values(), key=lambda kind: (kind.status, kind.slug))
    return wrapped(
        f"**{int(status)}**: {', '.join(f'`{kind.slug}`' for kind in alike)}"
        for status, alike in groupby(kinds, lambda kind: kind.status)
    )


def search_attributes() -> str:
    """Return the list of search attributes; those that are no keywords with their type."""
    types = {key: key.indexed_value_type.name.lower() for key in REGISTRY}
    return items(
        (key.name, meaning if types[key] == "keyword" else f"{meaning} Type `{types[key]}`.")
        for key, meaning in REGISTRY.items()
    )
