"""Dead letters: the list of notifications that could not be delivered, and sending one again."""

from enum import Enum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic_core import to_json
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.routes.complaints import bad_cursor
from api.routes.parameters import LongPaging
from api.schemas import Letters, ResentLetter
from api.security import only_for
from domain.shared.actors import Role
from readmodel.paging import BadCursorError

TAGS: list[str | Enum] = ["letters"]
ROLES = (Role.SUPERVISOR, Role.MANAGER, Role.ADMIN)
_READ = ("unauthorized", "malformed-key", "wrong-role", "invalid-request", "read-model-unavailable")


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations on dead letters."""
    _add_list(router, backend)
    _add_resend(router, backend)


def _add_list(router: APIRouter, backend: Backend) -> None:
    @router.get(
        "/v1/letters",
        tags=TAGS,
        operation_id="list_letters",
        summary="List dead letters 未送达",
        response_model=Letters,
        dependencies=[Depends(only_for(backend.bearer, *ROLES))],
        responses={
            200: openapi.example("A page, the last to be given up first.", "letters"),
            **openapi.errors(*_READ, "invalid-cursor"),
        },
    )
    async def list_letters(paging: Annotated[LongPaging, Query()]) -> Response:
        """List notifications that were given up after their last try, with the reason of that try."""
        try:
            page = await backend.reader.dead_letters(paging.cursor, paging.limit)
        except BadCursorError as error:
            raise bad_cursor(str(error)) from None
        return render.page((to_json(letter._asdict()) for letter in page.items), page.next_cursor)


def _add_resend(router: APIRouter, backend: Backend) -> None:
    @router.post(
        "/v1/letters/{key:path}/resend",
        tags=TAGS,
        operation_id="resend_letter",
        summary="Send a dead letter again 重发",
        status_code=HTTPStatus.ACCEPTED,
        response_model=ResentLetter,
        dependencies=[Depends(only_for(backend.bearer, *ROLES))],
        responses={
            202: openapi.example("It is due again, with all of its tries.", "resent"),
            **openapi.errors(*_READ, "letter-not-found", "letter-not-dead"),
        },
    )
    async def resend_letter(
        key: Annotated[str, Path(description="The `key` of the letter.", examples=["2608034711004-7-supervisor"])],
    ) -> Response:
        """Send it again by the channels as they are configured now, except those that had accepted it."""
        await backend.dead_letters.resend(key)
        return render.answer(to_json({"key": key, "status": "due"}), HTTPStatus.ACCEPTED)
