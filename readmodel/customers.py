"""Registry of customers (客户档案): written by imports, read by account or telephone."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, Column, Row, Select, String, Table, Text, exists, select

from domain.case.intake import Caller
from domain.customers.customer import Customer
from readmodel.base.database import Imported, ReadConnection, WriteConnection, row, upsert
from readmodel.base.schema import CODE, Hundredths, code, metadata
from readmodel.cases.search_terms import account_term, phone_term, phone_terms

customers = Table(
    "customers",
    metadata,
    Column("account_no", code(32), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("phone", String(26)),
    Column("address", String(200)),
    Column("district", CODE),
    Column("meter", String(40)),
    Column("customer_class", CODE, nullable=False),
    Column("hardship", Boolean, nullable=False),
    Column("hardship_grounds", String(200)),
    Column("free_allowance_m3", Hundredths, comment="A month, in hundredths."),
    Column("notes", Text),
    Column("phone_term", code(40), comment="readmodel.cases.search_terms.phone_term", index=True),
)
"""Registry of customers (客户档案), as it was imported last: one row an account."""

CUSTOMERS_TOGETHER = 500
"""Customers in one statement; databases limit the number of parameters."""


class CallerIdentity:
    """Accounts and telephones of one caller, whom each of `callers` identifies in one way: they find the cases."""

    def __init__(self, area_code: str, *callers: Caller) -> None:
        self._area_code = area_code
        self._accounts = {caller.account_no for caller in callers if caller.account_no}
        self._phones = {phone_term(caller.phone, area_code) for caller in callers if caller.phone}

    def terms(self) -> set[str]:
        """Search terms of these cases; other cases may have them as well."""
        phones = {term for phone in self._phones for term in phone_terms(phone, self._area_code)}
        return phones.union(map(account_term, self._accounts))

    def has(self, case: Row[*tuple[Any, ...]]) -> bool:
        phone = case.caller_phone and phone_term(case.caller_phone, self._area_code)
        return case.caller_account_no in self._accounts or phone in self._phones


def save_customers(connection: WriteConnection, given: Sequence[Customer], area_code: str = "") -> Imported:
    """Add or update customers, each account once. Unchanged ones are not written, which keeps SQLite's lock short."""
    added = changed = 0
    for start in range(0, len(given), CUSTOMERS_TOGETHER):
        group = [
            row(customers, each, phone_term=each.phone and phone_term(each.phone, area_code))
            for each in given[start : start + CUSTOMERS_TOGETHER]
        ]
        found = connection.execute(_of([values["account_no"] for values in group]))
        known = {there.account_no: tuple(there) for there in found}
        differing = [values for values in group if known.get(values["account_no"]) != tuple(values.values())]
        upsert(connection, customers, differing)
        new = sum(values["account_no"] not in known for values in differing)
        added, changed = added + new, changed + len(differing) - new
    return Imported(added, changed, len(given) - added - changed)


def get_customer(connection: ReadConnection, account_no: str) -> Customer | None:
    found = connection.execute(_of([account_no])).one_or_none()
    return None if found is None else _customer(found)


def customer_of(connection: ReadConnection, caller: Caller, area_code: str) -> Customer | None:
    """Find by the caller's account, or else by the telephone if only one account has it."""
    if caller.account_no and (customer := get_customer(connection, caller.account_no)):
        return customer
    if not caller.phone:
        return None
    sharing = select(customers).where(customers.c.phone_term.in_(phone_terms(caller.phone, area_code))).limit(2)
    found = connection.execute(sharing).all()
    return _customer(found[0]) if len(found) == 1 else None


def shares_phone(connection: ReadConnection, customer: Customer, area_code: str) -> bool:
    """Return True if another account has this customer's telephone, so that it does not identify the customer."""
    if not customer.phone:
        return False
    same = customers.c.phone_term.in_(phone_terms(customer.phone, area_code))
    return connection.scalar(select(exists().where(same, customers.c.account_no != customer.account_no))) or False


def _of(accounts: Sequence[str]) -> Select[Any]:
    return select(customers).where(customers.c.account_no.in_(accounts))


def _customer(row: Row[Any]) -> Customer:
    # It was validated when it was imported.
    return Customer.model_construct(**{name: getattr(row, name) for name in Customer.model_fields})
