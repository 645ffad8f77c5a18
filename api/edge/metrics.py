"""Figures for Prometheus, kept per application, so that two of them in one process do not mix."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. An action takes some 10 ms; 2.5 s is the wait for SQL; 10 s is the promise to answer at all."""
LEVELS = {"ready": 2, "degraded": 1, "unavailable": 0}
"""Value of `hotline_readiness` for each status."""


class Metrics:
    """Metrics of one application. `calendar_days_left` returns the days for which the holidays are still known."""

    def __init__(self, calendar_days_left: Callable[[], float]) -> None:
        self._registry = of = CollectorRegistry()
        answered = "Requests answered, by route, method and status."
        self._requests = Counter("hotline_http_requests", answered, ["route", "method", "status"], registry=of)
        took, name = "From the request's head to the end of the answer.", "hotline_http_request_duration_seconds"
        self._seconds = Histogram(name, took, ["route", "method"], buckets=BUCKETS, registry=of)
        self._accepted = Counter("hotline_accepted_unseen", "Answers 202: durable, and not in SQL yet.", registry=of)
        self._writes = Counter("hotline_sql_writes", "Batches given to SQL, by outcome.", ["outcome"], registry=of)
        for outcome in ("committed", "left_to_case"):
            self._writes.labels(outcome)
        left = Gauge("hotline_calendar_days_left", "Days until the known holidays end.", registry=of)
        left.set_function(calendar_days_left)
        levels = "2: ready, 1: degraded, 0: unavailable, no call can be taken."
        self._readiness = Gauge("hotline_readiness", levels, registry=of)
        self._parts = Gauge("hotline_part_ok", "1: the part of /readyz is ok, 0: it is not.", ["part"], registry=of)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)
        if status == HTTPStatus.ACCEPTED:
            self._accepted.inc()

    def wrote(self, *, committed: bool) -> None:
        """Count a batch that was committed, or that its case is to publish."""
        self._writes.labels("committed" if committed else "left_to_case").inc()

    def checked(self, status: str, parts: Mapping[str, bool]) -> None:
        self._readiness.set(LEVELS[status])
        for part, ok in parts.items():
            self._parts.labels(part).set(ok)

    def text(self) -> bytes:
        return generate_latest(self._registry)
