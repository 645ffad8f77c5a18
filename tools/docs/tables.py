"""The tables of the documentation, out of the code and the default catalogue."""

import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from api.problems import KINDS, PREFIX
from domain.case.commands import BODIES
from domain.case.lifecycle import ENDED, OPEN, ROLE_ZH, ROWS, STATE_ZH, Row, State, mermaid
from domain.catalogue.catalogue import CLOCKS, Catalogue, Service
from domain.catalogue.credit_norms import CreditNorm
from domain.catalogue.norms import Duration, Duty
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE, Settings, variable
from tools.docs.rules import rules_in_time
from workflows.presentation.search_attributes import REGISTRY

WRITTEN_BY = "<!-- Written by `python -m tools.docs.generate`; edit the code instead. -->"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def lifecycle_page() -> str:
    """Return the transition table, as a diagram and a table."""
    states = table(("state", "中文", "open"), ((f"`{s}`", STATE_ZH[s], "no" if s in ENDED else "yes") for s in State))
    roles = table(("role", "中文"), ((f"`{role}`", zh) for role, zh in ROLE_ZH.items()))
    head = ("action", "中文", "from", "to", "who", "meaning")
    rows = table(head, map(_row, ROWS))
    return f"""{WRITTEN_BY}

# The lifecycle of a case

This page is drawn from `domain/case/lifecycle.py`, the table that the service itself obeys and publishes as
`GET /v1/lifecycle`.

```mermaid
{mermaid()}```

## States

{states}
## Actions

The owner of a case may do what `owner` may, in addition to what the role of the own key allows. The administrator may
act in every role. Some actions have a rule of their own beside the
table; it is in `domain/case/decisions.py`.

{rows}
{rules_in_time()}
## What the system does by itself

| event | 中文 | meaning |
| --- | --- | --- |
| `escalate` | 升级 | A step of the ladder was taken. |
| `undelivered` | 未送达 | A notification of the case has not got through for minutes, or was given up. |
| `recognise` | 补充识别 | Who calls was known too late for the intake; possible duplicates are in the event. |
| `cancellation_requested` | 请求取消 | Somebody asked Temporal to cancel the workflow; the case goes on. |
| `catalogue_change` | 改用新服务目录 | Another catalogue is in force; the event says why each due time moved. |
| `credit` | 自动补偿 | The company owes something for a missed promise or a finding, and the catalogue says how much. |

A suspended case is also resumed when its wake date comes.

## Roles

{roles}"""


def _row(row: Row) -> tuple[str, ...]:
    action = f"`{row.action}`"
    to = ", ".join(f"`{state}`" for state in row.targets) or "stays"
    who = ", ".join(f"`{role}`" for role in ROLE_ZH if role in row.roles)
    return action, row.zh, _sources(row), to, who, row.description


def _sources(row: Row) -> str:
    if row.sources >= OPEN:
        return ", ".join(["every open state", *(f"`{state}`" for state in State if state in row.sources - OPEN)])
    return ", ".join(f"`{state}`" for state in State if state in row.sources) or "-"


_CATALOGUE_HEAD = f"""{WRITTEN_BY}

# The default catalogue

This page is written from `hotline/catalogues/zhongshan.toml`. The letters are the sources of the figures; **I** is
inferred: no company's promise, but a choice of the catalogue's authors that an operator should replace knowingly.
How to change it: [How to run it](how-run.md#the-catalogue).

Times run round the clock unless they are in working days or marked *working time*. A dash is a clock that is not
promised. *First* in the last column: such a case is completed only once management has decided (报批), for or against.
"""


_OWED_HEAD = """The default catalogue owes nothing. England's Guaranteed Standards (`hotline/catalogues/england.toml`)
do: for a missed promise, or for what a department finds when it completes the case. Amounts are in pounds; each waits
for its approval."""


def _owed() -> str:
    """Return the credits of the second catalogue, and the findings that it knows."""
    catalogue = load_catalogue(DEFAULT_CATALOGUE.with_name("england.toml"))
    owed = table(
        ("credit", "中文", "service", "raised by", "amount", "each further", "at most", "paid by", "source"),
        (
            (
                credit.name,
                credit.name_zh,
                f"`{credit.service}`" if credit.service else "every one",
                f"missed `{credit.clock}`" if credit.clock else f"finding `{credit.finding}`",
                f"{credit.amount}; a business {credit.business}" if credit.business else f"{credit.amount}",
                f"{further.amount} in {_length(further)}" if (further := credit.each_further) else "-",
                f"{credit.at_most}{_in_such_a_time(credit)}" if credit.at_most else "-",
                f"`{credit.paid_by}`" if credit.paid_by else "-",
                ", ".join(credit.source),
            )
            for credit in catalogue.credits
        ),
    )
    findings = table(
        ("finding", "中文", "code"), ((each.name, each.name_zh, f"`{each.code}`") for each in catalogue.findings)
    )
    return f"{_OWED_HEAD}\n\n{owed}\n### Findings\n\n{findings}"


def _in_such_a_time(credit: CreditNorm) -> str:
    return f" for one account in {_length(credit.at_most_in)}" if credit.at_most_in else ""


def catalogue_page() -> str:
    """Return the default catalogue with its sources, and the credits of the second one."""
    catalogue = load_catalogue(DEFAULT_CATALOGUE)
    sections = {
        "Services": table(
            ("service", "中文", "code", "priority", "department", *CLOCKS, "approval"),
            (_service(service, catalogue) for service in catalogue.services),
        ),
        "The ladder": table(
            ("used up", "who is told", "source"),
            ((f"{rung.percent} %", ", ".join(rung.notify), ", ".join(rung.source)) for rung in catalogue.ladder),
        ),
        "Rules of the chain": _process(catalogue),
        "Approvers": "What was approved on a case before counts towards the limits.\n\n"
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
        "Departments": table(
            ("department", "中文", "code"), ((d.name, d.name_zh, f"`{d.code}`") for d in catalogue.departments)
        ),
        "Organisation": table(
            ("post", "中文", "on the ladder", "of the departments", "source"),
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
        "Credits of a second catalogue": _owed(),
    }
    return "\n".join([_CATALOGUE_HEAD, *(f"## {title}\n\n{text}" for title, text in sections.items())])


def _service(service: Service, catalogue: Catalogue) -> tuple[str, ...]:
    department = next(d.name for d in catalogue.departments if d.code == service.department)
    clocks = (_duty(service.duty(clock)) for clock in CLOCKS)
    approval = "first" if service.needs_approval else "-"
    return service.name, service.name_zh, f"`{service.code}`", service.priority, department, *clocks, approval


def _duty(duty: Duty | None) -> str:
    if duty is None:
        return "-"
    letters = ", ".join(duty.source)
    if duty.in_call:
        return f"in the call ({letters})"
    words = _length(duty)
    if duty.outskirts_minutes is not None:
        words += f", outskirts {duty.outskirts_minutes:g} min"
    if duty.kind() == "working" and duty.working_days is None:
        words += ", *working time*"
    if duty.starts == "decision":
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
    """Return the table of settings."""
    rows = (_setting(name, field) for name, field in Settings.model_fields.items())
    return table(("variable", "default", "accepted", "meaning"), rows)


def _setting(name: str, field: FieldInfo) -> tuple[str, ...]:
    default = "derived" if field.default_factory else _plain_default(name, field.default)
    return f"`{variable(name)}`", default, _accepted(field), str(field.description).replace("\n", " ")


def _plain_default(name: str, value: object) -> str:
    if name == "catalogue":
        return f"`hotline/catalogues/{DEFAULT_CATALOGUE.name}`"
    if value is None:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _accepted(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if annotation is bool:
        return "`true`, `false`"
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = ((sign, getattr(rule, key, None)) for rule in field.metadata for key, sign in signs.items())
    bounds = [f"{sign} {value}" for sign, value in found if value is not None]
    return ", ".join(bounds) or "text"


def bodies() -> str:
    """Return the table of the bodies of all actions."""
    rows = ((f"`{row.action}`", row.zh, fields(BODIES[row.action])) for row in ROWS if row.action in BODIES)
    return table(("action", "中文", "body; `note?` may always be added"), rows)


def fields(body: type[BaseModel]) -> str:
    """Return the fields of an action's body, with their types; optional ones have a question mark."""
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
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_type(part) for part in get_args(annotation) if part is not type(None))
    return _TYPES.get(annotation.__name__, "text")


_TYPES = {
    "AwareDatetime": "instant",
    "Decimal": "decimal string",
    "bool": "true or false",
    "int": "number",
    "tuple": "list",
}


def problems() -> str:
    """Return the table of the types of problems."""
    rows = ((f"`{PREFIX}{slug}`", str(int(kind.status)), kind.title) for slug, kind in KINDS.items())
    return table(("type", "status", "title"), rows)


def search_attributes() -> str:
    """Return the table of the search attributes that the service registers."""
    return table(
        ("attribute", "type", "meaning"),
        ((f"`{key.name}`", key.indexed_value_type.name.lower(), _MEANING[key.name]) for key in REGISTRY),
    )


_MEANING = {
    "State": "State of the lifecycle: `registered`, `dispatched` ...",
    "Service": "Code of the service in the catalogue.",
    "District": "Code of the district, where one is known.",
    "Department": "Code of the department that has the case.",
    "Owner": "The owner's name, as on the key.",
    "Priority": "`P1` to `P5`.",
    "Sla": "`on_time`, `at_risk`, `missed`, `paused`, of the present cycle.",
    "Incident": "The incident that the case belongs to; of an incident, its own number.",
    "NextDueAt": "When the next running promise falls due. Absent while none runs.",
    "Involved": "Codes of the further departments whose parts are not done (协办).",
    "Flags": "What else is known: `urged`, `supervised`, `reworked` ...",
}
