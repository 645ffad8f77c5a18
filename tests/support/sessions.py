"""Sessions as cookies, and as a process opens them."""

from http.cookies import Morsel, SimpleCookie

import httpx
from starlette.requests import Request

from api.sign_in.sessions import Session
from tests.support.api import Api


def cookie(answer: httpx.Response, place: int = 0) -> Morsel[str]:
    """Return the cookie that the answer sets, the first unless another `place` is given."""
    [found] = SimpleCookie(answer.headers.get_list("set-cookie")[place]).values()
    return found


def session(api: Api, text: str, name: str = "hotline") -> Session | None:
    """Return the session that a process opens by this cookie."""
    headers = [(b"cookie", f"{name}={text}".encode())]
    return api.backend.sessions.open(Request({"type": "http", "method": "GET", "path": "/", "headers": headers}))
