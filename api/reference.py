"""Catalogue of services, lifecycle table, rights, and the people of the company."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.routing import BaseRoute

from api.edge.problems import UNKNOWN
from api.responses import Page, problems
from api.routing import BY_NAME, StrictRoute, TheBackend, needs, right_of
from domain.case.actions import ACTIONS
from domain.case.lifecycle import State
from domain.case.views import ActionName, mermaid
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Credit, Priority, Promise
from domain.rights.rights import ACTION_RIGHTS, KEYED, PERSONAL_DATA, READ_REFERENCE, RIGHTS, Reach, Right, Sight
from domain.shared.actors import Person, Role, StaffRole
from domain.shared.codes import Coded, DepartmentCode, DistrictCode


class ServiceItem(BaseModel):
    """Kind of complaint, with the promises of the company; figures for the town."""

    service_code: str
    name: str
    name_zh: str
    group: str
    department: str
    priority: Priority
    answer_needs_follow_up: bool = Field(description="True if a direct answer (直接答复) is followed up.")
    needs_approval: bool = Field(description="True if management decides (报批) before it can be completed.")
    clocks: tuple[Promise, ...]
    credits: tuple[Credit, ...] = Field(description="Credits that the company owes without being asked (自动补偿).")


class Services(BaseModel):
    """Catalogue in force; `items` are the services, all on one page."""

    items: list[ServiceItem]
    next_cursor: str | None = Field(None, description="Always null: there is no further page.")
    departments: list[Coded]
    districts: list[Coded]
    groups: list[Coded]
    findings: list[Coded] = Field(description="Findings (查实事项) that `complete` accepts.")
    exemptions: list[Coded] = Field(description="Grounds (免责情形) of `decide_credit` on which nothing is owed.")
    currency: str = Field(description="Of every amount; ISO 4217.")


class Named(BaseModel):
    """Code with its Chinese name."""

    code: str
    name_zh: str


ROLES = [Named(code=role, name_zh=role.zh) for role in Role]


class LifecycleRow(BaseModel, validate_by_name=True):
    """Row of the lifecycle table: an action, its roles, its states before and after."""

    action: ActionName
    name_zh: str
    description: str
    roles: list[Role]
    sources: list[State] = Field(alias="from", description="Empty: this is how a case begins.")
    targets: tuple[State, ...] = Field(alias="to", description="Empty: the state stays.")
    offered: bool = Field(description="False for what comes with a later version.")


class Lifecycle(BaseModel):
    """Lifecycle table (流程)."""

    states: list[Named]
    roles: list[Named]
    actions: list[LifecycleRow]
    mermaid: str = Field(description="The table as a Mermaid state diagram.")


class RightRow(BaseModel):
    """Right, or action, with the roles that have it."""

    name: str = Field(examples=["read_cases"])
    name_zh: str
    description: str
    reach: dict[Role, Reach] = Field(
        description="By role. `any`: every case. `department`: those that its department has, or has a part in."
        " `own`: those of which the person is the owner, or the caller."
    )
    routes: list[str] = Field(description="Operations that it opens.", examples=[["GET /v1/complaints"]])


class PersonalDataRow(BaseModel):
    """Kind of personal data, and who sees it."""

    name: str
    name_zh: str
    fields: list[str] = Field(description="Fields that hold it, wherever they stand.", examples=[["caller.phone"]])
    sight: dict[Role, Sight] = Field(
        description="By role: `clear`; `masked`; `while_open`, clear until the case has ended."
    )


class Roles(BaseModel):
    """Roles, and the rights of each (权限)."""

    roles: list[Named]
    rights: list[RightRow]
    actions: list[RightRow] = Field(description="Actions on cases, and on incidents: `incident_...`.")
    personal_data: list[PersonalDataRow] = Field(description="What is masked for whom (脱敏).")


def roles(routes: Sequence[BaseRoute]) -> Roles:
    opened: dict[str, list[str]] = {}
    for route in routes:
        if isinstance(route, APIRoute) and (right := right_of(route)):
            opened.setdefault(right.name, []).extend(
                f"{method} {route.path_format}" for method in sorted(route.methods or ())
            )

    def row(right: Right) -> RightRow:
        return RightRow(
            name=right.name,
            name_zh=right.zh,
            description=right.description,
            reach={role: right.reach[role] for role in Role if role in right.reach},
            routes=opened.get(right.name, []),
        )

    fields = [
        PersonalDataRow(
            name=kind.name, name_zh=kind.zh, fields=[*kind.fields], sight={role: kind.sight_of(role) for role in KEYED}
        )
        for kind in PERSONAL_DATA
    ]
    return Roles(roles=ROLES, rights=[*map(row, RIGHTS)], actions=[*map(row, ACTION_RIGHTS)], personal_data=fields)


def services(catalogue: Catalogue) -> Services:
    items = [
        ServiceItem(
            **dict(service),
            service_code=service.code,
            clocks=catalogue.promises(service.code, None),
            credits=catalogue.credits_of(service.code),
        )
        for service in catalogue.services
    ]
    lists = ("departments", "districts", "groups", "findings", "exemptions", "currency")
    found = {"items": items, **{name: getattr(catalogue, name) for name in lists}}
    return Services.model_validate(found, from_attributes=True)


def lifecycle() -> Lifecycle:
    actions = [
        LifecycleRow(
            action=row.name,
            name_zh=row.zh,
            description=row.description,
            roles=[role for role in Role if role in row.roles],
            sources=[state for state in State if state in row.sources],
            targets=row.targets,
            offered=True,
        )
        for row in ACTIONS
    ]
    states = [Named(code=state, name_zh=state.zh) for state in State]
    return Lifecycle(states=states, roles=ROLES, actions=actions, mermaid=mermaid())


class PeoplePage(Page[Person]):
    """People of the company, all on one page."""

    next_cursor: str | None = Field(None, description="Always null: there is no further page.")


class PeopleListing(BaseModel, extra="forbid"):
    """Filters of the list of people."""

    role: StaffRole | None = Field(None, description="Only of this role.")
    department: DepartmentCode | None = Field(None, description="Only of this department.")
    district: DistrictCode | None = Field(None, description="Only those who work in this district.")


router = APIRouter(tags=["reference"], route_class=StrictRoute)
LIFECYCLE = lifecycle()


@router.get("/v1/services", summary="The catalogue 服务目录", dependencies=[needs(READ_REFERENCE)])
async def list_services(backend: TheBackend) -> Services:
    """List every service with its clocks (for the town), and the codes of departments, districts and groups."""
    return services(backend.catalogue)


@router.get("/v1/lifecycle", summary="The lifecycle table 流程", dependencies=[needs(READ_REFERENCE)])
async def get_lifecycle() -> Lifecycle:
    """Return states, roles, and for each action its roles, and the states it leads from and to."""
    return LIFECYCLE


@router.get("/v1/roles", summary="Roles and their rights 角色与权限", dependencies=[needs(READ_REFERENCE)])
async def get_roles(request: Request) -> Roles:
    """Return who may do what: each right with its roles, its reach and its routes, and which fields are masked.

    A role that a right or an action does not name does not have it.
    """
    return roles(request.app.routes)


@router.get(
    "/v1/people",
    summary="List the people of the company 人员",
    dependencies=[needs(READ_REFERENCE)],
    responses=problems(UNKNOWN["department"], UNKNOWN["district"]),
)
async def list_people(wanted: Annotated[PeopleListing, Query(), BY_NAME], backend: TheBackend) -> PeoplePage:
    """List people by id, without those who have left. Who has no districts works in all."""
    found = [
        person
        for person in sorted(backend.people.directory.people, key=lambda person: person.id)
        if person.left_at is None
        and wanted.role in (None, person.role)
        and wanted.department in (None, person.department)
        and (wanted.district is None or not person.districts or wanted.district in person.districts)
    ]
    return PeoplePage(items=[*found])
