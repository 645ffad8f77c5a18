"""Desk in a browser: by keyboard alone, without scripts, at the sizes of desks and telephones, and for everybody."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, ViewportSize, expect

from activities.sealing.keys import Links
from tests.api.test_incident_candidates import TO_CREW, leak, suspected
from tests.support.api import Api
from tests.support.browser import launched, needs_chromium
from tests.support.rings import ring_at

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.browser, pytest.mark.slow, needs_chromium]

SERIOUS = {"serious", "critical"}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
MOST_BYTES = 60_000


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


async def paths(api: Api) -> list[tuple[str, str]]:
    """Return pages, each with who looks at it, of a case that has something of everything.

    Those of a month and its assessment are refused, as there is none; each kind of refusal is there too.
    """
    number = await api.case_in("in_progress", caller={"name": "陈女士", "phone": "0760 8823 0001"})
    case = f"/desk/cases/{number}"
    forms = (f"{case}/actions/{action}" for action in ("complete", "correct", "dispatch"))
    incident = f"/desk/incidents/{await suspected(api, 'nanlang')}"
    await leak(api, "nanlang", *TO_CREW)
    incidents = ("/desk/incidents", "/desk/incidents/declare", incident, f"{incident}/actions/confirm")
    links = Links(ring_at(api.settings.keys_file), "work-orders")
    order = f"/w/{links.make(number, 1, datetime.now(UTC), 'repair', '周敏')}"
    orders = (order, f"{order}/actions/complete?from=crew", f"{order}x", f"{case}/work-order")
    lists = (f"/desk?tab={tab}" for tab in ("all", "undelivered"))
    month = f"{datetime.now(UTC) - timedelta(days=31):%Y-%m}"
    reports = ("today?format=html", "this-month?format=html", f"monthly?month={month}&format=html", "unknown")
    staff = ("/board", "/board?by=district", "/desk/call-backs", "/desk/today", "/desk/intake", "/views", "/sign-in")
    files = (*(f"/desk/reports/{each}" for each in reports), f"/desk/assessments/{month}")
    refused = (
        "/desk/cases/1",
        "/desk/unknown",
        f"{case}/actions/unknown",
        f"{case}/actions/reopen",
        "/desk?tab=unknown",
    )
    crew = ("/desk/crew", f"{case}/actions/complete?from=crew", "/desk/intake", "/desk/today")
    solved = await api.case_in("pending_reply")
    assert (await api.act(solved, "reply", {"message": "已恢复供水"})).is_success
    strangers = (api.link(number), api.link(solved), f"{api.link(number)}x", "/sign-in", "/desk")
    of_chief = (*orders, *lists, *staff, case, *forms, *incidents, *files, *refused)
    everybody = {"chief": of_chief, "wu": crew, "": strangers}
    return [(name, path) for name, listed in everybody.items() for path in listed]


@pytest.mark.parametrize("width", [390, 1366, 1920])
@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
async def test_axe_finds_nothing_on_any_page(on_sqlite: Api, width: int, language: str) -> None:
    faults = []
    async with open_desk(on_sqlite, "chief", width, locale=language) as page:
        for name, path in await paths(on_sqlite):
            await look_as(page, on_sqlite, name)
            answer = await page.goto(on_sqlite.url + path)
            assert answer
            size = len(re.sub(rb"<svg.*?</svg>", b"", await answer.body(), flags=re.DOTALL))
            if size > MOST_BYTES:
                faults.append(f"{path}: {size} bytes without pictures")
            for scheme in SCHEMES:
                await page.emulate_media(color_scheme=scheme)
                found = (await Axe().run(page)).response["violations"]
                for each in found:
                    nodes = [node["html"][:150] for node in each["nodes"][:4]]
                    faults.append(f"{path} {scheme}: {each['id']} {each['impact']} {nodes}")
            # What is wider than the window scrolls within its own frame.
            if await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                faults.append(f"{path}: wider than the window")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
async def test_on_a_telephone_the_header_has_two_lines_and_all_links(on_sqlite: Api, language: str) -> None:
    async with open_desk(on_sqlite, "chief", 390, locale=language) as page:
        await page.goto(f"{on_sqlite.url}/desk")
        box = await page.locator("header").bounding_box()
        assert box
        assert box["height"] < 105
        last = page.locator("header a").last
        await last.focus()
        await expect(last).to_be_in_viewport()


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


@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
async def test_the_board_follows_what_is_done_on_one_screen(on_sqlite: Api, language: str) -> None:
    async with open_desk(on_sqlite, "xu", locale=language) as page:
        await page.set_viewport_size({"width": 1920, "height": 1080})
        await page.goto(f"{on_sqlite.url}/board")
        number = await on_sqlite.case_in("registered")
        await expect(page.get_by_text(number).first).to_be_visible()
        root = "document.documentElement"
        assert await page.evaluate(f"[{root}.scrollWidth, {root}.scrollHeight]") == [1920, 1080]
