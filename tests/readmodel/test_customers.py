"""The registry of customers: kept as it was imported last, and again without harm."""

from decimal import Decimal

from sqlalchemy import Engine, select

from domain.customers.customer import Customer
from readmodel.base.database import Imported, reading, writing
from readmodel.customers import CUSTOMERS_TOGETHER, customers, get_customer, save_customers
from tests.support.rows import rows

GRANNY = Customer(
    account_no="0420013",
    name="李婆婆",
    phone="0760 8823 7777",
    address="下闸新村 3 号",
    district="west",
    meter="M-05-1187",
    hardship=True,
    hardship_grounds="低保",
    free_allowance_m3=Decimal(6),
    notes="独居",
)
CHEN = Customer(account_no="0420014", name="陈先生")


def imported(database: Engine, *given: Customer) -> Imported:
    with writing(database) as connection:
        return save_customers(connection, given)


def found(database: Engine, account_no: str) -> Customer | None:
    with reading(database) as connection:
        return get_customer(connection, account_no)


def test_a_customer_comes_back_as_given(database: Engine) -> None:
    assert imported(database, GRANNY, CHEN) == Imported(added=2)
    assert found(database, "0420013") == GRANNY
    assert found(database, "0420014") == CHEN
    assert found(database, "0420015") is None


def test_an_allowance_is_exact_and_reads_the_same_everywhere(database: Engine) -> None:
    imported(database, GRANNY.model_copy(update={"free_allowance_m3": Decimal("999999.99")}))
    again = found(database, GRANNY.account_no)
    assert again is not None
    assert str(again.free_allowance_m3) == "999999.99"
    assert str(GRANNY.free_allowance_m3) == "6.00"


def test_imported_again_nothing_changes_and_who_is_left_out_stays(database: Engine) -> None:
    imported(database, GRANNY, CHEN)
    before = rows(database, customers)
    assert imported(database, GRANNY) == Imported(unchanged=1)
    assert rows(database, customers) == before
    moved = CHEN.model_copy(update={"phone": "0760 8823 0001"})
    new = Customer(account_no="1", name="Wong")
    assert imported(database, moved, GRANNY, new) == Imported(added=1, changed=1, unchanged=1)
    assert found(database, CHEN.account_no) == moved


def test_what_a_later_file_leaves_empty_becomes_empty(database: Engine) -> None:
    imported(database, GRANNY)
    bare = Customer(account_no=GRANNY.account_no, name=GRANNY.name)
    assert imported(database, bare) == Imported(changed=1)
    assert found(database, GRANNY.account_no) == bare
    with database.connect() as connection:
        assert connection.scalar(select(customers.c.phone_term)) is None


def test_more_customers_than_one_statement_takes(database: Engine) -> None:
    many = [Customer(account_no=f"{place:07}", name="Wong") for place in range(2 * CUSTOMERS_TOGETHER + 1)]
    assert imported(database, *many) == Imported(added=len(many))
    assert imported(database, *many, GRANNY) == Imported(added=1, unchanged=len(many))
