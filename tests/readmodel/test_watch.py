"""The watch over the calls: what it takes for a surge, and what it knows of the ones before."""

from datetime import datetime, timedelta

from sqlalchemy import Engine

from activities.surge_watch import SurgeWatch
from domain.case.intake import Location
from domain.incident.actions import Dismiss
from domain.incident.incident import Incident, IncidentBatch
from domain.incident.state import Opening, Scope, SurgeRule
from domain.kit.event import Command
from domain.shared.actors import SYSTEM, Actor, Role
from readmodel.base.database import writing
from readmodel.incidents import write as write_incident
from readmodel.projection import write
from tests.support.batches import call, published
from tests.support.build import DISPATCHER, MONDAY

RULE = SurgeRule(services=("no_water",), more_than=2, window_seconds=600)
SCOPE = Scope(services=("no_water",), districts=("west",))


def seen(database: Engine, at: datetime) -> list[tuple[Opening, datetime | None]]:
    async def to_nobody(_: Opening, __: datetime | None) -> None:
        """Nobody is told here."""

    return SurgeWatch(database, lambda: (RULE,), to_nobody, 1.0)._openings(at)


def take_calls(database: Engine, at: datetime, places: range) -> None:
    with writing(database) as connection:
        write(connection, [published(call(place, at, location=Location(district="west")), ())[0] for place in places])


def narrowed(database: Engine, at: datetime, actor: Actor = SYSTEM) -> None:
    """An incident of a few streets of the district, open since then."""
    scope = SCOPE.model_copy(update={"streets": ("莲塘东路",)})
    incident, first = Incident.open(
        Opening(number="i26090700026", at=at, actor=actor, title="-", scope=scope, since=at)
    )
    with writing(database) as connection:
        write_incident(connection, IncidentBatch(incident=incident, events=(first,)))


def dismissed(database: Engine, at: datetime) -> None:
    """An incident of the scope that begins and ends then."""
    incident, first = Incident.open(Opening(number="i26090700018", at=at, title="-", scope=SCOPE, since=at))
    actor = Actor(id="Zhou", role=Role.DISPATCHER)
    events = (first, *incident.apply(Command(actor=actor, body=Dismiss(reason="-")), at), incident.finish(at, {}))
    with writing(database) as connection:
        write_incident(connection, IncidentBatch(incident=incident, events=events))


def test_more_calls_than_the_rule_allows_are_suspected(database: Engine) -> None:
    take_calls(database, MONDAY, range(1, 3))
    assert seen(database, MONDAY) == []
    take_calls(database, MONDAY, range(3, 4))
    [(opening, ended_at)] = seen(database, MONDAY)
    assert (opening.scope, opening.calls, ended_at) == (SCOPE, 3, None)


def test_a_second_wave_of_the_day_is_another_suspicion(database: Engine) -> None:
    """A suspicion is known by the end of the last one: without it, the second would be taken for the first."""
    ended = MONDAY - timedelta(hours=5)
    dismissed(database, ended)
    take_calls(database, MONDAY, range(1, 4))
    [(_, ended_at)] = seen(database, MONDAY)
    assert ended_at == ended


def test_calls_before_the_end_of_the_last_incident_count_for_that_one(database: Engine) -> None:
    take_calls(database, MONDAY, range(1, 4))
    dismissed(database, MONDAY + timedelta(seconds=1))
    assert seen(database, MONDAY + timedelta(seconds=2)) == []


def test_an_incident_of_a_few_streets_hides_no_surge_of_the_district(database: Engine) -> None:
    """The calls that raised it raise no other one, and the next suspicion is not taken for it."""
    opened = MONDAY + timedelta(seconds=1)
    take_calls(database, MONDAY, range(1, 4))
    narrowed(database, opened)
    assert seen(database, opened) == []
    later = opened + timedelta(minutes=1)
    take_calls(database, later, range(4, 7))
    [(opening, ended_at)] = seen(database, later)
    assert (opening.scope, opening.since, ended_at) == (SCOPE, opened, opened)


def test_a_declared_incident_of_a_few_streets_hides_no_call_before_it(database: Engine) -> None:
    """None of the calls is from its streets: it explains none of them, before or after."""
    take_calls(database, MONDAY, range(1, 3))
    narrowed(database, MONDAY + timedelta(seconds=30), DISPATCHER)
    later = MONDAY + timedelta(minutes=1)
    take_calls(database, later, range(3, 5))
    [(opening, ended_at)] = seen(database, later)
    assert (opening.scope, opening.calls, ended_at) == (SCOPE, 4, None)
