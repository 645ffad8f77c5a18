"""The registry of customers (客户档案): written by imports, read by account."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, select
from sqlalchemy.dialects import postgresql, sqlite

from domain.commands import Caller
from domain.customer import Customer
from readmodel.database import ReadConnection, WriteConnection
from readmodel.tables import customers
from readmodel.terms import phone_term

GROUP = 500
"""Customers in one statement: databases bound how many parameters they take."""
_FIELDS = tuple(Customer.model_fields)
_KEPT = [customers.c[name] for name in _FIELDS]


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


def keep(connection: WriteConnection, given: Sequence[Customer]) -> Imported:
    """Add customers and bring known ones up to date; who is not among them stays. Again, it writes nothing.

    Accounts must differ. What is as it was is not written, which keeps the lock of SQLite short.
    """
    added = changed = 0
    for start in range(0, len(given), GROUP):
        group = given[start : start + GROUP]
        known = _known(connection, [customer.account_no for customer in group])
        news = [customer for customer in group if known.get(customer.account_no) != customer]
        if news:
            connection.execute(_UPSERT[connection.dialect.name], [_row(customer) for customer in news])
        new = sum(customer.account_no not in known for customer in news)
        added, changed = added + new, changed + len(news) - new
    return Imported(added, changed, len(given) - added - changed)


def get_customer(connection: ReadConnection | WriteConnection, account_no: str) -> Customer | None:
    """The customer of this account; None where the registry has none."""
    return _known(connection, [account_no]).get(account_no)


def customer_of(connection: ReadConnection, caller: Caller) -> Customer | None:
    """The customer who calls: of the account, or else of a telephone that is nobody else's."""
    if caller.account_no and (customer := get_customer(connection, caller.account_no)):
        return customer
    if not caller.phone:
        return None
    # Of a telephone that several share, two are enough to see that it tells nothing.
    sharing = select(*_KEPT).where(customers.c.phone_term == phone_term(caller.phone)).limit(2)
    found = connection.execute(sharing).all()
    return _customer(found[0]) if len(found) == 1 else None


def _known(connection: ReadConnection | WriteConnection, accounts: Sequence[str]) -> dict[str, Customer]:
    found = connection.execute(select(*_KEPT).where(customers.c.account_no.in_(accounts)))
    return {row.account_no: _customer(row) for row in found}


def _customer(row: Row[Any]) -> Customer:
    # It was validated when it was imported.
    return Customer.model_construct(**{name: getattr(row, name) for name in _FIELDS})


def _row(customer: Customer) -> dict[str, Any]:
    return dict(customer) | {"phone_term": customer.phone and phone_term(customer.phone)}
