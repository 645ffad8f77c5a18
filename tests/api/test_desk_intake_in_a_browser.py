"""Intake on the desk in a browser: by keyboard alone, with what is shown while one types, and after Back."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.api.test_desk_in_a_browser import open_desk
from tests.support.api import Api
from tests.support.browser import needs_chromium

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.browser, pytest.mark.slow, needs_chromium]

INTAKE = "/desk/intake"
MOST_KEYSTROKES = 40
AT_90: Any = {"district": "nanlang", "address": "兴中道90号"}


async def open_intake(page: Page, api: Api) -> None:
    """Open the form, which takes keys once its telephone has the focus: the first digit of an earlier one is lost."""
    await page.goto(api.url + INTAKE)
    await expect(page.locator('[name="caller.phone"]')).to_be_focused()


class Keyboard:
    """Keyboard of an agent, whose presses are counted but for the texts."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.presses = 0

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)
            self.presses += 1

    async def choose_farthest(self) -> str:
        """Choose, in the list that has the focus, the option that takes most arrows from the nearer end."""
        codes: list[str] = await self.page.evaluate("[...document.activeElement.options].map(each => each.value)")
        await self.press(*["ArrowDown"] * (len(codes) // 2))
        return codes[len(codes) // 2]

    async def at(self, selector: str) -> None:
        """Go on to an element by Tab."""
        while not await self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
            await self.press("Tab")


async def test_a_call_is_dispatched_with_few_keystrokes(on_sqlite: Api) -> None:
    phone = "0760 8811 4321"
    # Of no name and place: nothing is filled in.
    earlier = await on_sqlite.case_in("registered", caller={"phone": phone}, location={})
    async with open_desk(on_sqlite, "chen") as page:
        await open_intake(page, on_sqlite)
        keyboard = Keyboard(page)
        await page.keyboard.type(phone)
        await expect(page.locator("#known")).to_contain_text(earlier)
        await keyboard.at('[name="service_code"]')
        service = await keyboard.choose_farthest()
        await keyboard.at('[name="location.district"]')
        district = await keyboard.choose_farthest()
        await keyboard.at('[name="location.address"]')
        await page.keyboard.type("永乐路9号")
        await keyboard.at('[name="description"]')
        await page.keyboard.type("水费比上月多一倍")
        await keyboard.at("button")
        await keyboard.press("Enter")
        await page.wait_for_url("**/desk/cases/*?done=dispatch")
        number = re.findall(r"/cases/(\d+)", page.url)[0]
    case = await on_sqlite.complaint(number)
    assert (case["state"], case["service_code"], case["location"]["district"]) == ("dispatched", service, district)
    assert keyboard.presses <= MOST_KEYSTROKES


async def fill_in(page: Page, **typed: str) -> dict[str, str]:
    """Take a call down; return the texts of all inputs."""
    await page.locator('[name="service_code"]').select_option("leak")
    await page.locator('[name="location.district"]').select_option("west")
    boxes = {"caller.phone": "0760 8811 4321", "caller.name": "陈女士", "location.address": "永乐路9号", **typed}
    for name, words in {"description": "水表旁漏水", **boxes}.items():
        await page.locator(f'[name="{name}"]').fill(words)
    return await texts(page)


async def texts(page: Page) -> dict[str, str]:
    """Return those of all inputs but the one that notes for whom something was looked up, which comes later."""
    found: dict[str, str] = await page.evaluate('Object.fromEntries(new FormData(document.getElementById("intake")))')
    return {name: text for name, text in found.items() if name != "filled"}


async def register(page: Page) -> str:
    """Press the button; return the number of the case."""
    await page.get_by_role("button", name="受理", exact=True).click()
    await page.wait_for_url("**/desk/cases/*?done=dispatch")
    return page.url.partition("/cases/")[2].partition("?")[0]


async def test_who_comes_back_finds_the_form_as_it_was_and_registers_no_second_case(on_sqlite: Api) -> None:
    async with open_desk(on_sqlite, "chen") as page:
        await open_intake(page, on_sqlite)
        typed = await fill_in(page)
        await page.locator("header [role=search] input").fill("永乐路")
        await page.locator("header [role=search] button").click()
        await page.wait_for_url("**/desk?tab=all*")
        await page.go_back()
        assert await texts(page) == typed
        first = await register(page)
        await page.go_back()
        assert await texts(page) == typed
        assert await register(page) == first
        # Another matter of the same caller, in the same form.
        await page.go_back()
        await page.locator('[name="description"]').fill("还有水压低")
        await page.get_by_role("button", name="受理", exact=True).click()
        await expect(page.locator("main > [role=alert]")).to_contain_text("此表单已受理过一张工单")
        assert await register(page) != first


async def test_the_next_caller_finds_an_empty_form(on_sqlite: Api) -> None:
    """Also after a refusal, whose page has the address of the intake."""
    async with open_desk(on_sqlite, "chen") as page:
        await open_intake(page, on_sqlite)
        empty = await texts(page)
        anew = page.locator("header a[href='/desk/intake']").click
        for again, phone in ((anew, "letters"), (anew, "0760 8811 4321"), (page.reload, "0760 8811 4321")):
            await fill_in(page, **{"caller.phone": phone})
            if phone == "letters":
                await page.get_by_role("button", name="受理", exact=True).click()
                await expect(page.locator("main > [role=alert]")).to_be_visible()
            await again()
            await expect(page.locator('[name="description"]')).to_have_value("")
            assert {**await texts(page), "key": ""} == {**empty, "key": ""}


async def test_a_case_alike_is_shown_while_the_address_is_typed(on_sqlite: Api) -> None:
    there = await on_sqlite.case_in("dispatched", service_code="leak", location=AT_90)
    async with open_desk(on_sqlite, "chen") as page:
        await open_intake(page, on_sqlite)
        await page.locator('[name="service_code"]').select_option("leak")
        await page.locator('[name="location.address"]').press_sequentially("兴中道94")
        await expect(page.locator("#known")).to_contain_text(there)


async def test_what_was_filled_in_gives_way_to_the_next_caller(on_sqlite: Api) -> None:
    for phone, name in (("0760 8812 1111", "何女士"), ("0760 8812 2222", "")):
        await on_sqlite.case_in("registered", caller={"phone": phone, **({"name": name} if name else {})}, location={})
    async with open_desk(on_sqlite, "chen") as page:
        await open_intake(page, on_sqlite)
        phone_box, name_box = page.locator('[name="caller.phone"]'), page.locator('[name="caller.name"]')
        await phone_box.fill("0760 8812 1111")
        await expect(name_box).to_have_value("何女士")
        await phone_box.fill("0760 8812 2222")
        await expect(name_box).to_have_value("")
        await phone_box.fill("0760 8812 1111")
        await expect(name_box).to_have_value("何女士")
        await name_box.fill("何先生")
        await phone_box.fill("0760 8812 2222")
        await expect(page.locator("#known")).not_to_contain_text("请与来电人核对")
        await expect(name_box).to_have_value("何先生")


async def test_what_was_filled_in_gives_way_after_a_question_as_well(on_sqlite: Api) -> None:
    for phone, name in (("0760 8813 1111", {"name": "何女士"}), ("0760 8813 2222", {})):
        await on_sqlite.case_in("registered", caller={"phone": phone, **name}, location={})
    async with open_desk(on_sqlite, "chen") as page:
        await open_intake(page, on_sqlite)
        phone_box, name_box = page.locator('[name="caller.phone"]'), page.locator('[name="caller.name"]')
        await page.locator('[name="service_code"]').select_option("leak")
        await page.locator('[name="description"]').fill("漏水")
        await phone_box.fill("0760 8813 1111")
        await expect(name_box).to_have_value("何女士")
        await page.get_by_role("button", name="受理", exact=True).click()
        await expect(page.get_by_role("button", name="仍然受理")).to_be_visible()
        await expect(page.locator("#known")).to_contain_text("请与来电人核对")
        await expect(name_box).to_have_value("何女士")
        await phone_box.fill("0760 8813 2222")
        await expect(name_box).to_have_value("")


async def test_a_fault_goes_once_it_is_mended(on_sqlite: Api) -> None:
    async with open_desk(on_sqlite, "chen") as page:
        await open_intake(page, on_sqlite)
        await fill_in(page, **{"caller.phone": "八八"})
        await page.get_by_role("button", name="受理", exact=True).click()
        alert, phone_box = page.locator("main > [role=alert]"), page.locator('[name="caller.phone"]')
        await expect(alert).to_contain_text("电话")
        await expect(phone_box).to_be_focused()
        await phone_box.fill("0760 8812 3333")
        await expect(alert).to_have_count(0)


async def test_without_scripts_a_form_is_empty_after_back(on_sqlite: Api) -> None:
    """A form that is half filled in would register a second case."""
    async with open_desk(on_sqlite, "chen", scripts=False) as page:
        await open_intake(page, on_sqlite)
        await fill_in(page)
        await register(page)
        await page.go_back()
        assert {*(await texts(page)).values()} - {"phone", "own"} == {"", await page.input_value('[name="key"]')}
