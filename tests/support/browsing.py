"""Somebody who has signed in, as a browser does it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape

import httpx

from tests.support.api import KEPT, LONGEST_ANSWER, Api

NAVIGATION = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Site": "same-origin"}
"""Headers by which a browser asks for a page of the same site."""


@asynccontextmanager
async def browser(api: Api, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """Return a browser, without a session."""
    sent = {**NAVIGATION, **headers}
    async with httpx.AsyncClient(
        base_url=api.url, timeout=LONGEST_ANSWER, trust_env=False, limits=KEPT, headers=sent
    ) as made:
        yield made


@asynccontextmanager
async def signed_in(api: Api, name: str, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """Return a browser in which somebody has signed in with the key of this name."""
    async with browser(api, **headers) as made:
        answer = await made.post("/sign-in", data={"key": api.tokens[name]})
        assert answer.status_code == httpx.codes.SEE_OTHER, answer.text
        yield made


def text_of(html: str) -> str:
    """Return what a reader sees, without tags."""
    shown = re.sub(r"<(style|script)>.*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(shown))
