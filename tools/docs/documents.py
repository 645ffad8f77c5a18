"""Example documents: a leak of August 2026 that was not repaired in time."""

from collections.abc import Iterator
from datetime import UTC, datetime

from api.documents import Documents
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.register import Registration
from domain.case.actions.sign_for import SignFor
from domain.case.case import Case
from domain.case.intake import Intake
from domain.case.lifecycle import Event
from domain.kit.event import Command
from domain.shared.actors import Actor, Role
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE

NUMBER = "2608034711004"
NOON = datetime(2026, 8, 3, 4, tzinfo=UTC)
AGENT = Actor(id="陈美玲", role=Role.AGENT)
CREW = Actor(id="梁伟", role=Role.CREW, department="repair")


def notice() -> str:
    """Return the notice of urging (催办通知书), as `GET /v1/complaints/{number}/notices/{seq}` answers it."""
    return _document("notice")


def criticism() -> str:
    """Return the public criticism (通报批评) that follows the notice."""
    return _document("criticise")


def _document(kind: str) -> str:
    catalogue = load_catalogue(DEFAULT_CATALOGUE)
    posts = (
        post.model_copy(update={"holder": "谭勇" if post.code == "repair_lead" else None})
        for post in catalogue.organisation
    )
    terms = catalogue.model_copy(update={"organisation": tuple(posts)}).terms("leak", "west", NOON)
    intake = Intake(service_code="leak", description="水表漏水。The meter leaks.")
    case, _ = Case.register(
        Registration(number=NUMBER, at=NOON, actor=AGENT, owner=AGENT.id, intake=intake, terms=terms)
    )
    case.apply(Command[Dispatch](actor=AGENT, body=Dispatch(department="repair")), NOON)
    case.apply(Command[SignFor](actor=CREW, body=SignFor()), NOON)
    return Documents().html(NUMBER, next(event for event in _automatic_events(case) if event.action == kind))


def _automatic_events(case: Case) -> Iterator[Event]:
    """Yield the events of all deadlines, in order."""
    while due := case.next_deadline():
        yield from case.advance(due)
