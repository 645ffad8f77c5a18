"""People of the company (人员), so that a case can be handed to one of them."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.codes import BY_NAME
from api.dependencies import ThePeople
from api.edge.problems import UNKNOWN
from api.responses import answer_model, problems
from api.rights import needs
from api.routing import OnceRoute
from api.shapes import Page
from domain.rights.rights import READ_REFERENCE
from domain.shared.actors import Person, StaffRole
from domain.shared.codes import DepartmentCode, DistrictCode


class PeoplePage(Page[Person]):
    """People of the company, all on one page."""

    next_cursor: None = None


class PeopleListing(BaseModel, extra="forbid"):
    """Filters of the list of people."""

    role: StaffRole | None = Field(default=None, description="Only of this role.")
    department: DepartmentCode | None = Field(default=None, description="Only of this department.")
    district: DistrictCode | None = Field(default=None, description="Only those who work in this district.")


router = APIRouter(tags=["reference"], route_class=OnceRoute)


@router.get(
    "/v1/people",
    summary="List the people of the company 人员",
    response_model=PeoplePage,
    dependencies=[needs(READ_REFERENCE)],
    responses=problems(UNKNOWN["department"], UNKNOWN["district"]),
)
async def list_people(wanted: Annotated[PeopleListing, Query(), BY_NAME], people: ThePeople) -> Response:
    """List people by id, without those who have left. Who has no districts works in all."""
    found = [
        person
        for person in sorted(people.present(), key=lambda person: person.id)
        if wanted.role in (None, person.role)
        and wanted.department in (None, person.department)
        and (wanted.district is None or not person.districts or wanted.district in person.districts)
    ]
    return answer_model(PeoplePage(items=[*found]))
