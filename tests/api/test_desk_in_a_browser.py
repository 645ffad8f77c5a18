"""Desk in a browser: by keyboard alone, without scripts, at the sizes of desks and telephones, and for everybody."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Response, ViewportSize, expect

from activities.sealing.keys import Links
from api.temporal_ui.dangerous import GRANT
from domain.reports.report import Period, ReportKind
from readmodel.base.database import engine, writing
from readmodel.reports.reports import make, save_report
from tests.api.test_incident_candidates import TO_CREW, leak, suspected
from tests.support.api import Api
from tests.support.browser import launched, needs_chromium
from tests.support.dangerous import REASON, WORKFLOW, Browser
from tests.support.rings import ring_at

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.browser, pytest.mark.slow, needs_chromium]

SERIOUS = {"serious", "critical"}
MOST_BYTES = 60_000
LANGUAGES = ("zh-CN", "en-GB")
SIZES = [
    *((390, "zh-CN"), (1366, "en-GB"), (1920, "zh-CN")),
    *(pytest.param(*each, marks=pytest.mark.night) for each in ((390, "en-GB"), (1366, "zh-CN"), (1920, "en-GB"))),
]
"""Width and language of a browser: at night the others too."""
SCHEMES: dict[Literal["light", "dark"], dict[str, list[str]]] = {
    "light": {"resultTypes": ["violations"]},
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast"]},
}
"""Schemes of colours and what axe is asked for: all but contrasts is the same in the dark."""


@asynccontextmanager
async def open_desk(
    api: Api, name: str, width: int = 1366, *, scripts: bool = True, **more: str
) -> AsyncIterator[Page]:
    """Return the browser of somebody who has signed in."""
    size: ViewportSize = {"width": width, "height": 800}
    async with launched() as chromium:
        context = await chromium.new_context(
            java_script_enabled=scripts, viewport=size, locale=more.get("locale", "zh-CN")
        )
        page = await context.new_page()
        await look_as(page, api, name)
        yield page


async def look_as(page: Page, api: Api, name: str) -> None:
    """Sign in as somebody, or as nobody."""
    await page.context.clear_cookies()
    if name:
        cookie, value = api.session(name)["Cookie"].split("=", 1)
        await page.context.add_cookies([{"name": cookie, "value": value, "url": api.url}])


async def visits(api: Api) -> list[tuple[str, int, list[str]]]:
    """Return pages by who looks at them and their status, of a case that has something of everything.

    An assessment has files alone, so that its refusal is the one page; each kind of refusal is there.
    """
    number = await api.case_in("in_progress", caller={"name": "陈女士", "phone": "0760 8823 0001"})
    case, incident = f"/desk/cases/{number}", f"/desk/incidents/{await suspected(api, 'nanlang')}"
    await leak(api, "nanlang", *TO_CREW)
    links = Links(ring_at(api.settings.keys_file), "work-orders")
    order = f"/w/{links.make(number, 1, datetime.now(UTC), 'repair', '周敏')}"
    lists = [f"/desk?tab={tab}" for tab in ("all", "undelivered")]
    month = await reported(api)
    reports = [f"/desk/reports/{each}format=html" for each in ("today?", "this-month?", f"monthly?month={month}&")]
    staff = ["/board", "/board?by=district", "/desk/call-backs", "/desk/today", "/desk/intake", "/views", "/sign-in"]
    forms = [f"{case}/actions/{action}" for action in ("complete", "correct", "dispatch")]
    incidents = ["/desk/incidents", "/desk/incidents/declare", incident, f"{incident}/actions/confirm"]
    orders = [order, f"{order}/actions/complete?from=crew", f"{case}/work-order"]
    files = ["/desk/reports/unknown", "/desk/reports/monthly?month=2001-01&format=html", "/desk/assessments/2001-01"]
    missing = [*files, "/desk/cases/2608034711004", "/desk/unknown", f"{case}/actions/unknown"]
    solved = await api.case_in("pending_reply")
    assert (await api.act(solved, "reply", {"message": "已恢复供水"})).is_success
    link = api.link(number)
    return [
        ("chief", 200, [*orders, *lists, *reports, *staff, case, *forms, *incidents, GRANT]),
        ("chief", 404, missing),
        ("chief", 410, [f"{order}x"]),
        ("chief", 422, ["/desk/cases/1", "/desk?tab=unknown", "/case"]),
        ("wu", 200, ["/desk/crew", f"{case}/actions/complete?from=crew"]),
        ("wu", 403, ["/desk/intake", "/desk/today", GRANT]),
        ("", 200, [link, api.link(solved), "/sign-in"]),
        ("", 401, ["/desk"]),
        ("", 404, [f"{link}x"]),
    ]


async def reported(api: Api) -> str:
    """Make the report of the last month; return its name."""
    last = Period.ended_before(ReportKind.MONTHLY, datetime.now(UTC), api.backend.zone)
    database = engine(api.settings.database_url)

    def keep() -> None:
        with writing(database) as connection:
            save_report(connection, make(connection, last, api.backend.catalogue, datetime.now(UTC)))

    await asyncio.to_thread(keep)
    database.dispose()
    return last.name


async def faults(page: Page, answer: Response | None, status: int) -> AsyncIterator[str]:
    """Yield what is wrong with the page of this answer: status, size, width, and what axe finds, light and dark."""
    assert answer
    if answer.status != status:
        yield f"status {answer.status}, not {status}"
    size = len(re.sub(rb"<svg.*?</svg>", b"", await answer.body(), flags=re.DOTALL))
    if size > MOST_BYTES:
        yield f"{size} bytes without pictures"
    for scheme, options in SCHEMES.items():
        await page.emulate_media(color_scheme=scheme)
        for each in (await Axe().run(page, options=options)).response["violations"]:
            yield f"{scheme}: {each['id']} {each['impact']} {[node['html'][:150] for node in each['nodes'][:4]]}"
    # What is wider than the window scrolls within its own frame.
    if await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        yield "wider than the window"


@pytest.mark.parametrize(("width", "language"), SIZES)
async def test_axe_finds_nothing_on_any_page(on_sqlite: Api, width: int, language: str) -> None:
    found = []
    async with open_desk(on_sqlite, "chief", width, locale=language) as page:
        for name, status, paths in await visits(on_sqlite):
            await look_as(page, on_sqlite, name)
            for path in paths:
                answer = await page.goto(on_sqlite.url + path)
                found += [f"{name} {path}: {fault}" async for fault in faults(page, answer, status)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("width", "language"), SIZES)
async def test_axe_finds_nothing_on_what_answers_a_form(on_sqlite: Api, width: int, language: str) -> None:
    number, found = await on_sqlite.case_in("in_progress"), []
    incident = f"/desk/incidents/{await suspected(on_sqlite, 'nanlang')}"
    await leak(on_sqlite, "nanlang", *TO_CREW)
    asking = Browser(on_sqlite)
    await asking.press(f"{WORKFLOW.format(number)}/terminate")
    forms: list[tuple[str, int, dict[str, str]]] = [
        (f"/desk/cases/{number}/actions/complete", 422, {}),
        ("/desk/intake", 422, {}),
        ("/desk/incidents/declare", 200, {"title": "爆管", "services": "leak", "districts": "nanlang"}),
        (incident, 422, {}),
        (GRANT, 422, {"reason": "x"}),
        (GRANT, 200, {"reason": REASON}),
        ("/sign-in", 200, {}),
        ("/sign-in", 401, {"key": "hk_unknown"}),
    ]
    async with open_desk(on_sqlite, "", width, locale=language) as page:
        for name, value in asking.cookies.items():
            await page.context.add_cookies([{"name": name, "value": value, "url": on_sqlite.url}])
        for path, status, given in forms:
            await page.goto(on_sqlite.url + path)
            form = page.locator("main form[method=post]")
            await form.evaluate("form => form.noValidate = true")
            for name, text in given.items():
                box = form.locator(f'[name="{name}"][value="{text}"]')
                await (box.check() if await box.count() else form.locator(f'[name="{name}"]').fill(text))
            async with page.expect_navigation() as sent:
                await form.locator("button:not([formnovalidate])").click()
            found += [f"{path}: {fault}" async for fault in faults(page, await sent.value, status)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_on_a_telephone_the_header_shows_all_links_whole(on_sqlite: Api, language: str) -> None:
    async with open_desk(on_sqlite, "chief", 390, locale=language) as page:
        await page.goto(f"{on_sqlite.url}/desk")
        box = await page.locator("header").bounding_box()
        assert box
        assert box["height"] < 240
        for link in await page.locator("header a").all():
            await expect(link).to_be_in_viewport(ratio=1)
            size = await link.bounding_box()
            assert size
            assert size["height"] >= 44, await link.text_content()


async def test_on_a_telephone_no_cell_of_a_table_is_cut(on_sqlite: Api) -> None:
    place = {"district": "west", "address": "下闸新村3号" * 5}
    number = await on_sqlite.case_in("in_progress", location=place)
    async with open_desk(on_sqlite, "chief", 390) as page:
        for path in ("/desk?tab=all", f"/desk/cases/{number}", "/desk/incidents"):
            await page.goto(on_sqlite.url + path)
            edges = "cells => cells.map(each => each.getBoundingClientRect().right)"
            for right in await page.locator("main td").evaluate_all(edges):
                assert right <= 390, path


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_case_is_completed_by_keyboard_alone(on_sqlite: Api, *, scripts: bool) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with open_desk(on_sqlite, "wu", scripts=scripts, locale="en-GB") as page:
        await page.goto(f"{on_sqlite.url}/desk/cases/{number}")
        await page.get_by_role("link", name="Complete", exact=True).focus()
        await page.keyboard.press("Enter")
        await page.get_by_label("What was done *").focus()
        await page.keyboard.type("A joint was replaced.")
        await page.get_by_label("Aged pipe").focus()
        await page.keyboard.press("Space")
        await page.get_by_role("button", name="Complete").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("Done: Complete")
    rows = (await on_sqlite.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    assert rows[-1]["data"]["findings"] == ["pipe_aged"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_board_follows_what_is_done_on_one_screen(on_sqlite: Api, language: str) -> None:
    async with open_desk(on_sqlite, "xu", locale=language) as page:
        await page.set_viewport_size({"width": 1920, "height": 1080})
        await page.goto(f"{on_sqlite.url}/board")
        number = await on_sqlite.case_in("registered")
        await expect(page.get_by_text(number).first).to_be_visible()
        root = "document.documentElement"
        assert await page.evaluate(f"[{root}.scrollWidth, {root}.scrollHeight]") == [1920, 1080]
