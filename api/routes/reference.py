"""What the company promises, and what may follow what: the catalogue and the lifecycle table."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.schemas import Coded, Lifecycle, LifecycleRow, Named, PromisedClock, ServiceItem, Services
from api.security import Key
from domain.case.actions import ACTIONS
from domain.case.diagram import mermaid
from domain.case.lifecycle import STATE_ZH, State
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.credit_norms import Finding
from domain.catalogue.norms import Department, District, Group
from domain.shared.actors import ROLE_ZH, Role


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations that hardly ever change while the process runs: their answers are written once."""
    promised = _Written(backend)
    table = lifecycle()

    @router.get(
        "/v1/services",
        tags=["reference"],
        operation_id="list_services",
        summary="The catalogue 服务目录",
        response_model=Services,
        responses={
            200: openapi.example("All of it, on one page.", "services"),
            **openapi.errors("unauthorized", "malformed-key"),
        },
    )
    async def list_services(_: Annotated[Key, Depends(backend.bearer)]) -> Response:
        """Every service with its clocks (for the town), and the codes of departments, districts and groups."""
        return render.answer(promised())

    @router.get(
        "/v1/lifecycle",
        tags=["reference"],
        operation_id="get_lifecycle",
        summary="The lifecycle table 流程",
        response_model=Lifecycle,
        responses={
            200: openapi.example("The whole table.", "lifecycle"),
            **openapi.errors("unauthorized", "malformed-key"),
        },
    )
    async def get_lifecycle(_: Annotated[Key, Depends(backend.bearer)]) -> Response:
        """States, roles, and for each action who may do it, from where, and where it leads."""
        return render.answer(table)


class _Written:
    """The catalogue as it is answered: written again when another one is in force."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._of: Catalogue | None = None
        self._text = b""

    def __call__(self) -> bytes:
        catalogue = self._backend.catalogue
        if catalogue is not self._of:
            self._of, self._text = catalogue, services(catalogue)
        return self._text


def services(catalogue: Catalogue) -> bytes:
    """The catalogue as `schemas.Services`."""
    items = [
        ServiceItem(
            service_code=service.code,
            name=service.name,
            name_zh=service.name_zh,
            group=service.group,
            department=service.department,
            priority=service.priority,
            answer_needs_follow_up=service.answer_needs_follow_up,
            needs_approval=service.needs_approval,
            clocks=[
                PromisedClock.model_validate(promise.model_dump()) for promise in catalogue.promises(service.code, None)
            ],
            credits=list(catalogue.credits_of(service.code)),
        )
        for service in catalogue.services
    ]
    found = Services(
        items=items,
        departments=_coded(catalogue.departments),
        districts=_coded(catalogue.districts),
        groups=_coded(catalogue.groups),
        findings=_coded(catalogue.findings),
        currency=catalogue.currency,
    )
    return found.model_dump_json().encode()


def lifecycle() -> bytes:
    """The table as `schemas.Lifecycle`."""
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
    found = Lifecycle(
        states=[Named(code=state, name_zh=name) for state, name in STATE_ZH.items()],
        roles=[Named(code=role, name_zh=name) for role, name in ROLE_ZH.items()],
        actions=actions,
        mermaid=mermaid(),
    )
    return found.model_dump_json(by_alias=True).encode()


def _coded(entries: Iterable[Department | District | Finding | Group]) -> list[Coded]:
    return [Coded(code=entry.code, name=entry.name, name_zh=entry.name_zh) for entry in entries]
