"""Assessment of a month in SQL: what cases count for, and the list behind every number."""

from datetime import timedelta

from sqlalchemy import Engine

from domain.case.actions.follow_up import FollowUp
from domain.catalogue.figures import Subject
from readmodel.database import writing
from readmodel.projection import write
from tests.support.assessment import computed, entries, month, results
from tests.support.batches import PLAIN, call, published


def test_a_case_counts_once_for_each_promise(database: Engine) -> None:
    with writing(database) as connection:
        for batch in published(call()):
            write(connection, [batch])
    made = computed(database, month())
    kinds = [each["kind"] for each in entries(database)]
    assert kinds == [
        "registered", "received", "signed_for", "acknowledge", "arrive", "resolve", "reply", "contacted", "solved", "satisfied", "follow_up",
    ]
    company = results(database, Subject.COMPANY)["company"]
    assert made.entries == len(kinds)
    print(company)
    assert 0
