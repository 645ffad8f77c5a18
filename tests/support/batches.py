"""Batches for tests of the read model: what a case's workflow publishes, as the activity receives it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.case.actions.register import Registration
from domain.case.case import Case
from domain.case.intake import Caller, Location
from domain.case.lifecycle import Event
from domain.case.state import ProjectionBatch
from domain.kit.event import ActionBody
from readmodel.base.database import engine, writing
from readmodel.projection import write
from tests.support.build import BODIES, MONDAY, do, registration

PLAIN = ("dispatch", "sign_for", "arrive", "complete", "reply", "follow_up")
"""Actions that follow the registration on the plain path."""
STEP = timedelta(minutes=3)


def number(place: int) -> str:
    """The number of the test's case of this place."""
    return f"260907{place:07d}"


def call(
    place: int = 1,
    at: datetime = MONDAY,
    caller: Caller | None = None,
    location: Location | None = None,
    **changes: Any,
) -> Registration:
    """The registration of that case; keywords replace fields of the terms."""
    usual = registration(at, number(place), **changes)
    told = {"caller": caller or usual.intake.caller, "location": location or usual.intake.location}
    code = {"service_code": usual.terms.service_code}
    return usual.model_copy(update={"intake": usual.intake.model_copy(update=told | code)})


def published(
    start: Registration, actions: Iterable[str | ActionBody] = PLAIN, step: timedelta = STEP
) -> list[ProjectionBatch]:
    """The batches of a case that is registered and then acted on, one batch each, `step` apart."""
    case, first = Case.register(start)
    batches = [batch(case, first)]
    at = start.at
    for action in actions:
        at += step
        escalation = case.advance(at)
        body = BODIES[action] if isinstance(action, str) else action
        batches.append(batch(case, (*escalation, *do(case, body, at))))
    return batches


def batch(case: Case, events: Sequence[Event]) -> ProjectionBatch:
    """Return what the workflow publishes after these events, once through JSON as Temporal carries it."""
    made = ProjectionBatch.of(case, events, events[-1].at)
    return ProjectionBatch.model_validate_json(made.model_dump_json())


def project(database_url: str, batches: Sequence[ProjectionBatch]) -> None:
    """Write batches to SQL as the service does, for cases that no workflow has to know."""
    database = engine(database_url)
    with writing(database) as connection:
        write(connection, batches)
    database.dispose()
