"""Dead letters: the list of notifications that could not be delivered, and sending one again."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.problems import INVALID_REQUEST
from api.routes.parameters import LIST_ERRORS, LongPaging
from api.schemas import Letters, ResentLetter
from api.security import MANAGEMENT
from api.sql.dead_letters import NOT_A_DEAD_LETTER, NOTIFICATION_NOT_FOUND
from api.sql.reader import READ_MODEL_UNAVAILABLE
from readmodel.dead_letters import dead_letters


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations on dead letters."""
    operations = openapi.Operations(router, backend.bearer, "letters")

    @operations.get("/v1/letters", "List dead letters 未送达", Letters, "letters", LIST_ERRORS, MANAGEMENT)
    async def list_letters(paging: Annotated[LongPaging, Query()]) -> Response:
        """List notifications that were given up after their last try, with the reason of that try."""
        page = await backend.reader.ask(dead_letters, paging.cursor, paging.limit)
        return render.page(map(render.dead_letter, page.items), page.next_cursor)

    @operations.post(
        "/v1/letters/{key:path}/resend",
        "Send a dead letter again 重发",
        ResentLetter,
        {202: "resent"},
        (INVALID_REQUEST, READ_MODEL_UNAVAILABLE, NOTIFICATION_NOT_FOUND, NOT_A_DEAD_LETTER),
        MANAGEMENT,
    )
    async def resend_letter(
        key: Annotated[
            str, Path(min_length=1, description="The `key` of the letter.", examples=["2608034711004-7-supervisor"])
        ],
    ) -> Response:
        """Send it again by the channels as they are configured now, except those that had accepted it."""
        await backend.dead_letters.resend(key)
        return render.model(ResentLetter(key=key, status="due"), 202)
