"""Limits of an address, a person and a case: counted in this process, told in the log, and answered 429 beyond."""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from fastapi import Request

from api.problems import Kind, ProblemError, declare
from domain.shared.actors import Role

log = logging.getLogger("hotline.api")

TOO_MANY_GUESSES = declare("too-many-guesses", HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong keys or links")
TOO_MANY_REQUESTS = declare("too-many-requests", HTTPStatus.TOO_MANY_REQUESTS, "Too many requests of one person")
TOO_MANY_ACTIONS = declare("too-many-actions", HTTPStatus.TOO_MANY_REQUESTS, "Too many actions on one case")
WINDOW_SECONDS = 60.0


class RareLog:
    """Log with one line a minute for each subject and what it does."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_at = -math.inf
        self._told: set[tuple[str, str]] = set()

    def tell(self, subject: str, what: str) -> None:
        """Write the line, unless it was written within this minute."""
        if (now := self._clock()) >= self._ends_at:
            self._ends_at = now + WINDOW_SECONDS
            self._told.clear()
        if (subject, what) not in self._told:
            self._told.add((subject, what))
            log.warning("%s %s", subject, what)


class Limit:
    """Counter of what each subject does within a minute, which begins with the first that is counted.

    Args:
        kind: type of the problem beyond the limit.
        per_minute: most times within a minute; 0 for no limit.
        what: noun of what is counted, in the plural.
        clock: returns seconds that never go back.
    """

    def __init__(self, kind: Kind, per_minute: int, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._kind = kind
        self._most = per_minute
        self._what = what
        self._clock = clock
        self._ends_at = -math.inf
        self._counts: Counter[str] = Counter()
        self._log = RareLog(clock)

    def check(self, subject: str) -> None:
        """Raise ProblemError 429 if the subject has reached the limit."""
        self._begin_minute()
        if not self._most or self._counts[subject] < self._most:
            return
        reached = f"has reached the limit of {self._most} {self._what} within a minute"
        self._log.tell(subject, reached)
        seconds = math.ceil(self._ends_at - self._clock())
        headers = {"Retry-After": str(max(seconds, 1))}
        raise ProblemError(self._kind, f"The {subject} {reached}; send it again after the pause.", headers=headers)

    def count(self, subject: str) -> None:
        """Count what the subject has done."""
        self._begin_minute()
        self._counts[subject] += 1

    def _begin_minute(self) -> None:
        if (now := self._clock()) >= self._ends_at:
            self._ends_at = now + WINDOW_SECONDS
            self._counts.clear()


class Limits:
    """Limits of those who send requests.

    Args:
        guesses: wrong keys and links of one address within a minute that are answered as what they are.
        reads: requests of one person within a minute that read; 0 for no limit.
        writes: requests of one person within a minute that may change something; 0 for no limit.
    """

    def __init__(self, guesses: int, reads: int, writes: int) -> None:
        self._log = RareLog()
        self._guesses = Limit(TOO_MANY_GUESSES, guesses, "wrong keys or links")
        self._reads = Limit(TOO_MANY_REQUESTS, reads, "requests that read")
        self._writes = Limit(TOO_MANY_REQUESTS, writes, "requests that change something")

    def guessed(self, request: Request, what: str) -> None:
        """Count a wrong key or link. Raises ProblemError 429 if its address has sent too many."""
        address = f"address {request.client.host if request.client else 'unknown'}"
        self._log.tell(address, f"sends {what}")
        self._guesses.check(address)
        self._guesses.count(address)

    def asked(self, request: Request, person: str, role: Role) -> None:
        """Count a request of a person, by id. Raises ProblemError 429 after too many.

        Administrators are not counted: with their keys, programs import and measure.
        """
        if role is Role.ADMIN:
            return
        limit = self._reads if request.method in ("GET", "HEAD") else self._writes
        subject = f"person {person}"
        limit.check(subject)
        limit.count(subject)
