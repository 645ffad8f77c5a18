"""Dead letters: the list of notifications that could not be delivered, and sending one again."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.edge.problems import ProblemError, declare
from api.parameters import LongPaging
from api.responses import Page, masked_for, problems
from api.routing import StrictRoute, TheBackend, needs
from domain.rights.rights import RESEND_LETTERS
from domain.shared.actors import Actor
from readmodel.notifications import DeadLetter, dead_letters, resend


class Letters(Page[DeadLetter]):
    """Dead letters, the last to be given up first."""


class ResentLetter(BaseModel):
    """Dead letter that is due again, with all of its tries."""

    key: str
    status: str = Field(description="`due`: the courier takes it next.")


NOTIFICATION_NOT_FOUND = declare("letter-not-found", HTTPStatus.NOT_FOUND, "Notification not found")
NOT_A_DEAD_LETTER = declare("letter-not-dead", HTTPStatus.CONFLICT, "Notification not a dead letter")

router = APIRouter(tags=["letters"], route_class=StrictRoute)


@router.get("/v1/letters", summary="List dead letters 未送达")
async def list_letters(
    paging: Annotated[LongPaging, Query()], actor: Annotated[Actor, needs(RESEND_LETTERS)], backend: TheBackend
) -> Letters:
    """List notifications that were given up after their last try, with the reason of that try."""
    page = await backend.reader.ask(dead_letters, paging.cursor, paging.limit)
    return Letters.of(page, partial(masked_for, actor))


@router.post(
    "/v1/letters/{key:path}/resend",
    summary="Send a dead letter again 重发",
    status_code=202,
    dependencies=[needs(RESEND_LETTERS)],
    responses=problems(NOTIFICATION_NOT_FOUND, NOT_A_DEAD_LETTER),
)
async def resend_letter(
    key: Annotated[
        str, Path(min_length=1, description="The `key` of the letter.", examples=["2608034711004-7-supervisor"])
    ],
    backend: TheBackend,
) -> ResentLetter:
    """Send it again by the channels as they are configured now, except those that had accepted it."""
    done = await backend.direct.write(partial(resend, keys=[key], at=backend.now))
    if done.unknown:
        raise ProblemError(NOTIFICATION_NOT_FOUND, "No notification has this key; GET /v1/letters lists all.")
    if done.not_dead:
        detail = "The notification was sent or is being sent. Only a dead letter can be sent again."
        raise ProblemError(
            NOT_A_DEAD_LETTER, detail, accepted=[("GET /v1/letters 所列的 key", "a key that GET /v1/letters lists")]
        )
    return ResentLetter(key=key, status="due")
