"""The question of the reconciler to SQL: one query by indexes, which sees every event that is missing."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, event, literal, select, text, update

from domain.assessment.assessment import Assessment, AssessmentBatch
from domain.case.actions.link_incident import KEPT, LinkIncident
from domain.case.actions.suspend import Suspend
from domain.case.progress import Progress
from domain.incident.incident import Incident, IncidentBatch
from readmodel.assessments import months
from readmodel.assessments.months import assessments
from readmodel.base.database import reading, writing
from readmodel.base.schema import JsonText
from readmodel.cases.tables import cases, events
from readmodel.incidents import incidents
from readmodel.incidents import write as write_incident
from readmodel.projection import write
from readmodel.recovery import CaseRow, NotOver, held, late_cases, others_not_over, unchecked_cases
from tests.support.assessment import opening as month_opening
from tests.support.batches import PLAIN, call, number, published
from tests.support.build import INCIDENT, MONDAY, THEN
from tests.support.incidents import ROAD, opening
from tests.unit.test_assessment import BEGUN, SECOND, STANDARD, drafted, take_step

STORY = published(call(1))
VERSION = STORY[-1].case.version


def put(database: Engine) -> None:
    with writing(database) as connection:
        write(connection, [*STORY, *published(call(2), ())])


def test_a_case_is_whole_while_it_has_an_event_for_each_version(database: Engine, reader: Engine) -> None:
    put(database)
    with reading(reader) as connection:
        found = held(connection, [number(1), number(2), number(3)])
    assert found == {
        number(1): CaseRow(STORY[-1].changed_at, VERSION, VERSION, is_open=STORY[-1].case.closed_at is None),
        number(2): CaseRow(published(call(2), ())[0].changed_at, 1, 1, is_open=True),
    }
    assert len(PLAIN) < VERSION
    assert all(each.is_whole for each in found.values())


def test_every_lost_event_makes_a_case_incomplete(database: Engine, reader: Engine) -> None:
    for seq in range(1, VERSION + 1):
        put(database)
        with writing(database) as connection:
            connection.execute(delete(events).where(events.c.number == number(1), events.c.seq == seq))
        with reading(reader) as connection:
            found = held(connection, [number(1), number(2)])
        assert (found[number(1)].is_whole, found[number(2)].is_whole) == (False, True)


def test_a_case_is_late_whose_due_time_has_passed_unnoticed(database: Engine, reader: Engine) -> None:
    put(database)
    of_case = cases.c.number == number(2)
    with reading(reader) as connection:
        due_at, document = connection.execute(select(cases.c.next_due_at, cases.c.document).where(of_case)).one()

    def late() -> list[set[str]]:
        with reading(reader) as connection:
            return [late_cases(connection, due_at + timedelta(seconds=seconds)) for seconds in (0, 1)]

    def changed(**values: Any) -> list[set[str]]:
        with writing(database) as connection:
            connection.execute(update(cases).where(of_case).values(values))
        return late()

    def left_out(*kinds: str) -> str:
        return Progress.model_validate_json(document).model_copy(update={"left_out": kinds}).model_dump_json()

    assert late() == [set(), {number(2)}]
    assert changed(overdue=True) == [set(), set()]
    # The flag stays when somebody has acted since, and then it notices as before.
    assert changed(overdue=False, flags=("left_out",)) == [set(), {number(2)}]
    assert changed(document=left_out("credit")) == [set(), {number(2)}]
    assert changed(document=left_out("credit", "escalate")) == [set(), set()]
    assert changed(document=document, state="closed") == [set(), set()]


def test_a_suspended_case_is_late_whose_wake_date_has_passed_unnoticed(database: Engine, reader: Engine) -> None:
    wake_at, until_asked = MONDAY + timedelta(days=1), Suspend(reason="The caller buys a valve.")
    asleep = until_asked.model_copy(update={"wake_at": wake_at})
    stories = [("dispatch", "sign_for", *rest) for rest in ([asleep], [asleep, "resume"], [until_asked])]
    with writing(database) as connection:
        for place, actions in enumerate(stories, start=1):
            write(connection, published(call(place), actions))
        connection.execute(update(cases).values(next_due_at=None))

    def late() -> list[set[str]]:
        with reading(reader) as connection:
            return [late_cases(connection, wake_at + timedelta(seconds=seconds)) for seconds in (-1, 1)]

    assert late() == [set(), {number(1)}]
    with writing(database) as connection:
        document = connection.execute(select(cases.c.document).where(cases.c.number == number(1))).scalar_one()
        left_out = Progress.model_validate_json(document).model_copy(update={"left_out": ("resume",)})
        connection.execute(update(cases).where(cases.c.number == number(1)).values(document=left_out.model_dump_json()))
    assert late() == [set(), set()]


def test_a_case_is_late_that_waits_for_an_incident_that_has_ended(database: Engine, reader: Engine) -> None:
    link = LinkIncident(incident=INCIDENT)
    with writing(database) as connection:
        for place, actions in enumerate(
            [(link,), (link, "withdraw"), (link, LinkIncident(incident=None)), ()], start=1
        ):
            write(connection, published(call(place), actions))
        connection.execute(update(cases).values(next_due_at=None))

    def late(seconds: int) -> set[str]:
        with reading(reader) as connection:
            return late_cases(connection, THEN + timedelta(seconds=seconds))

    incident, opened = Incident.open(opening(number=INCIDENT))
    with writing(database) as connection:
        write_incident(connection, IncidentBatch(incident=incident, events=(opened,), counts={}))
    assert late(1) == set()
    with writing(database) as connection:
        connection.execute(update(incidents).values(closed_at=THEN))
    assert (late(0), late(1)) == (set(), {number(1)})
    told: tuple[dict[str, Any], ...] = (
        {"settled": KEPT},
        {"left_out": ("comment", "complete")},
        {"left_out": ("link_incident",)},
    )
    with writing(database) as connection:
        document = connection.execute(select(cases.c.document).where(cases.c.number == number(1))).scalar_one()
    for changes, is_late in (*((each, False) for each in told), ({"left_out": ("complete",)}, True)):
        changed = Progress.model_validate_json(document).model_copy(update=changes).model_dump_json()
        with writing(database) as connection:
            connection.execute(update(cases).where(cases.c.number == number(1)).values(document=changed))
        assert late(1) == ({number(1)} if is_late else set())


def test_a_case_sleeps_of_which_nothing_more_falls_due(database: Engine, reader: Engine) -> None:
    put(database)

    def sleeping(**values: Any) -> set[str]:
        with writing(database) as connection:
            connection.execute(update(cases).where(cases.c.number == number(2)).values(values))
        with reading(reader) as connection:
            return unchecked_cases(connection, None)

    assert sleeping(overdue=False) == set()
    assert sleeping(overdue=True) == {number(2)}
    assert sleeping(overdue=False, next_due_at=None) == {number(2)}


def not_over(reader: Engine, at: datetime = THEN) -> NotOver:
    with reading(reader) as connection:
        return others_not_over(connection, at)


def test_an_incident_waits_for_people_until_it_ends(database: Engine, reader: Engine) -> None:
    incident, opened = Incident.open(opening())
    with writing(database) as connection:
        write_incident(connection, IncidentBatch(incident=incident, events=(opened,), counts={}))
    for state in ROAD:
        with writing(database) as connection:
            connection.execute(update(incidents).values(state=state))
        is_waiting = state not in {"settling", "merging", "dismissing"}
        assert not_over(reader) == NotOver({INCIDENT: is_waiting}, {})
    with writing(database) as connection:
        connection.execute(update(incidents).values(closed_at=THEN))
    assert not_over(reader) == NotOver({}, {})


def test_an_assessment_waits_for_people_until_something_is_due(database: Engine, reader: Engine) -> None:
    fresh, opened = Assessment.open(month_opening(standard=STANDARD))
    undrawn, inspected, waits = fresh.model_copy(), drafted(()), drafted()
    take_step(undrawn, BEGUN)
    rung_at = waits.next_deadline(BEGUN)
    assert rung_at
    with writing(database) as connection:
        months.write(connection, AssessmentBatch(assessment=fresh, events=(opened,)))

    def waiting(document: str, at: datetime) -> list[bool]:
        with writing(database) as connection:
            connection.execute(update(assessments).values(document=literal(document, JsonText)))
        return [*not_over(reader, at).assessments.values()]

    for has_work in (fresh, undrawn, inspected):
        assert waiting(has_work.model_dump_json(), BEGUN) == [False]
    assert waiting(waits.model_dump_json(), rung_at - SECOND) == [True]
    assert waiting(waits.model_dump_json(), rung_at) == [False]
    assert waiting('{"number": "of another release"}', BEGUN) == []
    assert [*not_over(reader, BEGUN).unreadable] == [fresh.number]


def test_the_comparison_is_one_query_by_the_indexes_of_cases_and_events(database: Engine) -> None:
    put(database)
    sent: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: object, *___: object) -> None:
        if statement.startswith("SELECT"):
            sent.append((statement, parameters))

    explain = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}[database.dialect.name]
    with database.connect() as connection:
        if database.dialect.name == "postgresql":
            for way in ("enable_seqscan", "enable_bitmapscan"):  # tables this small are read whole by choice
                connection.execute(text(f"SET LOCAL {way} = off"))
        event.listen(connection, "before_cursor_execute", note)
        held(connection, [number(1), number(2)])  # type: ignore[arg-type]  # not read only, which EXPLAIN need not be
        event.remove(connection, "before_cursor_execute", note)
        [(statement, parameters)] = sent
        plan = str(connection.exec_driver_sql(f"{explain} {statement}", parameters).all())
    keys = {"sqlite": "sqlite_autoindex_{}_1 ", "postgresql": "pk_{} "}[database.dialect.name]
    for table in ("cases", "events"):
        assert keys.format(table) in plan
    for whole in ("SCAN ", "Seq Scan"):
        assert whole not in plan
