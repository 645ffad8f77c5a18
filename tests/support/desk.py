"""Desk of somebody who works in the Temporal UI: a browser whose clicks are counted, and that can take pictures."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Locator, Page, ViewportSize, expect

from tests.support.browser import PATIENCE_MILLISECONDS
from tests.support.service import Service
from tools.docs.pictures import LOOK_AGAIN_MILLISECONDS, details_on, open_form

SCREENS: tuple[ViewportSize, ...] = ({"width": 1920, "height": 1080}, {"width": 1366, "height": 768})
"""Screens of the pictures; the last is worked on."""
DRAWN_MILLISECONDS = 400
"""Time in which a page is drawn anew for a screen of another size."""


class Desk:
    """Browser of one person, who clicks with the mouse; each click is counted."""

    def __init__(self, page: Page, service: Service, folder: Path | None, name: str) -> None:
        self.page = page
        self.clicks = 0
        self._service = service
        self._folder = folder
        self._name = name
        self._taken = 0

    def home(self) -> None:
        """Open the page of views."""
        self.page.goto(f"{self._service.api}/views")

    def click(self, target: Locator) -> None:
        target.click()
        self.clicks += 1

    def view(self, title: str) -> None:
        """Open a saved view from the page of views."""
        self.home()
        self.click(self.page.get_by_role("link", name=title, exact=True))

    def row(self, number: str) -> Locator:
        """Return the row of a case in the list that is open. The index lags, so the list is loaded again."""
        row = self.page.get_by_role("row").filter(has_text=number)
        for _ in range(PATIENCE_MILLISECONDS // LOOK_AGAIN_MILLISECONDS):
            try:
                row.wait_for(timeout=LOOK_AGAIN_MILLISECONDS)
                break
            except Error:
                self.page.reload()
        expect(row).to_be_visible()
        return row

    def open(self, number: str) -> None:
        """Open the page of a case of the list."""
        self.click(self.row(number).get_by_role("link", name=f"complaint-{number}").first)
        self.page.wait_for_url("**/timeline")

    def details(self, number: str) -> Locator:
        """Open the details on the page of a case."""
        self.click(self.page.get_by_role("tab", name="Metadata"))
        return details_on(self.page, number)

    def redraw(self) -> None:
        """Have the details drawn anew by their key, R. The UI does not hear it while it fetches them."""
        # Its button for narrow screens, which a wide one hides, tells if it does.
        expect(self.page.get_by_label("Refresh")).to_be_enabled()
        self.page.keyboard.press("r")

    def look_up(self, number: str) -> Locator:
        """Open the details of a case by its number, from the page of views."""
        self.home()
        self.page.get_by_label("工单号 Case number").fill(number)
        self.click(self.page.get_by_role("button", name="查看 Look up"))
        return details_on(self.page, number)

    def form(self) -> Locator:
        """Open the form of updates, and the list of their names."""
        return open_form(self.page, self.click)

    def update(self, name: str, **body: Any) -> None:
        """Act on the page of a case, and see that the form is closed."""
        dialog = self.form()
        self.choose(name)
        self.submit(dialog, body)
        expect(dialog).to_be_hidden()

    def choose(self, name: str) -> None:
        """Choose an action of the list."""
        self.click(self.page.get_by_role("option").filter(has_text=re.compile(rf"^\s*{name}\b")))

    def submit(self, dialog: Locator, body: dict[str, Any]) -> None:
        """Fill in the data, leave the field with Tab, and submit."""
        self.click(dialog.locator("[contenteditable=true]"))
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(json.dumps(body, ensure_ascii=False))
        self.page.keyboard.press("Tab")
        self.click(dialog.get_by_role("button", name="Submit"))

    def refused(self, dialog: Locator, *words: str) -> None:
        """See the words of a refusal in the form, and leave it."""
        for each in words:
            expect(dialog.get_by_role("alert").last).to_contain_text(each)
        self.picture("refused")
        self.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()

    @contextmanager
    def task(self, name: str, clicks: int) -> Iterator[None]:
        """Do a task in so many clicks."""
        self.clicks = 0
        yield
        assert self.clicks == clicks, name
        self.picture(name)

    def picture(self, step: str) -> None:
        """Take a picture of the page on each screen, if there is a folder for pictures."""
        if self._folder is None:
            return
        self._taken += 1
        for screen in SCREENS:
            self.page.set_viewport_size(screen)
            self.page.wait_for_timeout(DRAWN_MILLISECONDS)
            step = re.sub(r"\W+", "-", step).strip("-")
            self.page.screenshot(path=self._folder / f"{self._name}-{self._taken:02}-{step}-{screen['width']}.png")
