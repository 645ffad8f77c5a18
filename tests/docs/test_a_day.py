"""The page of a day uses the lists that the benchmark measures: each where somebody needs it, and no other."""

import re

from tests.support.pages import page
from tools.docs.desk import queries

ASKED = re.findall(r'\$API/complaints\?([^"]*)"', page("docs/a-day.md"))


def test_the_lists_of_the_day_are_those_that_are_measured() -> None:
    assert set(ASKED) == set(queries().values())


def test_twelve_lists_are_measured() -> None:
    assert len(set(queries().values())) == 12
