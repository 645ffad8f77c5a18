"""Sessions (会话) of people in browsers: sealed cookies that every API process opens, and none keeps."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from api.directory import People
from api.edge.browsers import Kept, SealedCookie, page
from api.edge.problems import ProblemError, declare
from api.sign_in.tokens import CHALLENGE
from domain.shared.actors import Actor
from domain.shared.text import Instant
from readmodel.people.people import PeopleScope

NO_SESSION = declare("no-session", HTTPStatus.UNAUTHORIZED, "Sign-in required")
LONGEST = timedelta(hours=12)
"""Longest session."""
HOME = "/temporal/"
"""Page to which a sign-in leads that names none."""
SIGN_IN = "/sign-in"
_CHALLENGE = {"WWW-Authenticate": CHALLENGE}
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]{0,4000}")


class Session(Kept):
    """Session of a person who has signed in; with the scope `read` it changes nothing.

    It ends at `ends_at`, or when the person's number in the directory is no longer `session_number`.
    """

    actor: Actor
    scope: PeopleScope
    began_at: Instant
    session_number: int


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions of people in the directory; `issuer` is the OIDC issuer's address, None if nobody signs in there."""

    cookie: SealedCookie[Session]
    people: People
    clock: Callable[[], datetime]
    issuer: str | None = None

    @property
    def secure(self) -> bool:
        """True if browsers reach the API over TLS alone."""
        return self.cookie.secure

    def open(self, request: HTTPConnection) -> Session | None:
        """Return the session of a request, without I/O; None if there is none, or if it has ended."""
        session = self.cookie.open(self.cookie.text(request))
        if session is None:
            return None
        person = self.people.get(session.actor.id)
        goes_on = person and person.left_at is None and person.session_number == session.session_number
        return session if goes_on else None

    def begin(
        self, response: Response, actor: Actor, scope: PeopleScope = "all", until: datetime | None = None
    ) -> None:
        """Give the browser a session of a person of the directory, not longer than `until` if it is given."""
        now, person = self.clock(), self.people.get(actor.id)
        session = Session(
            actor=actor,
            scope=scope,
            began_at=now,
            ends_at=min(now + LONGEST, until or now + LONGEST),
            session_number=person.session_number if person else -1,
        )
        self.cookie.set(response, session)

    def end(self, response: Response) -> None:
        """Take the session from the browser; the directory ends the person's others."""
        self.cookie.clear(response)

    def sign_in_page(self, request: Request) -> Response:
        """Return the answer to a request without a session: the page to sign in, or a problem to what takes no page."""
        if request.method == "GET" and takes_pages(request):
            # As it was sent: decoded, an id with a slash in it would be another path.
            path, query = (request.scope[part].decode("latin-1") for part in ("raw_path", "query_string"))
            return self.page(request, f"{path}?{query}" if query else path, HTTPStatus.UNAUTHORIZED)
        return ProblemError(NO_SESSION, f"Sign in at {SIGN_IN}, in a browser.", headers=_CHALLENGE).response()

    def page(
        self, request: Request, to: str | None, status: int = HTTPStatus.OK, refusal: ProblemError | None = None
    ) -> Response:
        """Return the page to sign in or out, which leads to the address `to` afterwards."""
        return page(
            "sign_in.html",
            status,
            refusal.headers if refusal else _CHALLENGE if status == HTTPStatus.UNAUTHORIZED else None,
            to=local(to),
            refusal=refusal and refusal.problem,
            session=None if refusal else self.open(request),
            issuer=self.issuer,
        )


def takes_pages(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def local(to: str | None) -> str:
    """Return an address of this site as it was given; HOME for any other, as a link may be anybody's."""
    # Browsers take a backslash for /, and skip tabs and ends of lines.
    return to if to and _LOCAL.fullmatch(to) else HOME
