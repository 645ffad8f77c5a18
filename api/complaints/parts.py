"""Parts of cases that further departments do (协办), as a list."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from api.codes import BY_NAME
from api.complaints.answers import PartPage, part_json
from api.dependencies import TheCatalogue, TheReader
from api.edge.problems import OTHER_DEPARTMENT, UNKNOWN, ProblemError
from api.parameters import Paging
from api.responses import answer_page, problems
from api.rights import department_within, needs
from api.routing import OnceRoute
from domain.case.parts import PartState
from domain.rights.rights import READ_PARTS
from domain.shared.actors import Actor
from domain.shared.codes import DepartmentCode, words
from readmodel.cases.queries import list_parts as parts_of


class PartListing(Paging):
    """Filters of a list of parts."""

    department: DepartmentCode | None = Field(
        default=None,
        description="The department, by code or name; by default your own.",
        examples=["repair"],
    )
    state: tuple[PartState, ...] = Field(
        default=(), description="State of the part; repeat it for several states.", examples=[["dispatched"]]
    )


router = APIRouter(tags=["complaints"], route_class=OnceRoute)


@router.get(
    "/v1/parts",
    summary="List the parts of a department (协办)",
    response_model=PartPage,
    responses=problems(UNKNOWN["department"], OTHER_DEPARTMENT),
)
async def list_parts(
    wanted: Annotated[PartListing, Query(), BY_NAME],
    actor: Annotated[Actor, needs(READ_PARTS)],
    reader: TheReader,
    catalogue: TheCatalogue,
) -> Response:
    """List the parts of a department in cases of others; `GET /v1/complaints` lists its own cases."""
    department = department_within(READ_PARTS, actor, wanted.department) or actor.department
    if department is None:
        detail = "Your key has no department: name one with the parameter `department`."
        raise ProblemError(UNKNOWN["department"], detail, accepted=words(catalogue.departments))
    page = await reader.ask(parts_of, department, wanted.state, wanted.cursor, wanted.limit)
    return answer_page((part_json(item, actor) for item in page.items), page.next_cursor)
