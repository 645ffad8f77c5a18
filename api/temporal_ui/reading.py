"""Reading in the Temporal UI: who sees which workflows there, by the rights of the routes that show the same.

Lists are narrowed by a condition. Temporal reads a query with a grammar of SQL that knows far more than lists need.
This module divides a query into the same tokens, and takes what lists need: so what it takes stays whole between
brackets.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from activities.names import complaint_id
from api.complaints.cases import Cases
from api.edge.problems import OTHER_DEPARTMENT, WRONG_ROLE, ProblemError, declare
from api.temporal_ui.rules import NOT_ALLOWED, Match, RequestKind, parameters_of, refused, require_details
from domain.case.views import CaseView
from domain.rights.rights import READ_ASSESSMENTS, READ_CASES, READ_INCIDENTS, READ_REPORTS, Reach, Right
from domain.shared.actors import Actor
from domain.shared.numbers import is_number
from workflows.kit import search_attributes as keys

LONGEST: Final = 15_000
"""Characters of the longest query; the UI itself sends no longer one."""
DEEPEST: Final = 40
"""Brackets within each other; Temporal takes some hundreds."""
GROUPS: Final = " GROUP BY ExecutionStatus"
"""Ending of the query by which the UI counts by status."""
_BLANK = " \t\r\n"
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<v> "(?:[^"\\]|\\.|"")*" | '(?:[^'\\]|\\.|'')*' | [0-9]+(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)? (?![\w@.]) )
    | (?P<n> `(?:[^`]|``)+` )
    | (?P<word> [A-Za-z_][A-Za-z0-9_]* (?!['@]) )
    | (?P<sign> <= (?!>) | >= | != | <> | [=<>(),+] | -(?![->]) )
    )""",
    re.VERBOSE | re.DOTALL,
)
_COMPARE = dict.fromkeys(("=", "!=", "<>", "<", "<=", ">", ">="), "=")
_KEYWORDS = {"AND": "&", "OR": "|", "NOT": "!", "IN": "i", "BETWEEN": "b", "STARTS_WITH": "s", "IS": "j", "NULL": "0"}
_LETTERS = {**_COMPARE, **_KEYWORDS, "TRUE": "v", "FALSE": "v", "GROUP": "G", "BY": "B", "+": "-"}
"""Letter of a sign or keyword in the form of a query; a value is `v`, any other name `n`, all else itself."""
_COMPARISON = re.compile(r"n(?:=-?v|j!?0|!?(?:i\(-?v(?:,-?v)*\)|b-?v&-?v|s-?v))")
_JOINED = re.compile(r"(?<!!)!+c|\(c\)|c(?:[&|]c)+")


class UnreadableQueryError(ValueError):
    """Query that cannot be narrowed; the message says why, and what would be accepted."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This query cannot be narrowed to your department: {reason}. It takes comparisons (=, !=, <, <=, >, >=, "
            "IN, BETWEEN, STARTS_WITH, IS NULL) joined by AND, OR, NOT and brackets; no comments, no ORDER BY. "
            "此查询无法限定到本部门: 仅支持上述比较与 AND、OR、NOT、括号。"
        )


def narrowed(query: str, condition: str, *, counted: bool = False) -> str:
    """Return a query that finds what both the query and the condition find; `counted`: it may end as counts do.

    Raises UnreadableQueryError.
    """
    if len(query) > LONGEST or not all(char.isprintable() or char in _BLANK for char in query):
        raise UnreadableQueryError(f"it has more than {LONGEST:,} characters, or some that cannot be printed")
    form, ends = _form_of(query)
    ending = ""
    if counted and form.endswith("GBn") and query[ends[-2] :].strip() == "ExecutionStatus":
        form, ends, ending = form[:-3], ends[:-3], GROUPS
    if not form:
        return f"({condition}){ending}"
    if not _is_whole(form):
        raise UnreadableQueryError("it is no whole expression")
    return f"({query[: ends[-1]]}) AND ({condition}){ending}"


def _form_of(query: str) -> tuple[str, list[int]]:
    """Return the form of a query, a letter for each token, and where each token ends."""
    letters, ends, at = list[str](), list[int](), 0
    end = len(query.rstrip(_BLANK))
    while at < end:
        found = _TOKEN.match(query, at)
        if found is None:
            raise UnreadableQueryError(f"what begins at character {at + 1} is no name, value or operator of lists")
        kind, text = found.lastgroup or "", found[found.lastgroup or 0]
        other = {"word": "n", "sign": text}.get(kind, kind)
        letters.append(other if kind in ("v", "n") else _LETTERS.get(text.upper(), other))
        ends.append(at := found.end())
    return "".join(letters), ends


def _is_whole(form: str) -> bool:
    """Return True if the form is one expression: comparisons, joined until one is left."""
    form = _COMPARISON.sub("c", form)
    for _ in range(2 * DEEPEST):
        form, times = _JOINED.subn("c", form)
        if not times:
            break
    return form == "c"


UNREADABLE_QUERY = declare("unreadable-query", HTTPStatus.BAD_REQUEST, "Query of the Temporal UI not readable")
RIGHTS: Final[Mapping[str, Right]] = {
    complaint_id(""): READ_CASES,
    "incident-": READ_INCIDENTS,
    "assessment-": READ_ASSESSMENTS,
    "report-": READ_REPORTS,
}
"""Right to read a workflow, by the beginning of its id. All others are for whoever reads all cases."""


async def admit(cases: Cases, actor: Actor, match: Match, query: bytes) -> bytes:
    """Return the query to send on for a request of this rule, narrowed to what the person may read.

    Raises ProblemError.
    """
    if not _reads_all(actor) and (actor.role not in READ_CASES.reach or actor.department is None):
        raise _wrong_role(actor, READ_CASES)
    if match.ids.get("namespace") not in (None, cases.client.namespace):
        raise refused(match.rule.method)
    if match.kind in (RequestKind.PAGE, RequestKind.ASSET):
        return query
    if match.kind is RequestKind.LOGIN:
        detail = "What you opened is not among what you may see, as another department's case. 不在您的查阅范围内。"
        raise ProblemError(NOT_ALLOWED, detail)
    parameters = parameters_of(match.rule, query)
    if match.kind is RequestKind.RENDER:
        require_details(parameters.get("content", ""))
    if match.kind is RequestKind.OPERATIONS and not _reads_all(actor):
        raise _wrong_role(actor, READ_CASES)
    if match.kind in (RequestKind.LIST, RequestKind.COUNT) and not _reads_all(actor):
        condition = f'{keys.DEPARTMENT.name} = "{actor.department}" OR {keys.INVOLVED.name} = "{actor.department}"'
        try:
            counted = match.kind is RequestKind.COUNT
            parameters["query"] = narrowed(parameters.get("query", ""), condition, counted=counted)
        except UnreadableQueryError as error:
            raise ProblemError(UNREADABLE_QUERY, str(error)) from None
    if match.kind in (RequestKind.WORKFLOW, RequestKind.QUERY) and match.workflow_id is not None:
        await case_read(cases, actor, match.workflow_id)
    return urlencode(parameters).encode()


async def case_read(cases: Cases, actor: Actor, workflow_id: str) -> CaseView | None:
    """Return the case of a workflow that the person may read as one of a department; None for any other workflow.

    Raises ProblemError if the person may not read it, whichever of its runs.
    """
    right = next((right for start, right in RIGHTS.items() if workflow_id.startswith(start)), READ_CASES)
    number = workflow_id.removeprefix(complaint_id(""))
    match right.reach.get(actor.role):
        case Reach.ANY:
            return None
        case Reach.DEPARTMENT if workflow_id == complaint_id(number) and is_number(number):
            return await cases.get(number, actor, right)
        case Reach.DEPARTMENT:
            detail = (
                f"Not of one case: you read the cases of your department here, {actor.department}. 仅限本部门工单。"
            )
            raise ProblemError(OTHER_DEPARTMENT, detail, accepted=["a case of your department"])
        case _:
            raise _wrong_role(actor, right)


def _reads_all(actor: Actor) -> bool:
    return READ_CASES.reach.get(actor.role) is Reach.ANY


def _wrong_role(actor: Actor, right: Right) -> ProblemError:
    accepted = sorted(role.value for role in right.reach)
    detail = f"{right.name} is not for the role {actor.role} here; it takes {' or '.join(accepted)}. 该角色无权查阅。"
    return ProblemError(WRONG_ROLE, detail, accepted=accepted)
