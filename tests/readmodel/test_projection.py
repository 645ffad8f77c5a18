"""Rows follow from batches, whatever their order and however often they come."""

from collections import deque
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, update

from domain.case.actions.correct import CatalogueTerms, Correct, Correction
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.register import Registration
from domain.case.automatic.internal_updates import NewTerms
from domain.case.case import Case
from domain.case.intake import Caller, Location
from domain.case.state import ProjectionBatch
from domain.catalogue.terms import Approver, Credit, Edition, Promise
from readmodel.base.database import reading, writing
from readmodel.cases.queries import get_case, timeline
from readmodel.cases.search_terms import search_terms
from readmodel.cases.tables import cases, clocks, events, search_words
from readmodel.notifications import notifications
from readmodel.projection import DivergedError, NotRegisteredError, RefusedBatchError, write
from tests.support.batches import PLAIN, batch, call, number, published
from tests.support.build import BODIES, MANAGER, days, do, minutes, terms
from tests.support.rows import clear, everything, rows


def catalogue_change(start: Registration) -> list[ProjectionBatch]:
    """Dispatched, then held to another catalogue, whose priority is another and whose promises are longer, twice."""
    case, first = Case.register(start)
    made = [batch(case, first), batch(case, do(case, BODIES["dispatch"], start.at))]
    for place, priority in enumerate(("P1", "P3"), start=1):
        longer = tuple(each.model_copy(update={"budget_seconds": 10**6 * place}) for each in start.terms.promises)
        terms = start.terms.model_copy(update={"priority": priority, "promises": longer})
        edition = Edition(digest=f"{place:012}", name="New", name_zh="新")
        made.append(
            batch(case, case.change_catalogue(NewTerms(terms=terms, edition=edition), start.at + minutes(place)))
        )
    return [*made, batch(case, do(case, BODIES["sign_for"], start.at + minutes(4)))]


SOON = Promise(name="resolve", calendar="always", budget_seconds=400, starts="registration")
POSTS = (Approver(post="manager", up_to=Decimal(100), holder=MANAGER.id, deputy="root", budget_seconds=60),)
OWED = Credit(name="Late", name_zh="迟", clock="resolve", amount=Decimal(50))
STORIES = (
    published(call(1)),
    # Every escalation step of a clock of 400 s happens on the way, and the case is handed over and worked again.
    published(
        call(2, promises=(SOON,)),
        (*PLAIN[:5], "hand_over", FollowUp(outcome="dissatisfied"), "sign_for"),
    ),
    published(call(3), ("dispatch", "return", Dispatch(department="metering"), "supervise")),
    published(call(4), ("withdraw",)),
    catalogue_change(call(5)),
    published(
        call(6, approvers=POSTS, credits=(OWED,), promises=(SOON,)),
        (
            *PLAIN[:2],
            "involve",
            "request_approval",
            "decide_approval",
            DecideCredit(credit=1, approved=True),
            "release",
            *PLAIN[3:5],
            FollowUp(outcome="dissatisfied"),
        ),
    ),
    published(
        call(7),
        (
            Correct(reason="x", priority="P1", caller=Caller(name="陈先生", phone="13800138000")),
            "dispatch",
            Correction(
                reason="x",
                service_code="leak",
                caller=Caller(account_no=None),
                location=Location(district="south", address="莲塘路 8 号"),
                in_force=CatalogueTerms(
                    terms=terms(service_code="leak", priority="P3", promises=(SOON,)),
                    edition=Edition(digest="0" * 12, name="New", name_zh="新"),
                    district="south",
                ),
            ),
            "sign_for",
        ),
    ),
)


def put(database: Engine, *batches: ProjectionBatch) -> None:
    with writing(database) as connection:
        write(connection, batches)


def one_by_one(story: list[ProjectionBatch]) -> list[ProjectionBatch]:
    """The same case with a batch for each of its events."""
    happened = [event for batch in story for event in batch.events]
    return [batch(Case.fold(happened[:seq]), happened[seq - 1 : seq]) for seq in range(1, len(happened) + 1)]


def in_one(story: list[ProjectionBatch]) -> ProjectionBatch:
    """The same case with all its events in one batch."""
    happened = [event for batch in story for event in batch.events]
    return batch(Case.fold(happened), happened)


def put_in_order(database: Engine) -> None:
    for story in STORIES:
        put(database, *story)


def test_a_case_folds_from_the_events_in_sql(database: Engine, reader: Engine) -> None:
    put_in_order(database)
    with reading(reader) as connection:
        for story in STORIES:
            case = Case.fold(timeline(connection, story[0].number).items)
            assert case == get_case(connection, story[0].number)
            assert case.version == story[-1].case.version


def test_a_case_is_read_with_the_terms_and_the_priority_of_the_last_catalogue(database: Engine, reader: Engine) -> None:
    put_in_order(database)
    with reading(reader) as connection:
        case = get_case(connection, number(5))
    assert case is not None
    assert (case.terms.priority, case.terms.promises[0].budget_seconds) == ("P3", 2 * 10**6)
    assert {row["number"]: row["priority"] for row in rows(database, cases)}[number(5)] == "P3"


def test_a_case_is_found_by_what_was_corrected_and_by_nothing_that_was_wrong(database: Engine, reader: Engine) -> None:
    put_in_order(database)
    [row] = [row for row in rows(database, cases) if row["number"] == number(7)]
    facts = ("service_code", "priority", "district", "caller_name", "caller_phone", "caller_account_no", "address")
    assert [row[name] for name in facts] == ["leak", "P1", "south", "陈先生", "13800138000", None, "莲塘路 8 号"]
    found = {row["word"] for row in rows(database, search_words) if row["number"] == number(7)}
    assert found == search_terms(number(7), Case.fold(event for made in STORIES[6] for event in made.events).intake)
    assert "陈先" in found
    assert not {"李婆", "a17", "下闸", "7777"} & found
    with reading(reader) as connection:
        case = get_case(connection, number(7))
    assert case is not None
    assert (case.terms.priority, case.terms.priority_by_hand, case.terms.promises) == ("P1", True, (SOON,))


def test_row_shows_registration_and_progress(database: Engine) -> None:
    put(database, *STORIES[0][:2])
    [row] = rows(database, cases)
    assert (row["number"], row["state"], row["department"], row["version"]) == (number(1), "dispatched", "repair", 2)
    assert (row["service_code"], row["priority"], row["district"], row["owner"]) == (
        "no_water",
        "P2",
        "west",
        "Chen Jing",
    )
    assert (row["caller_name"], row["address"], row["channel"]) == ("李婆婆", "下闸新村 3 号", "phone")
    assert row["registered_at"] == STORIES[0][0].events[0].at
    assert row["next_due_at"] == STORIES[0][1].next_due_at is not None
    assert row["document"] == STORIES[0][1].case.model_dump_json()


def test_several_batches_of_one_case_may_share_a_transaction(database: Engine) -> None:
    put_in_order(database)
    one_by_one = everything(database)
    clear(database)
    put(database, *(batch for story in STORIES for batch in story))
    assert everything(database) == one_by_one


any_data = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def leads_to_the_same_rows(database: Engine, data: st.DataObject) -> None:
    """A batch that comes before its case is registered is refused, and tried again as Temporal would."""
    clear(database)
    put_in_order(database)
    in_order = everything(database)
    clear(database)
    batches = [batch for story in STORIES for batch in story]
    again = data.draw(st.lists(st.sampled_from(batches), max_size=10))
    waiting = deque(data.draw(st.permutations(batches + again)))
    while waiting:
        group = [waiting.popleft() for _ in range(min(len(waiting), data.draw(st.integers(1, 5))))]
        try:
            put(database, *group)
        except NotRegisteredError:
            for batch in group:
                try:
                    put(database, batch)
                except NotRegisteredError:
                    waiting.append(batch)
    assert everything(database) == in_order


@settings(any_data, max_examples=8)
@given(data=st.data())
@pytest.mark.slow
def test_any_order_and_repetition_leads_to_the_same_rows(database: Engine, data: st.DataObject) -> None:
    leads_to_the_same_rows(database, data)


@pytest.mark.night
@settings(any_data, max_examples=100)
@given(data=st.data())
def test_many_orders_and_repetitions_lead_to_the_same_rows(database: Engine, data: st.DataObject) -> None:
    leads_to_the_same_rows(database, data)


def test_the_late_execution_of_an_old_batch_changes_nothing(database: Engine) -> None:
    put_in_order(database)
    before = everything(database)
    for one in reversed(STORIES[1]):
        put(database, one)
    assert everything(database) == before


def test_a_batch_of_an_unknown_case_is_refused_and_leaves_nothing(database: Engine) -> None:
    with pytest.raises(NotRegisteredError, match=number(1)):
        put(database, STORIES[1][0], STORIES[0][1])
    assert all(not found for found in everything(database).values())


def test_a_batch_that_skips_an_event_is_refused_and_leaves_nothing(database: Engine) -> None:
    put(database, *STORIES[0][:2])
    before = everything(database)
    with pytest.raises(NotRegisteredError, match=number(1)):
        put(database, STORIES[1][0], STORIES[0][3])
    assert everything(database) == before


def test_a_batch_of_another_history_is_refused_and_leaves_nothing(database: Engine) -> None:
    """A case that was reset, and dispatched later than the first time."""
    put(database, *STORIES[0][:2])
    before = everything(database)
    other = published(call(1), ("dispatch", "sign_for"), step=minutes(7))
    for batches in (other[:2], other, [in_one(other)]):
        with pytest.raises(RefusedBatchError, match=number(1)):
            put(database, *batches, STORIES[1][0])
        assert everything(database) == before


def history(reset_after: int | None = None) -> list[ProjectionBatch]:
    """The batches of a plain case, as a workflow makes them; from one on later by a day, as after a reset."""
    start = call(1)
    case, first = Case.register(start)
    made, at = [batch(case, first)], start.at
    for place, action in enumerate(PLAIN, start=1):
        at += days(1) if place == reset_after else minutes(3)
        happened = (*case.advance(at), *do(case, BODIES[action], at))
        made.append(batch(case, happened).model_copy(update={"since_changed_at": made[-1].changed_at}))
    return made


@settings(any_data, max_examples=40)
@given(data=st.data())
@pytest.mark.slow
def test_batches_of_two_histories_of_a_case_never_mix(database: Engine, data: st.DataObject) -> None:
    """The workflow was reset after some batches, and went on at a later time. SQL keeps a beginning of one history."""
    clear(database)
    reset_after = data.draw(st.integers(1, 4))
    first, second = history(), history(reset_after)
    told = [[(event.seq, event.at) for each in story for event in each.events] for story in (first, second)]
    again = data.draw(st.lists(st.sampled_from([*first, *second])))
    for each in data.draw(st.permutations([*first, *second[reset_after:], *again])):
        with suppress(RefusedBatchError):
            put(database, each)
        found = [(row["seq"], row["at"]) for row in rows(database, events)]
        assert found in [one[: len(found)] for one in told]


def test_an_event_that_differs_in_its_facts_alone_is_refused(database: Engine) -> None:
    """As an escalation, which is dated by its due time, may after a reset."""
    put(database, *STORIES[0][:2])
    before = everything(database)
    [dispatched] = STORIES[0][1].events
    for change in (
        {"data": dispatched.data.model_copy(update={"department": "metering"})},
        {"actor": "Zhou Min"},
        {"cycle": 2},
    ):
        other = STORIES[0][1].model_copy(update={"events": (dispatched.model_copy(update=change),)})
        with pytest.raises(DivergedError, match=number(1)):
            put(database, other)
        assert everything(database) == before


def test_an_event_that_another_release_wrote_with_fewer_defaults_is_the_same(database: Engine) -> None:
    put(database, *STORIES[0])
    with writing(database) as connection:
        for event in (event for batch in STORIES[0] for event in batch.events):
            of_event = (events.c.number == number(1)) & (events.c.seq == event.seq)
            shorter = event.data.model_dump_json(exclude_defaults=True)
            connection.execute(update(events).where(of_event).values(data=shorter))
    before = everything(database)
    put(database, *STORIES[0])
    assert everything(database) == before


def test_clocks_show_their_ledger(database: Engine) -> None:
    put(database, *STORIES[0])
    found = {row["name"]: row for row in rows(database, clocks)}
    assert {name: row["status"] for name, row in found.items()} == dict.fromkeys(
        ("acknowledge", "arrive", "resolve", "reply", "follow_up"), "met"
    )
    # Dispatched at 3 minutes, signed for at 6.
    assert found["acknowledge"]["consumed_seconds"] == minutes(3).total_seconds()
    assert found["acknowledge"]["version"] == 3


def test_notifications_are_due_when_their_event_happened(database: Engine) -> None:
    put(database, STORIES[0][0])
    [row] = rows(database, notifications)
    at = STORIES[0][0].events[0].at
    assert row["key"] == f"{number(1)}-1-dispatcher"
    assert (row["status"], row["tries"], row["next_try_at"], row["created_at"]) == ("due", 0, at, at)
    assert "李婆婆" not in row["text_zh"] + row["text_en"]


def test_a_batch_of_all_events_owes_the_notifications_of_a_batch_for_each(database: Engine) -> None:
    """With SQL away a batch grows: who is told of an escalation is whoever had the case when it happened."""
    for story in STORIES:
        put(database, *one_by_one(story))
    apart = rows(database, notifications)
    clear(database)
    for story in STORIES:
        put(database, in_one(story))
    assert rows(database, notifications) == apart
    assert len(apart) > 50


def test_a_notification_that_was_sent_is_not_owed_again(database: Engine) -> None:
    put(database, STORIES[0][0])
    with writing(database) as connection:
        connection.execute(notifications.update().values(status="sent", next_try_at=None))
    put(database, STORIES[0][0])
    assert [row["status"] for row in rows(database, notifications)] == ["sent"]


def test_terms_are_written_once_and_stay(database: Engine) -> None:
    put(database, *STORIES[0])
    terms = {row["word"] for row in rows(database, search_words)}
    assert terms == {
        *(number(1), number(1)[-4:], "076088237777", "7777", "a17", "a", "17"),
        *("李", "婆", "李婆", "婆婆", "下", "闸", "新", "村", "下闸", "闸新", "新村", "3", "号", "=下闸新村3号"),
        *("no", "water", "at", "home", "since", "six"),
    }


def test_events_keep_instants_with_microseconds_and_zone(database: Engine) -> None:
    put(database, *published(call(1, at=STORIES[0][0].events[0].at + minutes(1 / 7))))
    with database.connect() as connection:
        first = connection.scalars(select(events.c.at).order_by(events.c.seq)).first()
    assert first == STORIES[0][0].events[0].at + minutes(1 / 7)


def test_a_case_that_waits_long_keeps_its_document(database: Engine, reader: Engine) -> None:
    story = published(call(5), ("dispatch", "sign_for", "suspend", "resume"), step=days(1))
    put(database, *story)
    with reading(reader) as connection:
        case = get_case(connection, number(5))
    assert case is not None
    assert case.model_dump(include=set(type(story[-1].case).model_fields)) == story[-1].case.model_dump()
