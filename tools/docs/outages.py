"""Table of outages: what each request answers while parts are down, and within how long.

tests/api/test_outages.py proves every cell.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from api.health.readiness import CHECK_SECONDS
from api.sql import ANSWER_SECONDS, READ_MODEL_UNAVAILABLE
from api.temporal.errors import QUERY_SECONDS, TEMPORAL_ERRORS
from api.temporal.server import MEASUREMENT_SECONDS
from hotline.settings import Settings
from tools.docs.markdown import table
from workflows.kit.entity import PUBLISH_TIMEOUT, RETRY


class Part(StrEnum):
    """Part of the service that can be down."""

    SQL = "SQL"
    LOCK = "SQL for writing"
    WORKER = "worker"
    TEMPORAL = "Temporal"
    FROZEN = "Temporal, frozen"


class Request(StrEnum):
    """Request whose answer the table gives."""

    REGISTER = "register"
    ACT = "act"
    READ = "read one"
    LIST = "list"
    TIMELINE = "timeline"
    READY = "`/readyz`"


Wait = Callable[[Settings], float]
"""Returns the longest wait for a part that is down, in seconds."""


@dataclass(frozen=True)
class Answer:
    """Answer to a request.

    Attributes:
        status: its status code.
        waits: waits for what is down, one after the other. Parts that run add milliseconds.
        problems: slugs of its possible problem types; empty if it is no problem.
    """

    status: HTTPStatus
    waits: tuple[Wait, ...] = ()
    problems: tuple[str, ...] = ()

    def within(self, settings: Settings) -> float:
        """Return the bound of the answer, in seconds."""
        return sum(wait(settings) for wait in self.waits)


def _lookups(settings: Settings) -> float:
    return 2 * settings.caller_lookup_seconds  # the caller, then the open incidents


def _write(settings: Settings) -> float:
    return settings.sql_wait_seconds


def _read(_: Settings) -> float:
    return ANSWER_SECONDS


def _clock(_: Settings) -> float:
    return MEASUREMENT_SECONDS


def _update(settings: Settings) -> float:
    return settings.update_timeout_seconds


def _query(settings: Settings) -> float:
    return min(QUERY_SECONDS, settings.update_timeout_seconds)


def _check(_: Settings) -> float:
    return CHECK_SECONDS


def _not_taken(*waits: Wait) -> Answer:
    return Answer(HTTPStatus.SERVICE_UNAVAILABLE, waits, tuple(kind.slug for kind in TEMPORAL_ERRORS))


_OK = Answer(HTTPStatus.OK)
_UNREADABLE = Answer(HTTPStatus.SERVICE_UNAVAILABLE, (_read,), (READ_MODEL_UNAVAILABLE.slug,))
_DEGRADED = Answer(HTTPStatus.OK, (_check,))
_UNAVAILABLE = Answer(HTTPStatus.SERVICE_UNAVAILABLE, (_check,))
_SHOWN = {Request.READ: _OK, Request.LIST: _OK, Request.TIMELINE: _OK}
_NOT_SHOWN = {Request.READ: _not_taken(_read, _query), Request.LIST: _UNREADABLE, Request.TIMELINE: _UNREADABLE}
_ACCEPTED = Answer(HTTPStatus.ACCEPTED, (_write,))
_REGISTERED_UNSEEN = Answer(HTTPStatus.ACCEPTED, (_lookups, _write))
_NO_TEMPORAL = {Request.REGISTER: _not_taken(_clock, _update), Request.ACT: _not_taken(_clock, _update)}
_NO_TEMPORAL_NO_SQL = {**_NO_TEMPORAL, Request.REGISTER: _not_taken(_lookups, _clock, _update)}

OUTAGES: Mapping[frozenset[Part], Mapping[Request, Answer]] = {
    frozenset({Part.SQL}): {
        Request.REGISTER: _REGISTERED_UNSEEN,
        Request.ACT: _ACCEPTED,
        **_NOT_SHOWN,
        Request.READ: Answer(HTTPStatus.OK, (_read,)),
        Request.READY: _DEGRADED,
    },
    frozenset({Part.LOCK}): {
        Request.REGISTER: _ACCEPTED,
        Request.ACT: _ACCEPTED,
        **_SHOWN,
        Request.READY: _DEGRADED,
    },
    frozenset({Part.WORKER}): {
        Request.REGISTER: Answer(HTTPStatus.CREATED),
        Request.ACT: _not_taken(_update),
        **_SHOWN,
        Request.READY: _DEGRADED,
    },
    frozenset({Part.TEMPORAL}): {**_NO_TEMPORAL, **_SHOWN, Request.READY: _UNAVAILABLE},
    frozenset({Part.FROZEN}): {**_NO_TEMPORAL, **_SHOWN, Request.READY: _UNAVAILABLE},
    frozenset({Part.SQL, Part.WORKER}): {
        Request.REGISTER: _REGISTERED_UNSEEN,
        Request.ACT: _not_taken(_update),
        **_NOT_SHOWN,
        Request.READY: _DEGRADED,
    },
    frozenset({Part.SQL, Part.TEMPORAL}): {**_NO_TEMPORAL_NO_SQL, **_NOT_SHOWN, Request.READY: _UNAVAILABLE},
    frozenset({Part.WORKER, Part.TEMPORAL}): {**_NO_TEMPORAL, **_SHOWN, Request.READY: _UNAVAILABLE},
    frozenset({Part.SQL, Part.WORKER, Part.TEMPORAL}): {
        **_NO_TEMPORAL_NO_SQL,
        **_NOT_SHOWN,
        Request.READY: _UNAVAILABLE,
    },
}
"""Answers by what is down."""


def name(down: frozenset[Part]) -> str:
    """Return the name of an outage."""
    return " + ".join(part for part in Part if part in down)


def outages() -> str:
    """Return the table at the default settings. What is answered alike shares a row or a column."""
    defaults = Settings.model_construct()

    def cell(answer: Answer) -> str:
        seconds = answer.within(defaults)
        return f"{answer.status:d}, {seconds:g} s" if seconds else f"{answer.status:d}"

    columns: dict[tuple[str, ...], list[str]] = {}
    for request in Request:
        columns.setdefault(tuple(cell(row[request]) for row in OUTAGES.values()), []).append(request)
    rows: dict[tuple[str, ...], list[str]] = {}
    for down, cells in zip(OUTAGES, zip(*columns, strict=True), strict=True):
        rows.setdefault(cells, []).append(name(down))
    head = ("down", *map(", ".join, columns.values()))
    return table(head, (("; ".join(parts), *cells) for cells, parts in rows.items())) + f"\n{_listed()}\n"


def _listed() -> str:
    seconds = ((RETRY.maximum_interval or RETRY.initial_interval) + PUBLISH_TIMEOUT).total_seconds()
    return f"- **202** is durable in Temporal. When everything is back, lists show it within {seconds:g} s."
