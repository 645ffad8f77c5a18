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
from api.complaints.caller_page import STATE_FOR_CALLERS
from api.edge.problems import PROBLEM_KINDS
from domain.assessment.assessment import ASSESSMENT_KINDS
from domain.case.actions import ACTIONS, COMMANDS
from domain.case.automatic import AUTOMATIC
from domain.case.lifecycle import OPEN, PartState, State
from domain.case.state import Action
from domain.case.views import mermaid
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.norms import ClockNorm, CreditNorm, Duration, Service
from domain.catalogue.terms import CLOCKS
from domain.incident.incident import INCIDENT_KINDS
from domain.incident.state import IncidentState
from domain.kit.event import CANCELLATION, BaseKind
from domain.shared.actors import Role
from domain.shared.codes import Coded
from domain.shared.value import NamedCode
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE, Settings, variable
from tools.docs.assessment import norms
from tools.docs.keys import bounds
from tools.docs.markdown import bullets, items, table, wrapped
from tools.docs.rules import RULES_IN_TIME
from workflows.kit.search_attributes import REGISTRY

WRITTEN_BY = "<!-- Written by `python -m tools.docs.generate`; edit the code instead. -->"
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


_CATALOGUE_HEAD = f"""{WRITTEN_BY}

# The default catalogue

This page is generated from `hotline/catalogues/zhongshan.toml`. [How to run it](how-run.md#the-catalogue) tells how to
change the catalogue.

The letters are the sources of the figures. **I** means *inferred*: the catalogue's authors chose the figure, and no
company has promised it. Replace such figures with your own.

Times run round the clock, unless they are in working days or marked *working time*. A dash means that the clock is not
promised. *First* in the last column means that management has to decide (报批) before the case can be completed.
"""


_OWED_HEAD = """The default catalogue has no credits. England's Guaranteed Standards
(`hotline/catalogues/england.toml`) have credits for missed promises and for findings of a department that completes the
case. The amounts are in pounds. Each credit needs an approval. *Unknown* is a gap of the catalogue: the amount was not
found, and nothing is credited."""


def _owed() -> str:
    """Return the tables of the second catalogue's credits, gaps, notes, findings and exemptions."""
    catalogue = load_catalogue(DEFAULT_CATALOGUE.with_name("england.toml"))
    owed = table(
        ("credit", "中文", "service", "raised by", "amount", "each further", "at most", "paid by", "source"),
        (
            (
                credit.name,
                credit.name_zh,
                f"`{credit.service}`" if credit.service else "every service",
                f"missed `{credit.clock}`" if credit.clock else f"finding `{credit.finding}`",
                f"{credit.amount or '*unknown*'}{f'; a business {credit.business}' if credit.business else ''}",
                f"{further.amount} in {_length(further)}" if (further := credit.each_further) else "-",
                f"{credit.at_most}{_in_such_a_time(credit)}" if credit.at_most else "-",
                f"`{credit.paid_by}`" if credit.paid_by else "-",
                ", ".join(credit.source),
            )
            for credit in catalogue.credits
        ),
    )
    coded = {"Findings": ("finding", catalogue.findings), "Exemptions": ("exemption", catalogue.exemptions)}
    sections = {
        "Unknown amounts": table(("credit", "gap"), ((each.name, each.gap) for each in catalogue.credits if each.gap)),
        "Notes to the approver": table(
            ("credit", "note"), ((each.name, each.note) for each in catalogue.credits if each.note)
        ),
        **{title: _coded(head, entries) for title, (head, entries) in coded.items()},
    }
    return "\n".join([f"{_OWED_HEAD}\n\n{owed}", *(f"### {title}\n\n{text}" for title, text in sections.items())])


def _coded(head: str, entries: Iterable[Coded]) -> str:
    return table((head, "中文", "code"), ((each.name, each.name_zh, f"`{each.code}`") for each in entries))


def _in_such_a_time(credit: CreditNorm) -> str:
    return f" for one account in {_length(credit.at_most_in)}" if credit.at_most_in else ""


def catalogue_page() -> str:
    """Return the catalogue page: the default catalogue and the credits of the second one."""
    catalogue = load_catalogue(DEFAULT_CATALOGUE)
    sections = {
        "Services": table(
            ("service", "中文", "code", "priority", "department", *CLOCKS, "approval"),
            (_service(service, catalogue) for service in catalogue.services),
        ),
        "The ladder": table(
            ("used", "recipients", "source"),
            ((f"{step.percent} %", ", ".join(step.notify), ", ".join(step.source)) for step in catalogue.ladder),
        ),
        "Rules of the chain": _process(catalogue),
        "Approvers": "Amounts that were approved on the case before count towards the limits.\n\n"
        + table(
            ("in turn", "up to, CNY", "within", "source"),
            (
                (norm.post, f"{norm.up_to:,}", _length(norm.within), ", ".join(norm.source))
                for norm in catalogue.approvers
            ),
        ),
        "Surges": table(
            ("services", "more cases of one district than", "within", "followed up", "source"),
            (
                (
                    ", ".join(f"`{code}`" for code in norm.services),
                    str(norm.more_than),
                    _length(norm.within),
                    f"{norm.follow_up_percent} %",
                    ", ".join(norm.source),
                )
                for norm in catalogue.surges
            ),
        ),
        "The monthly assessment": norms(catalogue),
        "Findings": "Causes that a department may name with `complete`, for the [reports](reports.md). "
        "Nothing is owed for them.\n\n" + _coded("finding", catalogue.findings),
        "Departments": _coded("department", catalogue.departments),
        "Organisation": table(
            ("post", "中文", "recipient", "departments", "source"),
            (
                (post.name, post.name_zh, post.recipient, ", ".join(post.departments) or "all", ", ".join(post.source))
                for post in catalogue.organisation
            ),
        ),
        "Districts": table(
            ("district", "中文", "code", "zone"),
            ((d.name, d.name_zh, f"`{d.code}`", d.zone) for d in catalogue.districts),
        ),
        "Sources": table(("letter", "source"), catalogue.sources.items()),
        "Credits of the second catalogue": _owed(),
    }
    return "\n".join([_CATALOGUE_HEAD, *(f"## {title}\n\n{text}" for title, text in sections.items())])


def _service(service: Service, catalogue: Catalogue) -> tuple[str, ...]:
    department = next(d.name for d in catalogue.departments if d.code == service.department)
    clocks = (_clock_norm(service.norm_of(clock)) for clock in CLOCKS)
    approval = "first" if service.needs_approval else "-"
    return service.name, service.name_zh, f"`{service.code}`", service.priority, department, *clocks, approval


def _clock_norm(norm: ClockNorm | None) -> str:
    if norm is None:
        return "-"
    letters = ", ".join(norm.source)
    if norm.in_call:
        return f"in the call ({letters})"
    words = _length(norm)
    if norm.outskirts_minutes is not None:
        words += f", outskirts {norm.outskirts_minutes:g} min"
    if norm.calendar_kind() == "working" and norm.working_days is None:
        words += ", *working time*"
    if norm.starts == "decision":
        words += " from the decision"
    return f"{words} ({letters})"


_UNITS = {"seconds": "s", "minutes": "min", "hours": "h", "days": "d", "working_days": "working d"}


def _length(duration: Duration) -> str:
    return " ".join(f"{value:g} {_UNITS[unit]}" for unit, value in duration.units().items())


def _process(catalogue: Catalogue) -> str:
    rows = []
    for name in type(catalogue.process).model_fields:
        norm = getattr(catalogue.process, name)
        value = _length(norm) if isinstance(norm, Duration) else str(getattr(norm, "count", None) or norm.working_days)
        if hasattr(norm, "working_days") and not isinstance(norm, Duration):
            value += " working d"
        rows.append((f"`{name}`", value, ", ".join(norm.source)))
    return table(("rule", "value", "source"), rows)


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
