"""Tasks of the page of a day are written so that the shift in the browser can play them."""

import re

import pytest

from tests.support.pages import page, section
from tests.support.shift import tasks

HEADINGS = re.findall("^## (An? [a-z -]+) ", page("docs/a-day.md"), re.MULTILINE)


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_task_has_as_many_clicks_as_it_names(heading: str) -> None:
    found, lines = tasks(heading), re.findall("^- ", section(page("docs/a-day.md"), heading), re.MULTILINE)
    assert len({task.name for task in found}) == len(lines) > 0
    assert [task.name for task in found if len(task.way) != task.clicks] == []


def test_six_people_have_tasks() -> None:
    assert len(HEADINGS) == 6
