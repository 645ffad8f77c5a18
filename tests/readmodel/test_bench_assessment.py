"""The cases of the benchmark of assessments, which PostgreSQL copies, are whole ones of all three years."""

import pytest
from sqlalchemy import Engine, func, select

from bench.assessment import opened
from bench.assessment_data import TABLES, Player, fill
from bench.calls import END, START
from domain.catalogue.figures import Subject
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.assessments.months import items
from readmodel.base.database import engine, reading
from readmodel.cases.tables import cases
from readmodel.notifications import notifications
from tests.support.assessment import computed
from tests.support.rows import rows

CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)
PLAYED, COUNT = 20, 720
MONTH = "2025-05"


pytestmark = pytest.mark.slow


@pytest.fixture
def filled(postgresql_url: str) -> Engine:
    fill(postgresql_url, postgresql_url.replace("+psycopg", ""), CATALOGUE, COUNT, PLAYED)
    return engine(postgresql_url)


def test_the_copied_cases_have_the_rows_of_those_that_were_played(filled: Engine) -> None:
    played = [Player(CATALOGUE, place).play() for place in range(1, PLAYED + 1)]
    made = {table.name: rows(filled, table) for table in TABLES}
    filled.dispose()
    assert len(made["cases"]) == COUNT
    assert len(made["events"]) == sum(len(batch.events) for batch in played) * COUNT // PLAYED
    assert len(made["clocks"]) == sum(len(batch.case.clocks) for batch in played) * COUNT // PLAYED
    first, last = (pick(row["registered_at"] for row in made["cases"]) for pick in (min, max))
    assert (first - START).days < 2
    assert (END - last).days < 2
    registered = {row["number"]: row["registered_at"] for row in made["cases"]}
    assert registered == {row["number"]: row["at"] for row in made["events"] if row["seq"] == 1}


def test_a_month_of_them_has_every_case_that_was_registered_in_it(filled: Engine) -> None:
    month = opened(CATALOGUE, MONTH)
    with reading(filled) as connection:
        counted = select(func.count()).where(cases.c.registered_at >= month.since, cases.c.registered_at < month.until)
        registered = connection.scalar(counted)
        assert connection.scalar(select(func.count()).select_from(notifications)) == 0
    made = computed(filled, month, month.until)
    with reading(filled) as connection:
        (company,) = items(connection, MONTH, 1, Subject.COMPANY)
    filled.dispose()
    assert company.subject == Subject.COMPANY
    assert company.figures["cases"].value == registered
    assert made.entries > 5 * (registered or 0)
