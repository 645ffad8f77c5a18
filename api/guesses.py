"""Guesses of keys and links: counted by the address that sends them, told in the log, and refused if there are many."""

import logging
import math
import time
from http import HTTPStatus

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from api.problems import ProblemError, declare

log = logging.getLogger("hotline.api")

TOO_MANY_GUESSES = declare("too-many-guesses", HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong keys or links")


class Guesses:
    """Counter of the wrong keys and links of each address, in this process.

    Args:
        per_minute: guesses of an address within a minute that are answered as what they are.
    """

    def __init__(self, per_minute: int) -> None:
        self._most = RateLimitItemPerMinute(per_minute)
        self._line = RateLimitItemPerMinute(1)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, request: Request, what: str) -> None:
        """Count a wrong guess. Raises ProblemError 429 if the address has sent too many; a right key is not asked."""
        address = request.client.host if request.client else "an unknown address"
        is_one_of_few = self._limiter.hit(self._most, address)
        if self._limiter.hit(self._line, address, what):
            log.warning("%s sends %s", address, what)
        if is_one_of_few:
            return
        seconds = math.ceil(self._limiter.get_window_stats(self._most, address).reset_time - time.time())
        detail = f"This address has sent more than {self._most.amount} wrong keys or links within a minute."
        raise ProblemError(TOO_MANY_GUESSES, detail, headers={"Retry-After": str(max(seconds, 1))})
