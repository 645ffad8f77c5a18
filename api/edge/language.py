"""Language of an answer, Chinese or English: what the reader has chosen, or what the client asks for."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

LANGUAGE = "hotline-language"
"""Cookie with the language that a reader has chosen."""
LANGUAGES = ("zh", "en")
_SECONDS = 365 * 86_400


def asks_for_chinese(headers: Headers) -> bool:
    """Return True if `Accept-Language` weighs Chinese above English (RFC 9110); of equals, the first one counts."""
    asked = parse_accept_header(",".join(headers.getlist("accept-language")), LanguageAccept)  # the heaviest first
    names = (tag.partition("-")[0].lower() for tag, weight in asked if weight)
    return next((name for name in names if name in LANGUAGES), "en") == "zh"


def reads_chinese(request: Request) -> bool:
    """Return True unless the reader has chosen English, or has chosen nothing and the browser asks for it first."""
    asked = request.cookies.get(LANGUAGE) or request.headers.get("accept-language", "zh")
    return not asked.lower().startswith("en")


def keep_language(language: str, place: str) -> RedirectResponse:
    """Keep the language in the browser for a year if pages are in it, and lead on to a place of this service."""
    response = RedirectResponse(place, HTTPStatus.SEE_OTHER)
    if language in LANGUAGES:
        response.set_cookie(LANGUAGE, language, max_age=_SECONDS, httponly=True, samesite="lax")
    return response
