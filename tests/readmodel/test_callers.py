"""Facts about a caller at intake: the customer behind an account or telephone, and the earlier cases."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from domain.case.actions.correct import Correct
from domain.case.actions.send_link import SendLink
from domain.case.intake import Caller, Intake, IntakeFlag, Location
from domain.customers.customer import Customer
from readmodel.base.database import reading, writing
from readmodel.base.paging import Position
from readmodel.callers import (
    DUPLICATES,
    MOST_DUPLICATES,
    REPEATS,
    CallerFacts,
    caller_record,
    customer_record,
    earlier_cases,
    links_sent,
    recognise,
)
from readmodel.customers import customer_of, save_customers, shares_phone
from readmodel.projection import write
from tests.support.batches import call, number, published
from tests.support.build import MONDAY, days, hours

HARD, AGAIN, TWICE = IntakeFlag
GRANNY = Customer(account_no="A-17", name="李婆婆", phone="0760 8823 7777", hardship=True, address="下闸新村 3 号")
SON = Customer(account_no="A-18", name="李先生", phone="138 0013 8000")
HERE = Location(district="west", address="下闸新村3号")
ELSEWHERE = Location(district="east", address="兴中道 8 号")
SECOND = timedelta(seconds=1)


HOME = "0760"


def customers(database: Engine, *given: Customer, area_code: str = HOME) -> None:
    with writing(database) as connection:
        save_customers(connection, given, area_code)


def cases(database: Engine, *calls: Any) -> None:
    with writing(database) as connection:
        write(connection, [published(each, ())[0] for each in calls])


def told(
    database: Engine, at: datetime = MONDAY, location: Location | None = None, service: str = "no_water", **caller: Any
) -> CallerFacts:
    told = Caller.model_validate(caller)
    intake = Intake(service_code=service, caller=told, location=location or Location(), description="-")
    with reading(database) as connection:
        return recognise(connection, intake, at, HOME).facts


def test_a_hardship_household_is_known_by_account_or_telephone_however_written(database: Engine) -> None:
    customers(database, GRANNY, SON)
    assert told(database, account_no="A-17") == CallerFacts(flags=(HARD,))
    for phone in ("076088237777", "0760-8823-7777", "+86 760 8823 7777"):
        assert told(database, phone=phone) == CallerFacts(flags=(HARD,))
    assert told(database, account_no="A-18") == CallerFacts()


def test_a_business_is_known_as_one(database: Engine) -> None:
    customers(database, GRANNY.model_copy(update={"customer_class": "business", "hardship": False}), SON)
    assert told(database, account_no="A-17") == CallerFacts(customer_class="business")
    assert told(database, phone="076088237777").customer_class == "business"
    assert told(database, account_no="A-18").customer_class == told(database).customer_class == "household"


@pytest.mark.parametrize("listed", ["0760 8823 7777", "88237777", "(0760)88237777转8"])
@pytest.mark.parametrize("said", ["0760-88237777", "8823 7777"])
def test_in_her_town_nobody_says_the_area_code(database: Engine, listed: str, said: str) -> None:
    granny = GRANNY.model_copy(update={"phone": listed})
    customers(database, granny)
    cases(database, call(1, MONDAY, Caller(phone="88237777"), ELSEWHERE), call(2, MONDAY, Caller(phone="076088237777")))
    both = CallerFacts((HARD, AGAIN, TWICE), (number(2), number(1)))
    assert told(database, MONDAY + hours(1), phone=said) == both
    assert told(database, MONDAY + hours(1), account_no="A-17") == both
    with reading(database) as connection:
        caller = Caller(phone=said)
        assert customer_of(connection, caller, HOME) == granny
        record = caller_record(connection, caller, Position(MONDAY + days(1), number(9)), HOME)
        assert [case.number for case in record.earlier_cases] == [number(2), number(1)]
        assert earlier_cases(connection, caller, Position(MONDAY + days(1), number(9)), HOME) == record.earlier_cases
        assert customer_record(connection, "A-17", HOME) == record


def test_a_registry_of_before_the_area_code_is_read_all_the_same(database: Engine) -> None:
    customers(database, GRANNY.model_copy(update={"phone": "88237777"}), area_code="")
    for said in ("88237777", "0760 8823 7777"):
        assert told(database, phone=said) == CallerFacts((HARD,))


def test_a_telephone_is_shared_however_it_is_written(database: Engine) -> None:
    customers(database, GRANNY, SON.model_copy(update={"phone": "8823-7777"}))
    assert told(database, phone="88237777") == CallerFacts()
    with reading(database) as connection:
        assert shares_phone(connection, GRANNY, HOME)
        assert customer_of(connection, Caller(phone="88237777"), HOME) is None


def test_a_mobile_is_one_with_the_code_of_the_country_or_a_0_or_without(database: Engine) -> None:
    customers(database, SON.model_copy(update={"hardship": True}))
    cases(database, call(1, MONDAY, Caller(phone="8613800138000"), ELSEWHERE))
    for said in ("8613800138000", "13800138000", "+86 138 0013 8000", "013800138000", "86-013800138000"):
        assert told(database, MONDAY + days(4), phone=said) == CallerFacts((HARD, AGAIN))


@pytest.mark.parametrize(
    ("before", "again"),
    [
        (Caller(phone="139 0000 0000"), {"phone": "+86 13900000000"}),
        (Caller(account_no="A-99", phone="13900000000"), {"account_no": "A-99"}),
        (Caller(account_no="A-99", phone="13900000000"), {"account_no": "A-98", "phone": "13900000000"}),
    ],
    ids=["telephone", "account", "telephone with another account"],
)
def test_a_caller_whom_the_registry_does_not_have_calls_again_all_the_same(
    database: Engine, before: Caller, again: dict[str, str]
) -> None:
    customers(database, GRANNY)
    cases(database, call(1, MONDAY, before, ELSEWHERE))
    both = CallerFacts((AGAIN, TWICE), (number(1),))
    assert told(database, MONDAY + DUPLICATES, HERE, **again) == both
    assert told(database, MONDAY + DUPLICATES + SECOND, HERE, **again) == CallerFacts((AGAIN,))
    assert told(database, MONDAY + REPEATS, HERE, "low_pressure", **again) == CallerFacts((AGAIN,))
    assert told(database, MONDAY + REPEATS + SECOND, HERE, **again) == CallerFacts()


def test_a_caller_who_is_looked_up_late_has_no_earlier_case_of_afterwards(database: Engine) -> None:
    cases(database, *(call(place, MONDAY + hours(place), Caller(phone="13900000000"), HERE) for place in (1, 2, 3)))
    assert told(database, MONDAY + hours(2), HERE, phone="13900000000").possible_duplicates == (number(2), number(1))
    assert told(database, MONDAY, HERE, phone="13900000000") == CallerFacts()


def test_an_address_alone_tells_of_duplicates_and_says_nothing_of_the_caller(database: Engine) -> None:
    cases(database, call(1, MONDAY, Caller(phone="13900000000"), HERE))
    same = Location(district="west", address="下闸新村 3 号")
    for caller in ({}, {"phone": "13900000001"}, {"account_no": "A-99"}):
        assert told(database, MONDAY + DUPLICATES, same, **caller) == CallerFacts((TWICE,), (number(1),))
        assert told(database, MONDAY + DUPLICATES + SECOND, same, **caller) == CallerFacts()
        assert told(database, MONDAY + hours(1), same, "low_pressure", **caller) == CallerFacts()
        assert told(database, MONDAY + hours(1), ELSEWHERE, **caller) == CallerFacts()
        assert told(database, MONDAY + hours(1), Location(), **caller) == CallerFacts()


def test_neighbours_of_one_long_address_are_not_taken_for_each_other(database: Engine) -> None:
    """The term of an address ends after forty characters, before the flat."""
    building = "Building 3, Xiazha New Village, West District, Zhongshan, flat"
    cases(database, call(1, MONDAY, Caller(), Location(address=f"{building} 101")))
    assert told(database, MONDAY + hours(1), Location(address=f"{building} 102")) == CallerFacts()
    assert told(database, MONDAY + hours(1), Location(address=f"{building}-101")).possible_duplicates == (number(1),)


def test_the_account_counts_before_the_telephone(database: Engine) -> None:
    customers(database, GRANNY, SON)
    assert told(database, account_no="A-18", phone="0760 8823 7777") == CallerFacts()
    assert told(database, account_no="A-99", phone="0760 8823 7777") == CallerFacts(flags=(HARD,))


def test_a_telephone_that_several_share_tells_nothing_of_hardship(database: Engine) -> None:
    customers(database, GRANNY, SON.model_copy(update={"phone": GRANNY.phone}))
    assert told(database, phone="0760 8823 7777") == CallerFacts()
    assert told(database, account_no="A-17", phone="0760 8823 7777") == CallerFacts(flags=(HARD,))


def test_who_gives_his_account_is_not_taken_for_the_others_on_his_telephone(database: Engine) -> None:
    customers(database, GRANNY, SON.model_copy(update={"phone": GRANNY.phone}))
    theirs = Caller(account_no="A-17", phone=GRANNY.phone)
    cases(database, call(1, MONDAY, theirs, ELSEWHERE), call(2, MONDAY, Caller(account_no="A-17"), ELSEWHERE))
    assert told(database, MONDAY + hours(1), account_no="A-18") == CallerFacts()
    # The telephone itself did call before, whoever spoke; it does not lead to the accounts of those who share it.
    given = told(database, MONDAY + hours(1), phone="0760 8823 7777")
    assert given == CallerFacts((AGAIN, TWICE), (number(1),))


@pytest.mark.parametrize(
    "before",
    [
        Caller(account_no="A-18"),
        Caller(phone="+86 138 0013 8000"),
        Caller(account_no="A-18", phone="0760 1"),
        Caller(phone="139 0000 0000"),
    ],
    ids=["account", "the customer's telephone", "account from another telephone", "the telephone given"],
)
def test_who_called_within_thirty_days_calls_again(database: Engine, before: Caller) -> None:
    customers(database, SON)
    cases(database, call(1, MONDAY, before, ELSEWHERE))
    given: Any = {"account_no": "A-18", "phone": "13900000000", "service": "low_pressure"}
    assert told(database, MONDAY + REPEATS, **given) == CallerFacts(flags=(AGAIN,))
    assert told(database, MONDAY + REPEATS + SECOND, **given) == CallerFacts()


def test_one_kind_of_case_of_one_caller_or_place_within_72_hours_may_be_one_matter(database: Engine) -> None:
    customers(database, SON)
    stranger = Caller(phone="13900000000")
    cases(database, call(1, MONDAY, stranger, HERE), call(2, MONDAY, Caller(account_no="A-18"), ELSEWHERE))
    both = CallerFacts((AGAIN, TWICE), (number(2), number(1)))
    assert told(database, MONDAY + DUPLICATES, HERE, account_no="A-18") == both
    assert told(database, MONDAY + hours(1), Location(address="下闸新村 3 号"), account_no="A-18") == both
    assert told(database, MONDAY + DUPLICATES + SECOND, HERE, account_no="A-18") == CallerFacts((AGAIN,))
    assert told(database, MONDAY + hours(1), HERE, "low_pressure", account_no="A-18") == CallerFacts((AGAIN,))


def test_the_latest_five_are_listed_newest_first(database: Engine) -> None:
    customers(database, SON)
    cases(database, *(call(place, MONDAY + hours(place), Caller(account_no="A-18")) for place in range(9)))
    found = told(database, MONDAY + hours(10), account_no="A-18")
    assert found.possible_duplicates == tuple(number(place) for place in (8, 7, 6, 5, 4))
    assert len(found.possible_duplicates) == MOST_DUPLICATES


def test_a_term_that_stands_for_something_else_is_no_match(database: Engine) -> None:
    """The account 17 and the house 17 have one term."""
    customers(database, Customer(account_no="17", name="Wong", phone="110"))
    cases(database, call(1, MONDAY, Caller(phone="138 0013 0110", account_no="110"), Location(address="Road 17")))
    assert told(database, MONDAY + days(1), account_no="17") == CallerFacts()


def test_everything_is_asked_in_three_statements(database: Engine) -> None:
    customers(database, GRANNY)
    cases(database, call(1, MONDAY, Caller(account_no="A-17"), HERE))
    asked: list[str] = []
    event.listen(database, "before_cursor_execute", lambda *given: asked.append(given[2]))
    found = told(database, MONDAY + hours(1), HERE, account_no="A-17", phone="0760 8823 7777")
    assert found == CallerFacts((HARD, AGAIN, TWICE), (number(1),))
    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 3


def test_no_table_is_read_through_for_it(database: Engine) -> None:
    """It is asked with every call, among a million cases."""
    customers(database, GRANNY, SON)
    cases(database, *(call(place, MONDAY + hours(place), Caller(phone=f"139{place:08}"), HERE) for place in range(50)))
    asked: list[tuple[str, Any]] = []
    event.listen(database, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    told(database, MONDAY + hours(50), HERE, account_no="A-17", phone="13900000007")
    sent = [each for each in asked if each[0].startswith("SELECT")]
    explain = "EXPLAIN QUERY PLAN" if database.dialect.name == "sqlite" else "EXPLAIN"
    with database.connect() as connection:
        if database.dialect.name == "postgresql":
            # A table this small is read whole by choice: that is forbidden.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        rows = [row for statement, given in sent for row in connection.exec_driver_sql(f"{explain} {statement}", given)]
    plan = [str(row[-1]).strip() for row in rows]
    assert [step for step in plan if re.search(r"Seq Scan|SCAN (cases|search_words|customers)", step)] == []
    assert any(
        re.search(r"Scan (on|using) pk_search_words|SEARCH search_words USING PRIMARY KEY", step) for step in plan
    )


def test_a_link_counts_for_the_telephone_that_the_case_had_when_it_was_sent(database: Engine) -> None:
    """Corrected to and fro, also after a correction of something else; the other telephones got their own."""
    old, new = "138 0013 8000", "13900000000"
    to_new, back = (Correct(reason="用户换了号码", caller=Caller(phone=phone)) for phone in (new, old))
    elsewhere = Correct(reason="地址有误", location=Location(address="莲塘东路18号"))
    actions = SendLink(), elsewhere, to_new, SendLink(), back, SendLink()
    with writing(database) as connection:
        write(connection, published(call(1, MONDAY, Caller(phone=old)), actions, hours(1)))
        write(connection, published(call(2, MONDAY, Caller(phone=old)), (SendLink(), to_new), hours(1)))

    def sent(phone: str, since: int = 0) -> list[int]:
        with reading(database) as connection:
            return [(at - MONDAY) // hours(1) for at in links_sent(connection, phone, HOME, MONDAY + hours(since))]

    assert (sent(old), sent(new)) == ([1, 1, 6], [4])
    assert (sent(old, 1), sent(new, 4), sent("13811111111")) == ([6], [], [])
