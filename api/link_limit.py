"""Limit of the links that a telephone is sent: a case does not know the other cases of its telephone."""

from contextlib import AbstractAsyncContextManager, suppress
from datetime import timedelta
from http import HTTPStatus

from api.backend import Backend
from api.limits import too_soon
from api.problems import ProblemError, declare
from domain.shared.actors import Actor
from readmodel.caller_records import links_sent
from readmodel.search_terms import phone_term

TOO_MANY_LINKS = declare("too-many-links", HTTPStatus.TOO_MANY_REQUESTS, "Too many links to one telephone")
LINK_PAUSE, LINK_DAY, LINKS_A_DAY = timedelta(hours=1), timedelta(days=1), 5
"""Pause after a link to a telephone, and most links within so long."""


async def link_turn(backend: Backend, number: str, actor: Actor) -> AbstractAsyncContextManager[None]:
    """Return the turn of the case's telephone: others need not wait for a case that does not answer."""
    view = None
    with suppress(ProblemError):  # the check says it
        view = await backend.find(number, actor)
    phone = view.caller.phone if view else None
    return backend.turns.of("send_link", phone_term(phone, backend.catalogue.area_code) if phone else number)


async def check_links(backend: Backend, number: str, actor: Actor) -> None:
    """Raise ProblemError 429 if the telephone was sent as many links as it gets, for all of its cases together."""
    view = await backend.find(number, actor)
    if view is None or view.caller.phone is None:
        return
    at = backend.clock()
    sent = await backend.reader.ask(links_sent, view.caller.phone, backend.catalogue.area_code, at - LINK_DAY)
    busy = [sent[-1] + LINK_PAUSE] if sent else []
    if len(sent) >= LINKS_A_DAY:
        busy.append(sent[-LINKS_A_DAY] + LINK_DAY)
    free_at = max(busy, default=at)
    if free_at <= at:
        return
    rule = f"This telephone gets one link an hour and {LINKS_A_DAY} within 24 hours, for all of its cases together."
    raise too_soon(TOO_MANY_LINKS, rule, at, free_at, backend.catalogue.calendar.timezone)
