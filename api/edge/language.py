"""Language of an answer, Chinese or English: what the reader has chosen, or what the client asks for."""

import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse

LANGUAGE = "hotline-language"
"""Cookie with the language that a reader has chosen."""
LANGUAGES = ("zh", "en")
_SECONDS = 365 * 86_400
_RANGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?)\s*)?")


def asks_for_chinese(headers: Headers) -> bool:
    """Return True if `Accept-Language` weighs Chinese above English (RFC 9110); of equals, the first one counts."""
    weights: dict[str, float] = {}
    for part in ",".join(headers.getlist("accept-language")).split(","):
        form = _RANGE.fullmatch(part)
        if form and form[1].lower() in LANGUAGES:
            weights.setdefault(form[1].lower(), float(form[2] or 1))
    best = max(weights, key=lambda name: weights[name], default="en")
    return best == "zh" and weights[best] > 0


def reads_chinese(request: Request) -> bool:
    """Return True unless the reader has chosen English, or has chosen nothing and the browser asks for it first."""
    asked = request.cookies.get(LANGUAGE) or request.headers.get("accept-language", "zh")
    return not asked.lower().startswith("en")


def keep_language(language: str, place: str) -> RedirectResponse:
    """Keep the language in the browser for a year, and lead on to a place of this service."""
    response = RedirectResponse(place, HTTPStatus.SEE_OTHER)
    chosen = "en" if language == "en" else "zh"
    response.set_cookie(LANGUAGE, chosen, max_age=_SECONDS, httponly=True, samesite="lax")
    return response
