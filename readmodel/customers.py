"""The registry of customers (客户档案): written by imports, read by account."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, exists, select
from sqlalchemy.dialects import postgresql, sqlite

from domain.case.intake import Caller
from domain.customers.customer import Customer
from readmodel.database import ReadConnection, WriteConnection
from readmodel.search_terms import phone_term, phone_terms
from readmodel.tables import customers

GROUP = 500
"""Customers in one statement: databases bound how many parameters they take."""

_COLUMNS = tuple(column.name for column in customers.columns)


class Imported(NamedTuple):
    """How many customers an import added, changed, and found as they were."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


def _upsert(insert: Any) -> Any:  # noqa: ANN401 - each dialect has an insert of its own type
    others = [column.name for column in customers.columns if not column.primary_key]
    return insert.on_conflict_do_update(
        index_elements=["account_no"], set_={name: insert.excluded[name] for name in others}
    )


_UPSERT = {"sqlite": _upsert(sqlite.insert(customers)), "postgresql": _upsert(postgresql.insert(customers))}


def keep(connection: WriteConnection, given: Sequence[Customer], area_code: str = "") -> Imported:
    """Add customers and bring known ones up to date; who is not among them stays. Again, it writes nothing.

    The area code is that of telephones which are written without one.
    Accounts must differ. What is as it was is not written, which keeps the lock of SQLite short.
    """
    added = changed = 0
    for start in range(0, len(given), GROUP):
        group = [_row(customer, area_code) for customer in given[start : start + GROUP]]
        found = connection.execute(_of([row["account_no"] for row in group]))
        known = {row.account_no: tuple(row) for row in found}
        news = [row for row in group if known.get(row["account_no"]) != tuple(row.values())]
        if news:
            connection.execute(_UPSERT[connection.dialect.name], news)
        new = sum(row["account_no"] not in known for row in news)
        added, changed = added + new, changed + len(news) - new
    return Imported(added, changed, len(given) - added - changed)


def get_customer(connection: ReadConnection | WriteConnection, account_no: str) -> Customer | None:
    """The customer of this account; None where the registry has none."""
    row = connection.execute(_of([account_no])).one_or_none()
    return None if row is None else _customer(row)


def customer_of(connection: ReadConnection, caller: Caller, area_code: str) -> Customer | None:
    """The customer who calls: of the account, or else of a telephone that is nobody else's."""
    if caller.account_no and (customer := get_customer(connection, caller.account_no)):
        return customer
    if not caller.phone:
        return None
    # Of a telephone that several share, two are enough to see that it tells nothing.
    sharing = select(customers).where(customers.c.phone_term.in_(phone_terms(caller.phone, area_code))).limit(2)
    found = connection.execute(sharing).all()
    return _customer(found[0]) if len(found) == 1 else None


def shares_phone(connection: ReadConnection, customer: Customer, area_code: str) -> bool:
    """Whether another account has this customer's telephone as well, so that it does not lead to him."""
    if not customer.phone:
        return False
    same = customers.c.phone_term.in_(phone_terms(customer.phone, area_code))
    return connection.scalar(select(exists().where(same, customers.c.account_no != customer.account_no))) or False


def _of(accounts: Sequence[str]) -> Select[Any]:
    return select(customers).where(customers.c.account_no.in_(accounts))


def _customer(row: Row[Any]) -> Customer:
    # It was validated when it was imported.
    return Customer.model_construct(**{name: getattr(row, name) for name in Customer.model_fields})


def _row(customer: Customer, area_code: str) -> dict[str, Any]:
    """In the order of the columns."""
    told = dict(customer) | {"phone_term": customer.phone and phone_term(customer.phone, area_code)}
    return {name: told[name] for name in _COLUMNS}
