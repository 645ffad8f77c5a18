"""A notice of urging (催办通知书) for the documentation: of a leak in August 2026 that nobody mended in time."""

from datetime import UTC, datetime, timedelta

from api.papers import Papers
from catalogue_source import load_catalogue
from domain.case import Case
from domain.commands import Command, Dispatch, SignFor
from domain.intake import Actor, Intake, Registration
from domain.lifecycle import NOTICE, Role
from settings import DEFAULT_CATALOGUE

NUMBER = "2608034711003"
NOON = datetime(2026, 8, 3, 4, tzinfo=UTC)
AGENT = Actor(name="陈美玲", role=Role.AGENT)
CREW = Actor(name="梁伟", role=Role.CREW, department="repair")


def notice() -> str:
    """The document, as `GET /v1/complaints/{number}/notices/{seq}` answers it."""
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
    event = next(event for event in case.ring(NOON + timedelta(days=2)) if event.action == NOTICE)
    return Papers().html(NUMBER, event)
