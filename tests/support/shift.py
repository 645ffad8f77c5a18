"""People of a shift at the desk, each in a browser: they press what the page of a day names for a task."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from playwright.sync_api import Locator, Page, expect

from api.desk import words
from domain.shared.value import NamedCode
from tests.support.pages import page, section

CASE, INCIDENT = "a case", "an incident"
BY_NUMBER, MY_WORK, CHECK = "*查找 Find*", "*我的工作 My work*", "*核对 Check*"
_TASK = re.compile(r"^- (?P<name>[^:]+): (?P<way>.+) \((?P<clicks>\d+)\)$", re.MULTILINE)


class Task(NamedTuple):
    """Task of the page of a day: what is pressed in turn, by its words in Chinese and English, or a number."""

    name: str
    way: tuple[str, ...]
    clicks: int

    @property
    def buttons(self) -> tuple[str, ...]:
        """Buttons of the form at its end, if it has one."""
        return self.way[-2:] if CHECK in self.way else self.way[-1:]


def tasks(heading: str) -> list[Task]:
    """Return the tasks under a heading of the page of a day."""
    found = _TASK.finditer(section(page("docs/a-day.md"), heading))
    return [Task(each["name"], tuple(each["way"].split(" › ")), int(each["clicks"])) for each in found]


class Worker:
    """Person at the desk who signs in with a key, and does the tasks under a heading of the page of a day."""

    def __init__(self, page: Page, url: str, heading: str, *, zh: bool) -> None:
        self.page = page
        self.main = page.get_by_role("main")
        self.tasks = {task.name: task for task in tasks(heading)}
        self.done = set[str]()
        self._url = url
        self._zh = zh

    def say(self, both: tuple[str, str]) -> str:
        return both[0 if self._zh else 1]

    def sign_in(self, key: str) -> None:
        """Open the start page as somebody who has its address and a key."""
        self.page.goto(f"{self._url}/desk")
        self.page.get_by_label("密钥 Key").fill(key)
        self.page.get_by_role("button", name="登录 Sign in").click()
        self.page.wait_for_url(re.compile("/desk(/crew)?$"))

    def look(self, name: str, number: str = "") -> None:
        """Do a task that reads: from the start page to the page that tells it."""
        self._walk(self._begin(name).way, number)

    def open(self, name: str, number: str = "") -> None:
        """Go from the start page to the form of a task that acts."""
        task = self._begin(name)
        self._walk(task.way[: -len(task.buttons)], number)

    def send(self, name: str, number: str, state: NamedCode | None, **fields: str) -> None:
        """Fill in the form, press its button, and see that the page tells the state; None if the case is gone.

        `__` in the name of a field stands for the dot.
        """
        for field, value in fields.items():
            self.fill(field.replace("__", "."), value)
        for button in self.tasks[name].buttons:
            self._button(button).click()
        expect(self.page.get_by_role("status").filter(has_text=self.say(("已办理：", "Done: ")))).to_be_visible()
        if self.page.url.partition("?")[0].endswith("/crew"):
            shown = [re.compile(re.escape(self.say(words.of_code(state))))] if state else []
            expect(self.job(number)).to_have_text(shown)
        else:
            assert state is not None
            expect(self.page.get_by_role("heading", level=1)).to_contain_text(self.say(words.of_code(state)))

    def act(self, name: str, number: str, state: NamedCode | None, **fields: str) -> None:
        """Do a task that acts."""
        self.open(name, number)
        self.send(name, number, state, **fields)

    def job(self, number: str) -> Locator:
        """Return what the page of a crew shows of a case."""
        return self.main.get_by_role("article").filter(has_text=number)

    def fill(self, field: str, value: str) -> None:
        """Fill in an input of a form, or tick the box of this value."""
        box = self.main.locator(f"[name='{field}']")
        kind = box.first.evaluate("element => element.type")
        if kind == "checkbox":
            box.and_(self.main.locator(f"[value='{value}']")).check()
        elif kind == "select-one":
            box.select_option(value)
        else:
            box.fill(value)

    def _begin(self, name: str) -> Task:
        task = self.tasks[name]
        assert len(task.way) == task.clicks, task
        self.done.add(name)
        self.page.goto(f"{self._url}/desk")
        return task

    def _walk(self, way: Sequence[str], number: str) -> None:
        """Follow the links of a way; those of a crew's work belong to a case."""
        for before, step in pairwise(("", *way)):
            if step == BY_NUMBER:
                self.page.get_by_role("search").get_by_role("textbox").fill(number)
                self._button(step).click()
            elif step in (CASE, INCIDENT):
                self.main.get_by_role("link", name=number, exact=True).click()
            else:
                place = self.job(number) if before == MY_WORK else self.page
                place.get_by_role("link", name=self._named(step)).first.click()

    def _button(self, step: str) -> Locator:
        return self.page.get_by_role("button", name=self._named(step))

    def _named(self, step: str) -> re.Pattern[str]:
        """Words of a link or button in the language of the browser; behind those of a list stands a count."""
        zh, _, en = step.strip("*").partition(" ")
        return re.compile(rf"^{re.escape(self.say((zh, en)))}( \d+)?$")
