"""Limits of an address, a person and a case: counted in this process, logged, and answered 429 beyond."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from http import HTTPStatus
from weakref import WeakValueDictionary
from zoneinfo import ZoneInfo

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from api.edge.problems import NO_ANSWER, ProblemError, ProblemKind, declare, unavailable
from domain.shared.actors import Role

log = logging.getLogger("hotline.api")

TOO_MANY_GUESSES = declare("too-many-guesses", HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong keys or links")
TOO_MANY_REQUESTS = declare("too-many-requests", HTTPStatus.TOO_MANY_REQUESTS, "Too many requests of one person")
TOO_MANY_ACTIONS = declare("too-many-actions", HTTPStatus.TOO_MANY_REQUESTS, "Too many actions on one case")
LOOKUP = "/v1/callers/lookup"
"""Path of the one operation that reads what a body names: no telephone stands in an address."""
PAYLOADS_PER_READ = 20
"""Requests of the Temporal UI to open payloads for each other one: a page of a history sends one for each payload."""
LOCK_WAIT_SECONDS = 10.0
"""Longest wait for a lock: a little more than a workflow gets for its answer."""
LOCK_RETRY_SECONDS = 2
"""Pause before a client that has waited so long tries again."""
_ONE_LINE = RateLimitItemPerMinute(1)


class RareLog(FixedWindowRateLimiter):
    """Log with one line a minute for each subject and what it does."""

    def __init__(self) -> None:
        super().__init__(MemoryStorage())

    def note(self, subject: str, what: str) -> None:
        if self.hit(_ONE_LINE, subject, what):
            log.warning("%s %s", subject, what)


class Limit:
    """Limit of what (a plural noun) each subject does within a minute from the first that is counted; 0 is no limit."""

    def __init__(self, kind: ProblemKind, per_minute: int, what: str) -> None:
        self._kind = kind
        self._most = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._what = what
        self._log = RareLog()
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, subject: str) -> None:
        """Raise ProblemError 429 if the subject has reached the limit."""
        if self._most is None or self._limiter.test(self._most, subject):
            return
        reached = f"has reached the limit of {self._most.amount} {self._what} within a minute"
        self._log.note(subject, reached)
        seconds = math.ceil(self._limiter.get_window_stats(self._most, subject).reset_time - time.time())
        headers = {"Retry-After": str(max(seconds, 1))}
        raise ProblemError(self._kind, f"The {subject} {reached}; send it again after the pause.", headers=headers)

    def count(self, subject: str) -> None:
        if self._most:
            self._limiter.hit(self._most, subject)

    def take(self, subject: str) -> None:
        """Count what the subject does. Raises ProblemError 429 beyond the limit."""
        self.check(subject)
        self.count(subject)


class Limits:
    """Limits of those who send requests: an address's wrong keys and links, and what one person reads and changes."""

    def __init__(self, guesses: int, reads: int, writes: int) -> None:
        self._log = RareLog()
        self._guesses = Limit(TOO_MANY_GUESSES, guesses, "wrong keys or links")
        self._reads = Limit(TOO_MANY_REQUESTS, reads, "requests that read")
        self._writes = Limit(TOO_MANY_REQUESTS, writes, "requests that change something")
        self.ui_requests = Limit(TOO_MANY_REQUESTS, reads, "requests of the Temporal UI")
        """The UI sends requests by itself as well."""
        self.ui_payloads = Limit(
            TOO_MANY_REQUESTS, PAYLOADS_PER_READ * reads, "requests of the Temporal UI to open payloads"
        )

    def count_guess(self, request: Request, what: str) -> None:
        """Count a wrong key or link. Raises ProblemError 429 if its address has sent too many."""
        self._log.note(_address(request), f"sends {what}")
        self.check_guesses(request)
        self._guesses.count(_address(request))

    @contextmanager
    def counting_guesses(self, request: Request, what: str) -> Iterator[None]:
        """Count a ProblemError 401 of this context as wrong. Raises ProblemError 429 instead after too many."""
        try:
            yield
        except ProblemError as refused:
            if refused.problem.status == HTTPStatus.UNAUTHORIZED:
                self.count_guess(request, what)
            raise

    def check_guesses(self, request: Request) -> None:
        """Raise ProblemError 429 if the address of this request has sent too many wrong keys or links."""
        self._guesses.check(_address(request))

    def count_request(self, request: Request, person: str, role: Role) -> None:
        """Administrators are not counted, as programs import and measure with their keys. Raises ProblemError 429."""
        if role is Role.ADMIN:
            return
        (self._reads if is_reading(request) else self._writes).take(f"person {person}")


def is_reading(request: Request) -> bool:
    return request.method in ("GET", "HEAD") or request.url.path == LOOKUP


def _address(request: Request) -> str:
    return f"address {request.client.host if request.client else 'unknown'}"


def too_soon(kind: ProblemKind, rule: str, at: datetime, free_at: datetime, timezone: str) -> ProblemError:
    """`at` is the time of the refusal; `rule`, in words, allows the next one from `free_at` on."""
    shown = free_at.astimezone(ZoneInfo(timezone)).isoformat(timespec="seconds")
    headers = {"Retry-After": str(math.ceil((free_at - at).total_seconds()))}
    return ProblemError(kind, f"{rule} The next one is possible from {shown} on.", accepted=[shown], headers=headers)


class KeyedLocks:
    """Locks of the telephones and people whose requests are counted, kept while somebody holds them or waits."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, kind: str, key: str) -> AsyncIterator[None]:
        """Hold the lock of a telephone or a person. Raises ProblemError 503 if it is not free in time."""
        lock = self._locks.setdefault((kind, key), asyncio.Lock())
        try:
            async with asyncio.timeout(LOCK_WAIT_SECONDS):
                await lock.acquire()
        except TimeoutError:
            after = f"within {LOCK_WAIT_SECONDS:.0f} s"
            detail = f"Earlier requests of this kind got no answer {after}. Send the same again."
            raise unavailable(NO_ANSWER, detail, LOCK_RETRY_SECONDS) from None
        try:
            yield
        finally:
            lock.release()
