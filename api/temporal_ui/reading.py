"""Reading in the Temporal UI: who sees which workflows there, by the rights of the routes that show the same."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from activities.names import complaint_id
from api.complaints.cases import Cases
from api.edge.problems import OTHER_DEPARTMENT, WRONG_ROLE, ProblemError, declare
from api.temporal_ui.rules import NOT_ALLOWED, Match, RequestKind, parameters_of, refused, require_details
from api.temporal_ui.visibility import UnreadableQueryError, narrowed
from domain.case.views import CaseView
from domain.rights.rights import READ_ASSESSMENTS, READ_CASES, READ_INCIDENTS, READ_REPORTS, Reach, Right
from domain.shared.actors import Actor
from domain.shared.numbers import is_number
from workflows.kit import search_attributes as keys

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
