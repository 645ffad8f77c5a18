"""Pictures of the desk: an agent's lists, intake and a case on a screen, and a crew's work on a telephone."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

CALLER = {"name": "陈女士", "phone": "0760 8823 0001"}
"""Caller of the case in the pictures, who calls again."""


def take(chrome: Browser, api: str, agent: str, crew: str, number: str, folder: Path) -> None:
    """Take all pictures, with the keys of an agent and of a crew that has this case."""
    with _signed_in(chrome, api, agent, width=1280, locale="en-GB") as page:
        page.screenshot(path=folder / "desk-list.png")
        page.goto(f"{api}/desk/cases/{number}")
        page.set_viewport_size({"width": 1100, "height": 1240})
        page.screenshot(path=folder / "desk-case.png")
        page.set_viewport_size({"width": 1280, "height": 640})
        page.goto(f"{api}/desk/intake")
        page.get_by_role("textbox", name="Telephone", exact=True).fill(CALLER["phone"])
        page.get_by_role("link", name=number).wait_for()
        page.screenshot(path=folder / "desk-intake.png")
    with _signed_in(chrome, api, crew, width=390, locale="zh-CN") as page:
        page.goto(f"{api}/desk/crew")
        page.screenshot(path=folder / "desk-crew.png")


@contextmanager
def _signed_in(chrome: Browser, api: str, key: str, width: int, locale: str) -> Iterator[Page]:
    with closing(chrome.new_page(viewport={"width": width, "height": 640}, locale=locale)) as page:
        page.goto(f"{api}/desk")
        page.get_by_label("密钥 Key").fill(key)
        page.get_by_role("button", name="登录 Sign in").click()
        page.get_by_role("search").wait_for()
        yield page
