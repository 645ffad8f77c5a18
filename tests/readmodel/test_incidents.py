"""Incidents in SQL: rows follow from batches whatever their order, and what intake, watch and lists ask is answered."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text, update

from domain.case.actions.link_incident import SETTLED, LinkIncident, outcome, own_matters
from domain.case.intake import Caller, Location
from domain.case.progress import Progress
from domain.incident.incident import Gathering, Incident, IncidentBatch, News
from domain.incident.state import IncidentState, Scope
from domain.kit.event import ActionBody
from readmodel import incidents
from readmodel.base.database import ReadConnection, engine, reading, writing
from readmodel.base.paging import BadCursorError
from readmodel.cases.queries import get_cases
from readmodel.cases.tables import cases
from readmodel.incidents import Surge, candidates, incident_events, incident_timeline, unclaimed
from readmodel.incidents import incidents as incidents_table
from readmodel.migrate import migrate
from readmodel.notifications import notifications
from readmodel.projection import DivergedError, write
from tests.support.batches import call, number, published
from tests.support.build import ADMIN, INCIDENT, MONDAY, OTHER_INCIDENT, OWED, THEN, days, hours, minutes
from tests.support.incidents import BODIES, WEST, do, opening
from tests.support.rows import everything, rows
from tests.unit.test_settlement import OWN, STEPS

ROAD = ("confirm", "dispatch", "sign_for", "inform", "resolve")


def story(name: str = INCIDENT, actions: tuple[str, ...] = ROAD, **changes: Any) -> list[IncidentBatch]:
    """Return what an incident publishes, a batch for each event, once through JSON as Temporal carries it."""
    incident, first = Incident.open(opening(number=name, **changes))
    batches = [batch(incident, first)]
    batches += [batch(incident, do(incident, BODIES[action], ADMIN, THEN)) for action in actions]
    if incident.end:
        batches.append(batch(incident, incident.finish(THEN + hours(1), {"settled": 3})))
    return batches


def batch(incident: Incident, happened: Any) -> IncidentBatch:
    made = IncidentBatch(incident=incident, events=(happened,), counts={"settled": incident.version})
    return IncidentBatch.model_validate_json(made.model_dump_json())


def put(database: Engine, *batches: IncidentBatch) -> None:
    with writing(database) as connection:
        for each in batches:
            incidents.write(connection, each)


def register(database: Engine, place: int, *bodies: str | ActionBody, at: Any = MONDAY, **changes: Any) -> str:
    """A case in SQL, from the West unless another district is given."""
    district = changes.pop("district", "west")
    location = Location(district=district, address=changes.pop("address", None))
    with writing(database) as connection:
        write(connection, published(call(place, at, location=location, **changes), bodies))
    return number(place)


class TestWriting:
    def test_the_row_is_the_incident_and_its_timeline_what_happened(self, database: Engine) -> None:
        batches = story()
        put(database, *batches)
        with reading(database) as connection:
            assert incidents.get(connection, INCIDENT) == batches[-1].incident
            assert incidents.get(connection, OTHER_INCIDENT) is None
            found = incident_timeline(connection, INCIDENT, 0, 100)
            assert incidents.incident_versions(connection, [INCIDENT, OTHER_INCIDENT]) == {INCIDENT: (7, True)}
        assert found.items == tuple(each.events[0] for each in batches)
        assert found.next_seq is None
        [row] = rows(database, incidents_table)
        assert (row["state"], row["department"], row["version"]) == ("resolved", "repair", 7)
        assert row["closed_at"] == THEN + hours(1)

    @pytest.mark.parametrize("earlier", [1, 2])
    def test_other_events_of_the_same_versions_are_refused(self, database: Engine, earlier: int) -> None:
        """The workflow was reset. Nothing of such a batch is written, whatever else it holds."""
        put(database, *story()[:3])
        before = everything(database)
        other = story(actions=("dismiss",))[-1] if earlier == 1 else story(actions=("confirm", "resolve"))[2]
        with pytest.raises(DivergedError, match=INCIDENT):
            put(database, other)
        assert everything(database) == before

    def test_again_or_out_of_order_it_changes_nothing(self, database: Engine) -> None:
        batches = story()
        put(database, *batches)
        before = everything(database)
        put(database, *reversed(batches))
        put(database, batches[2], batches[2])
        assert everything(database) == before

    @pytest.mark.parametrize("first", [0, 3, 6])
    def test_whichever_batch_comes_first(self, database: Engine, first: int) -> None:
        batches = story()
        put(database, batches[first], *batches)
        [row] = rows(database, incidents_table)
        assert (row["version"], row["state"]) == (7, "resolved")
        assert [each["seq"] for each in rows(database, incident_events)] == [*range(1, 8)]

    def test_staff_are_told_once(self, database: Engine) -> None:
        batches = story()
        put(database, *batches, *batches)
        told = [(row["seq"], row["recipient"]) for row in rows(database, notifications)]
        assert sorted(told) == [
            (1, "dispatcher"),
            (1, "supervisor"),
            (2, "supervisor"),
            (3, "department:repair"),
            (4, "dispatcher"),
            (6, "dispatcher"),
            (6, "supervisor"),
            (7, "dispatcher"),
            (7, "supervisor"),
        ]

    def test_its_timeline_turns_pages(self, database: Engine) -> None:
        put(database, *story())
        with reading(database) as connection:
            first = incident_timeline(connection, INCIDENT, 0, 4)
            rest = incident_timeline(connection, INCIDENT, first.next_seq or 0, 4)
        assert [each.seq for each in first.items] == [1, 2, 3, 4]
        assert ([each.seq for each in rest.items], rest.next_seq) == ([5, 6, 7], None)

    def test_news_are_a_message_for_each_caller_once(self, database: Engine) -> None:
        numbers = (register(database, 1), register(database, 2))
        news = News(incident=INCIDENT, seq=4, at=THEN, message="正在抢修", message_en="At work.", numbers=numbers)
        with writing(database) as connection:
            incidents.inform(connection, news, numbers[:1])
            connection.execute(update(notifications).values(status="sent"))
            incidents.inform(connection, news, numbers)
            incidents.inform(connection, news, ())
        told = {row["key"]: row for row in rows(database, notifications) if row["kind"] == "incident_inform"}
        assert sorted(told) == [f"{INCIDENT}-4-caller:{each}" for each in numbers]
        found = [(row["number"], row["status"], row["text_en"]) for row in told.values()]
        assert sorted(found) == [(numbers[0], "sent", "At work."), (numbers[1], "due", "At work.")]

    def test_news_are_for_whoever_waits_for_the_incident(self, database: Engine) -> None:
        """Not for those whose case has ended, or was replied to, by itself; SQL may not know the last one yet."""
        mine = LinkIncident(incident=INCIDENT)
        own: tuple[tuple[str | ActionBody, ...], ...] = (
            ("withdraw",),
            ("refuse",),
            ("answer",),
            ("dispatch", "sign_for", "complete", "reply"),
        )
        over = [register(database, place, mine, *end) for place, end in enumerate(own, start=1)]
        at_work = (mine, "dispatch", "sign_for")
        waits = [register(database, 11, mine), register(database, 12, *at_work), number(13)]
        numbers = (*over, *waits)
        news = News(incident=INCIDENT, seq=4, at=THEN, message="正在抢修", message_en="At work.", numbers=numbers)
        with writing(database) as connection:
            incidents.inform(connection, news, numbers)
        told = [row["number"] for row in rows(database, notifications) if row["kind"] == "incident_inform"]
        assert sorted(told) == sorted(waits)

    def test_a_named_case_may_have_been_linked_since(self, database: Engine) -> None:
        """Not before it was named, nor to another incident."""
        put(database, *story()[:2])
        mine, none, later = LinkIncident(incident=INCIDENT), LinkIncident(incident=None), THEN + hours(1)
        register(database, 1, mine, at=MONDAY - hours(1))
        linked = {register(database, 2, mine, at=later), register(database, 3, mine, none, at=later)}
        register(database, 4, LinkIncident(incident=OTHER_INCIDENT), at=later)
        numbers = [number(place) for place in range(1, 6)]
        with reading(database) as connection:
            assert incidents.linked_since_named(connection, INCIDENT, numbers) == linked
            assert incidents.linked_since_named(connection, OTHER_INCIDENT, numbers) == set()


def test_callers_are_told_a_reply_by_the_cases_that_an_end_settles(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some are kept for what their services ask, and not for matters of their own."""
    monkeypatch.setattr(incidents, "STATES_TOGETHER", 2)
    mine, roads = LinkIncident(incident=INCIDENT), [road for road, _ in OWN.values()]
    numbers = [register(database, place, *(STEPS[each] for each in road), mine) for place, road in enumerate(roads)]
    numbers += [register(database, 50, mine, needs_approval=True), register(database, 51, mine, caller=Caller())]
    register(database, 52, mine, "dispatch", "sign_for", "complete", "reply")
    with reading(database) as connection:
        settled = {each.number for each in get_cases(connection, numbers) if outcome(each, INCIDENT) == SETTLED}
        told, unreached, kept = incidents.callers(connection, INCIDENT, at_end=True)
        assert ({*told}, unreached, kept) == (settled, 1, len(numbers) - len(settled))
        assert 1 < kept < len(numbers) - 1
        assert incidents.callers(connection, INCIDENT, at_end=False).told.keys() == {*numbers}


class TestUnclaimed:
    GATHERING = Gathering(incident=INCIDENT, scope=WEST, since=MONDAY)

    def found(self, database: Engine, limit: int = 10, **changes: Any) -> list[str]:
        with reading(database) as connection:
            return unclaimed(connection, self.GATHERING.model_copy(update=changes), limit)

    def test_streets_find_no_digit_of_a_mobile_number_in_an_address(self, database: Engine) -> None:
        mine = register(database, 1, address="富华道12号 电话13812345678")
        for street, covered in (("富华道12号", [mine]), ("1234", []), ("38123", []), ("138", []), ("5678", [])):
            scope = WEST.model_copy(update={"streets": (street,)})
            assert self.found(database, scope=scope) == covered, street
            incident, _ = Incident.open(opening(scope=scope))
            with reading(database) as connection:
                assert candidates(connection, incident, None, 10).items == (), street

    def test_are_cases_of_the_scope_that_nobody_has_signed_for(self, database: Engine) -> None:
        mine = [
            register(database, 1),
            register(database, 2, "dispatch"),
            register(database, 3, "dispatch", "return"),
        ]
        register(database, 4, "dispatch", "sign_for", "complete", "reply")
        register(database, 5, "withdraw")
        register(database, 6, district="south")
        register(database, 7, service_code="leak")
        register(database, 8, at=MONDAY - minutes(1))
        register(database, 9, LinkIncident(incident=OTHER_INCIDENT))
        assert self.found(database) == mine

    def test_are_exactly_those_that_have_no_matters_of_their_own(self, database: Engine) -> None:
        for place, (road, reasons) in enumerate(OWN.values()):
            bodies = (STEPS[each] for each in road)
            made = register(database, place, *bodies)
            assert (made in self.found(database, 100)) is not bool(reasons)

    def test_are_not_those_with_a_credit(self, database: Engine) -> None:
        made = register(database, 1)
        with writing(database) as connection:
            document = connection.scalars(select(cases.c.document)).one()
            owing = Progress.model_validate_json(document).model_copy(update={"credits": (OWED,)})
            connection.execute(update(cases).values(document=owing.model_dump_json()))
        assert own_matters(owing)
        assert made not in self.found(database)

    def test_are_not_those_that_somebody_took_out(self, database: Engine) -> None:
        register(database, 1, LinkIncident(incident=INCIDENT), LinkIncident(incident=None))
        assert self.found(database) == []

    def test_come_in_portions(self, database: Engine) -> None:
        mine = [register(database, place) for place in range(5)]
        first = self.found(database, 3)
        assert first == mine[:3]
        assert self.found(database, 3, after=first[-1]) == mine[3:]

    def test_are_of_every_service_and_district_of_the_scope(self, database: Engine) -> None:
        scope = Scope(services=("no_water", "leak"), districts=("west", "south"))
        mine = [register(database, 1), register(database, 2, district="south", service_code="leak")]
        assert self.found(database, scope=scope) == mine


class TestSurges:
    def found(self, database: Engine, more_than: int = 1, services: tuple[str, ...] = ("no_water",)) -> list[Surge]:
        with reading(database) as connection:
            return sorted(incidents.surges(connection, MONDAY, services, more_than))

    def test_count_by_service_and_district(self, database: Engine) -> None:
        for place in range(3):
            register(database, place)
        for place in range(3, 5):
            register(database, place, district="south", service_code="leak")
        register(database, 5, district="south")
        west, south = Surge("no_water", "west", 3), Surge("leak", "south", 2)
        assert self.found(database) == [west]
        assert self.found(database, services=("no_water", "leak")) == [south, west]
        assert self.found(database, more_than=2, services=("no_water", "leak")) == [west]
        assert self.found(database, more_than=3) == []

    def test_leave_out_what_is_old_explained_or_from_nowhere(self, database: Engine) -> None:
        register(database, 1)
        register(database, 2, at=MONDAY - minutes(1))
        register(database, 3, LinkIncident(incident=INCIDENT))
        register(database, 4, district=None)
        register(database, 5, "dispatch", "sign_for")
        assert self.found(database, 0) == [Surge("no_water", "west", 1)]


class TestReading:
    def test_takes_cases_from_its_confirmation_to_its_end_the_oldest_first(self, database: Engine) -> None:
        south = Scope(services=("no_water",), districts=("south",))
        put(database, *story("i26090700019", ("confirm",), at=MONDAY + hours(1), scope=south))
        put(
            database,
            *story("i26090700027", ()),
            *story("i26090700035"),
            *story("i26090700043", ("confirm", "dispatch")),
        )
        with reading(database) as connection:
            assert incidents.open_scopes(connection) == [("i26090700043", WEST), ("i26090700019", south)]

    def test_recent_are_those_that_are_open_or_ended_since(self, database: Engine) -> None:
        put(database, *story("i26090700019"), *story("i26090700027", ()))
        ended = THEN + hours(1)
        with reading(database) as connection:
            assert {each.number for each in incidents.recent(connection, ended)} == {"i26090700019", "i26090700027"}
            assert [each.number for each in incidents.recent(connection, ended + minutes(1))] == ["i26090700027"]

    def test_counts_its_cases_by_state(self, database: Engine) -> None:
        link = LinkIncident(incident=INCIDENT)
        register(database, 1, link)
        register(database, 2, link)
        register(database, 3, "dispatch", link)
        register(database, 4)
        with reading(database) as connection:
            assert incidents.case_counts(connection, INCIDENT).states == {"registered": 2, "dispatched": 1}
            assert incidents.case_counts(connection, OTHER_INCIDENT) == incidents.IncidentCounts()

    def test_lists_turn_pages_the_latest_first(self, database: Engine) -> None:
        # Two of one instant: the number parts them.
        numbers = [f"i260907000{place}9" for place in range(5)]
        for place, name in enumerate(numbers):
            put(database, *story(name, ("confirm",) if place % 2 else (), at=MONDAY + days(place // 2)))
        assert turned(database) == numbers[::-1]
        assert turned(database, IncidentState.CONFIRMED) == [numbers[3], numbers[1]]
        assert turned(database, IncidentState.SUSPECTED, IncidentState.CONFIRMED) == numbers[::-1]
        assert turned(database, IncidentState.MERGED) == []
        with reading(database) as connection, pytest.raises(BadCursorError):
            incidents.page(connection, (), "x", 2)


def turned(database: Engine, *states: IncidentState) -> list[str]:
    """Every page, two at a time."""
    seen: list[str] = []
    cursor: str | None = None
    with reading(database) as connection:
        while True:
            page = incidents.page(connection, states, cursor, 2)
            seen += [incident.number for incident, _ in page.items]
            if (cursor := page.next_cursor) is None:
                return seen


@pytest.fixture(params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Many cases of a year, a few of them of today, and many incidents that have ended."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    migrate(url)
    database = engine(url)
    with writing(database) as connection:
        write(connection, [published(call(place, MONDAY - days(place)), ())[0] for place in range(400)])
        few = cases.c.number < number(20)
        connection.execute(update(cases).where(few).values(incident=INCIDENT))
    put(database, *(each for place in range(90) for each in story(f"i26090{place:06}")))
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE" if request.param == "postgresql" else "SELECT 1"))
    yield database
    database.dispose()


QUESTIONS: dict[str, Callable[[ReadConnection], Any]] = {
    "unclaimed": lambda connection: unclaimed(connection, TestUnclaimed.GATHERING, 200),
    "surges": lambda connection: incidents.surges(connection, MONDAY, ["no_water", "leak"], 10),
    "taking": incidents.open_scopes,
    "page": lambda connection: incidents.page(connection, (), None, 20),
    "case_counts": lambda connection: incidents.case_counts(connection, INCIDENT),
    "callers": lambda connection: incidents.callers(connection, INCIDENT, at_end=False),
}


INDEXES = {
    "unclaimed": "ix_cases_",
    "surges": "ix_cases_",
    "taking": "ix_incidents_open",
    "page": "ix_incidents_opened_at",
    "case_counts": "ix_cases_incident",
    "callers": "ix_cases_incident",
}
"""Index that is to answer each question. Recent incidents are sought among all incidents: they are few."""


@pytest.mark.slow
def test_every_question_is_answered_by_an_index(filled: Engine) -> None:
    for asked, index in INDEXES.items():
        [plan] = plans(filled, QUESTIONS[asked])
        assert index in plan, asked
        assert "Seq Scan" not in plan, asked
        if asked in ("unclaimed", "surges"):
            assert "registered_at >" in plan.replace("registered_at>", "registered_at >"), asked


def plans(database: Engine, ask: Callable[[ReadConnection], Any]) -> list[str]:
    """The plans of what is sent. PostgreSQL reads tables this small whole by choice: that is forbidden."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith("SELECT"):
            sent.append((statement, parameters))

    postgresql = database.dialect.name == "postgresql"
    with reading(database) as connection:
        if postgresql:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        event.listen(connection, "before_cursor_execute", note)
        ask(connection)
        event.remove(connection, "before_cursor_execute", note)
        explain = "EXPLAIN" if postgresql else "EXPLAIN QUERY PLAN"
        found = [connection.exec_driver_sql(f"{explain} {statement}", parameters) for statement, parameters in sent]
        return ["\n".join(str(row[-1]) for row in rows) for rows in found]
