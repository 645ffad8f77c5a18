"""Dead letters: the list of notifications that could not be delivered, and sending one again."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from api import render
from api.backend import Backend
from api.edge.problems import INVALID_REQUEST, ProblemError, declare
from api.openapi import Operations
from api.routes.parameters import LIST_ERRORS, LongPaging
from api.schemas import Letters, ResentLetter
from api.sign_in.security import RequestActor
from api.sql.reader import READ_MODEL_UNAVAILABLE
from domain.rights.rights import RESEND_LETTERS
from readmodel.notifications.notifications import dead_letters, resend

NOTIFICATION_NOT_FOUND = declare("letter-not-found", HTTPStatus.NOT_FOUND, "Notification not found")
NOT_A_DEAD_LETTER = declare("letter-not-dead", HTTPStatus.CONFLICT, "Notification not a dead letter")

operations = Operations("letters")


@operations.get("/v1/letters", "List dead letters 未送达", RESEND_LETTERS, Letters, "letters", LIST_ERRORS)
async def list_letters(backend: Backend, paging: Annotated[LongPaging, Query()], actor: RequestActor) -> Response:
    """List notifications that were given up after their last try, with the reason of that try."""
    page = await backend.reader.ask(dead_letters, paging.cursor, paging.limit)
    return render.page((render.dead_letter(item, actor) for item in page.items), page.next_cursor)


@operations.post(
    "/v1/letters/{key:path}/resend",
    "Send a dead letter again 重发",
    RESEND_LETTERS,
    ResentLetter,
    {202: "resent"},
    (INVALID_REQUEST, READ_MODEL_UNAVAILABLE, NOTIFICATION_NOT_FOUND, NOT_A_DEAD_LETTER),
)
async def resend_letter(
    backend: Backend,
    key: Annotated[
        str, Path(min_length=1, description="The `key` of the letter.", examples=["2608034711004-7-supervisor"])
    ],
) -> Response:
    """Send it again by the channels as they are configured now, except those that had accepted it."""
    done = await backend.direct.write(lambda sql: resend(sql, [key], backend.clock()))
    if done.unknown:
        raise ProblemError(NOTIFICATION_NOT_FOUND, "No notification has this key; GET /v1/letters lists all.")
    if done.not_dead:
        detail = "The notification was sent or is being sent. Only a dead letter can be sent again."
        raise ProblemError(NOT_A_DEAD_LETTER, detail, accepted=["a key that GET /v1/letters lists"])
    return render.model(ResentLetter(key=key, status="due"), 202)
