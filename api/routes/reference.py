"""Catalogue of services, lifecycle table, and rights."""

from collections.abc import Sequence

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from api import render
from api.backend import Backend
from api.openapi import RIGHT, Operations
from api.schemas import Lifecycle, LifecycleRow, Named, PersonalDataRow, RightRow, Roles, Services
from domain.case.actions import ACTIONS
from domain.case.lifecycle import State
from domain.case.views import mermaid
from domain.catalogue.catalogue import Catalogue
from domain.rights.masking import PERSONAL_DATA
from domain.rights.rights import ACTION_RIGHTS, KEYED, READ_REFERENCE, RIGHTS, Right
from domain.shared.actors import Role


def roles(routes: Sequence[BaseRoute]) -> Roles:
    """Return the rights with those of these routes that they open, in the shape of `schemas.Roles`."""
    opened: dict[str, list[str]] = {}
    for route in routes:
        if isinstance(route, APIRoute) and (right := (route.openapi_extra or {}).get(RIGHT)):
            opened.setdefault(right, []).extend(
                f"{method} {route.path_format}" for method in sorted(route.methods or ())
            )

    def row(right: Right) -> RightRow:
        return RightRow(
            name=right.name,
            name_zh=right.zh,
            description=right.description,
            reach=dict(right.reach),
            routes=opened.get(right.name, []),
        )

    fields = [
        PersonalDataRow(
            name=kind.name,
            name_zh=kind.zh,
            fields=[*kind.fields],
            sight={role: kind.sight_of(role) for role in KEYED},
        )
        for kind in PERSONAL_DATA
    ]
    return Roles(
        roles=[Named(code=role, name_zh=role.zh) for role in Role],
        rights=[*map(row, RIGHTS)],
        actions=[*map(row, ACTION_RIGHTS)],
        personal_data=fields,
    )


def services(catalogue: Catalogue) -> bytes:
    """Return the catalogue in the shape of `schemas.Services`."""
    items = [
        {
            **dict(service),
            "service_code": service.code,
            "clocks": catalogue.promises(service.code, None),
            "credits": catalogue.credits_of(service.code),
        }
        for service in catalogue.services
    ]
    names = ("departments", "districts", "groups", "findings", "exemptions")
    lists = {name: getattr(catalogue, name) for name in names}
    found = {"items": items, "currency": catalogue.currency, **lists}
    return Services.model_validate(found, from_attributes=True).model_dump_json().encode()


def lifecycle() -> Lifecycle:
    """Return the lifecycle table in the shape of `schemas.Lifecycle`."""
    actions = [
        LifecycleRow.model_validate(
            {
                "action": row.name,
                "name_zh": row.zh,
                "description": row.description,
                "roles": [role for role in Role if role in row.roles],
                "from": [state for state in State if state in row.sources],
                "to": row.targets,
                "offered": True,
            }
        )
        for row in ACTIONS
    ]
    return Lifecycle(
        states=[Named(code=state, name_zh=state.zh) for state in State],
        roles=[Named(code=role, name_zh=role.zh) for role in Role],
        actions=actions,
        mermaid=mermaid(),
    )


operations = Operations("reference")
LIFECYCLE = lifecycle()
_WRITTEN = LIFECYCLE.model_dump_json(by_alias=True).encode()


@operations.get("/v1/services", "The catalogue 服务目录", READ_REFERENCE, Services, "services")
async def list_services(backend: Backend) -> Response:
    """List every service with its clocks (for the town), and the codes of departments, districts and groups."""
    return render.answer(services(backend.catalogue))


@operations.get("/v1/lifecycle", "The lifecycle table 流程", READ_REFERENCE, Lifecycle, ("lifecycle", LIFECYCLE))
async def get_lifecycle(_: Backend) -> Response:
    """Return states, roles, and for each action its roles, and the states it leads from and to."""
    return render.answer(_WRITTEN)


@operations.get("/v1/roles", "Roles and their rights 角色与权限", READ_REFERENCE, Roles, ("roles", roles([])))
async def get_roles(_: Backend, request: Request) -> Response:
    """Return who may do what: each right with its roles, its reach and its routes, and which fields are masked.

    A role that a right or an action does not name does not have it.
    """
    return render.model(roles(request.app.routes))
