"""Documents for the documentation: of a leak in August 2026 that nobody mended in time."""

from collections.abc import Iterator
from datetime import UTC, datetime

from api.documents.papers import Papers
from domain.case.case import Case
from domain.case.commands import Command, Dispatch, SignFor
from domain.case.events import Event
from domain.case.intake import Actor, Intake, Registration
from domain.case.lifecycle import CRITICISE, NOTICE, Role
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE

NUMBER = "2608034711004"
NOON = datetime(2026, 8, 3, 4, tzinfo=UTC)
AGENT = Actor(name="陈美玲", role=Role.AGENT)
CREW = Actor(name="梁伟", role=Role.CREW, department="repair")


def notice() -> str:
    """Return the notice of urging (催办通知书), as `GET /v1/complaints/{number}/notices/{seq}` answers it."""
    return _drawn(NOTICE)


def criticism() -> str:
    """Return the public criticism (通报批评) that follows it."""
    return _drawn(CRITICISE)


def _drawn(kind: str) -> str:
    catalogue = load_catalogue(DEFAULT_CATALOGUE)
    posts = (
        post.model_copy(update={"holder": "谭勇" if post.code == "repair_lead" else None})
        for post in catalogue.organisation
    )
    terms = catalogue.model_copy(update={"organisation": tuple(posts)}).terms("leak", "west", NOON)
    intake = Intake(service_code="leak", description="水表漏水。The meter leaks.")
    case, _ = Case.register(
        Registration(number=NUMBER, at=NOON, actor=AGENT, owner=AGENT.name, intake=intake, terms=terms)
    )
    case.apply(Command[Dispatch](actor=AGENT, body=Dispatch(department="repair")), NOON)
    case.apply(Command[SignFor](actor=CREW, body=SignFor()), NOON)
    return Papers().html(NUMBER, next(event for event in _brought(case) if event.action == kind))


def _brought(case: Case) -> Iterator[Event]:
    """Ring what falls due, each event at its own time."""
    while due := case.next_deadline():
        yield from case.ring(due)
