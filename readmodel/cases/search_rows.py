"""Rows of search terms: written with a case, and replaced if what they are terms of is corrected."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from domain.case.intake import Caller, Intake, Location
from readmodel.base.database import WriteConnection
from readmodel.base.statements import RowValues, insert_missing
from readmodel.cases.search_terms import impersonal_terms, search_terms
from readmodel.cases.tables import cases, search_words

_KEYS = tuple(search_words.primary_key.columns.keys())
_DELETE = delete(search_words).where(*(search_words.c[name] == bindparam(f"the_{name}") for name in _KEYS))


def term_rows(number: str, registered_at: datetime, intake: Intake) -> list[RowValues]:
    impersonal = impersonal_terms(number, intake)
    of_case = {"registered_at": registered_at, "number": number}
    return [
        {"word": term, "personal": term not in impersonal, **of_case} for term in sorted(search_terms(number, intake))
    ]


def terms_in_sql(connection: WriteConnection, numbers: Collection[str]) -> dict[str, list[RowValues]]:
    """Return the rows by number, computed of the cases that SQL has of these; nobody else writes them meanwhile."""
    if not numbers:
        return {}
    statement = select(cases).where(cases.c.number.in_(numbers)).order_by(cases.c.number).with_for_update()
    return {
        row.number: term_rows(
            row.number,
            row.registered_at,
            Intake.model_construct(
                service_code=row.service_code,
                description=row.description,
                caller=Caller.model_construct(
                    name=row.caller_name, phone=row.caller_phone, account_no=row.caller_account_no
                ),
                location=Location.model_construct(address=row.address),
            ),
        )
        for row in connection.execute(statement)
    }


def replace_terms(
    connection: WriteConnection, before: Mapping[str, Sequence[RowValues]], now: Mapping[str, Sequence[RowValues]]
) -> None:
    gone = [row for number, rows in before.items() for row in rows if row not in now.get(number, ())]
    if gone:
        connection.execute(_DELETE, [{f"the_{name}": row[name] for name in _KEYS} for row in gone])
    insert_missing(connection, search_words, [row for rows in now.values() for row in rows])
