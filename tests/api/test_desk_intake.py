"""Intake on the desk: who calls is looked up, and a case is registered and dispatched in one step."""

import re
from collections.abc import AsyncIterator
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect
from temporalio.client import Client

from tests.api.test_caller import GRANNY, api_with_customers, call
from tests.api.test_desk import ENGLISH, key_in, text
from tests.api.test_desk_in_a_browser import SERIOUS, open_desk
from tests.api.test_desk_intake_in_a_browser import AT_90, INTAKE, open_intake
from tests.support.api import PEOPLE, Api
from tests.support.browser import needs_chromium
from tests.support.browsing import browser, signed_in
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = GRANNY["phone"]


@pytest_asyncio.fixture(loop_scope="session")
async def known(temporal: Client, tmp_path: Path, database_url: str) -> AsyncIterator[Api]:
    """An API that knows its customers, on each kind of database."""
    async with api_with_customers(temporal, database_url, tmp_path) as (made, _):
        yield made


async def take_in(made: httpx.AsyncClient, **given: str) -> httpx.Response:
    """Post the form of a page, with these inputs besides those that it begins with."""
    form = await made.get(INTAKE)
    usual = {"key": key_in(form), "service_code": "leak", "channel": "phone", "department": "own"}
    usual |= {"location.district": "west", "description": "水表旁漏水"}
    return await made.post(INTAKE, data=usual | given)


def number_in(answer: httpx.Response, done: str) -> str:
    assert answer.status_code == 303, text(answer)
    found = re.fullmatch(rf"/desk/cases/(\d+)\?done={done}", answer.headers["location"])
    assert found, answer.headers["location"]
    return found[1]


def selected(answer: httpx.Response, field: str) -> str:
    found = re.search(rf'<select name="{field}".*?<option value="([^"]*)" selected', answer.text, re.DOTALL)
    assert found, field
    return found[1]


@pytest.mark.parametrize("name", [name for name in PEOPLE if name != "pbx"])
async def test_only_who_registers_has_the_intake(on_sqlite: Api, name: str) -> None:
    registers = name in {"chen", "li", "chief"}
    async with signed_in(on_sqlite, name) as made:
        assert (await made.get(INTAKE)).status_code == (200 if registers else 403)
        assert (f'href="{INTAKE}"' in (await made.get("/desk")).text) is registers
        assert registers or (await made.post(INTAKE, data={"description": "水"})).status_code == 403
    async with browser(on_sqlite) as made:
        page = await made.get(INTAKE)
        assert (page.status_code, 'value="/desk/intake"' in page.text) == (401, True)


async def test_the_form_speaks_one_language_and_names_the_department_of_a_service(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "chen") as made:
        page = await made.get(INTAKE)
        for words in ("联系电话", "漏水 · 抢修队", "咨询 · 当场答复", "西区街道", "微信", "营业厅", "暂不派单"):
            assert words in text(page)
        english = text(await made.get(INTAKE, headers=ENGLISH))
    assert "Leak: meter, riser, tank · Emergency repair crew" in english
    assert "WeChat" in english
    assert not re.search(r"[\u4e00-\u9fff]", english.replace("中文", ""))
    assert selected(page, "channel") == "phone"
    assert selected(page, "department") == "own"
    assert len(page.content) < 60_000
    assert "connect-src 'self'" in page.headers["content-security-policy"]


async def test_a_case_is_registered_and_dispatched_once(on_both: Api) -> None:
    caller = {"caller.phone": "0760 8823 0001", "caller.name": "陈女士", "location.district": "west"}
    async with signed_in(on_both, "chen") as made:
        given = {**caller, "location.address": "下闸新村3号", "key": key_in(await made.get(INTAKE))}
        numbers = {number_in(await take_in(made, **given), "dispatch") for _ in range(2)}
        [number] = numbers
        assert "已办理：派单" in text(await made.get(f"/desk/cases/{number}?done=dispatch"))
    case = await on_both.complaint(number)
    assert (case["state"], case["department"], case["owner"]) == ("dispatched", "repair", "chen")
    assert (case["caller"]["name"], case["location"]["district"]) == ("陈女士", "west")
    actions = await on_both.actions(number)
    assert actions[:2] == ["register", "dispatch"]
    assert actions.count("dispatch") == 1


@pytest.mark.parametrize(
    ("service", "chosen", "department"),
    [
        ("leak", "", None),
        ("leak", "network", "network"),
        ("leak", "own", "repair"),
        ("inquiry", "own", None),
        ("thanks", "own", None),
        ("inquiry", "customer_service", "customer_service"),
    ],
)
async def test_who_takes_the_call_chooses_where_it_goes(
    on_sqlite: Api, service: str, chosen: str, department: str | None
) -> None:
    async with signed_in(on_sqlite, "chen") as made:
        answer = await take_in(made, service_code=service, department=chosen)
    number = number_in(answer, "dispatch" if department else "register")
    case = await on_sqlite.complaint(number)
    assert (case["state"], case["department"]) == ("dispatched" if department else "registered", department)
    assert ("answer" in case["available_actions"]) is (department is None)


async def test_a_refused_registration_keeps_what_was_typed(on_sqlite: Api) -> None:
    typed = {
        "description": "水<漏>",
        "caller.phone": "8823",
        "location.lat": "22.5",
        "department": "network",
        "key": "k7",
    }
    async with signed_in(on_sqlite, "chen") as made:
        answer = await take_in(made, **typed)
    assert answer.status_code == 422
    assert re.search(r'role="alert">[^<]*纬度和经度应同时填写', answer.text)
    assert "水&lt;漏&gt;</textarea>" in answer.text
    assert (key_in(answer), selected(answer, "service_code")) == ("k7", "leak")
    assert selected(answer, "department") == "network"
    assert "<details open>" in answer.text


PHONE_ALONE = {"caller.phone": "0760 8811 0000"}
NOBODY = "没有电话，也没有地址和区域"
NOWHERE = "没有地址和区域，无法到场"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, NOBODY),
        ({"service_code": "inquiry"}, NOBODY),
        (PHONE_ALONE, NOWHERE),
        (PHONE_ALONE | {"service_code": "inquiry"}, None),
        ({"location.district": "west"}, None),
        ({"location.lat": "22.5", "location.lng": "113.3"}, None),
        ({"caller.phone": PHONE}, None),  # the registry knows the place
    ],
)
async def test_without_telephone_or_place_it_is_asked_once(
    known: Api, given: dict[str, str], asked: str | None
) -> None:
    given = {"location.district": "", **given}
    async with signed_in(known, "chen") as made:
        answer = await take_in(made, **given)
        if asked:
            assert f'role="alert">{asked}，确定受理？' in answer.text
            assert ">仍然受理</button>" in answer.text
            assert "水表旁漏水</textarea>" in answer.text
            assert (await known.get("/v1/complaints")).json()["items"] == []
            hidden = dict(re.findall(r'type="hidden" name="(key|asked)" value="([^"]+)"', answer.text))
            answer = await take_in(made, **given, **hidden)
    assert re.match(r"/desk/cases/\d+\?done=", answer.headers["location"])


async def test_a_refused_dispatch_shows_the_case_with_the_reason(on_both: Api) -> None:
    async with signed_in(on_both, "chen") as made:
        given = {"department": "nobody", "key": key_in(await made.get(INTAKE))}
        answers = [await take_in(made, **given) for _ in range(2)]
    numbers = {re.findall(r"<h1>(\d+)", answer.text)[0] for answer in answers}
    assert [answer.status_code for answer in answers] == [422, 422]
    assert 'role="alert"' in answers[0].text
    [number] = numbers
    assert f'to=/desk/cases/{number}"' in answers[0].text, "the other language shows the case as well"
    assert (await on_both.complaint(number))["state"] == "registered"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_form_of_another_site_is_refused(on_sqlite: Api, site: str) -> None:
    async with signed_in(on_sqlite, "chen") as made:
        answer = await made.post(INTAKE, data={"description": "水"}, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403


async def test_a_session_for_reading_alone_registers_nothing(on_sqlite: Api) -> None:
    async with browser(on_sqlite, **on_sqlite.session("chen", "read")) as made:
        assert (await take_in(made)).status_code == 403


async def test_the_caller_is_looked_up_without_losing_what_was_typed(known: Api) -> None:
    earlier = await call(known, GRANNY, service_code="leak")
    async with signed_in(known, "chen") as made:
        page = await take_in(made, look_up="1", service_code="leak", **{"caller.phone": "88237777"})
    shown = text(page)
    for words in ("李婆婆", "西区街道 下闸新村", "0420013", "困难户", "重复来电", "疑似重复"):
        assert words in shown
    assert f'href="/desk/cases/{earlier["number"]}"' in page.text
    assert 'value="88237777"' in page.text
    assert "水表旁漏水</textarea>" in page.text
    assert len((await known.get("/v1/complaints")).json()["items"]) == 1


async def test_a_stranger_and_a_wrong_telephone_are_told(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "chen") as made:
        stranger = await take_in(made, look_up="1", **{"caller.phone": "0760 8800 0009"})
        wrong = await take_in(made, look_up="1", **{"caller.phone": "12"})
        nobody = await take_in(made, look_up="1")
    assert "客户档案中没有" in text(stranger)
    assert 'role="alert"' in wrong.text
    assert "输入电话或用户号后显示" in text(nobody)
    assert [each.status_code for each in (stranger, wrong, nobody)] == [200] * 3


async def test_an_open_incident_is_shown_and_its_cases_go_with_it(known: Api) -> None:
    declared: Any = {"title": "富华道爆管", "services": ["leak"], "districts": ["west"]}
    incident = (await known.post("/v1/incidents", declared, "zhou")).json()["number"]
    await known.post(f"/v1/incidents/{incident}/actions/inform", {"message": "今晚恢复供水"}, "zhou")
    async with signed_in(known, "chen") as made:

        async def seen() -> str:
            return text(await take_in(made, look_up="1", **{"caller.phone": PHONE}))

        # Intakes read the open incidents at intervals.
        page = await until(seen, lambda found: "此诉求将并入该事件" in found)
        assert [each for each in (incident, "富华道爆管", "已确认", "今晚恢复供水") if each not in page] == []
        joined = number_in(await take_in(made, **{"caller.phone": PHONE}), "register")
        chosen = number_in(await take_in(made, department="network", **{"caller.phone": PHONE}), "dispatch")
    for number, state in ((joined, "registered"), (chosen, "dispatched")):
        case = await known.complaint(number)
        assert (case["incident"], case["state"]) == (incident, state)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ({"location.address": "兴中道 90 号"}, True),  # the very address
        ({"location.address": "兴中道94号"}, True),
        ({"location.district": "nanlang"}, True),
        ({"location.district": "nanlang", "caller.phone": "12"}, True),
        ({"location.address": "富华道90号"}, False),
        ({"location.district": "west"}, False),
        ({"location.address": "兴中道90号", "service_code": "no_water"}, False),
    ],
)
async def test_an_open_case_alike_is_shown_before_a_telephone_is_known(
    known: Api, typed: dict[str, str], shown: bool
) -> None:
    there = await known.case_in("dispatched", service_code="leak", location=AT_90)
    async with signed_in(known, "chen") as made:
        page = await take_in(made, look_up="1", **{"location.district": "", **typed})
    assert (f'href="/desk/cases/{there}"' in page.text) is shown
    assert ("南朗街道 兴中道90号" in text(page)) is shown
    assert ("疑似重复" in page.text) is (typed == {"location.address": "兴中道 90 号"})


async def test_bills_of_neighbours_are_no_cases_alike(known: Api) -> None:
    bill = await known.case_in("dispatched", service_code="billing", location=AT_90)
    async with signed_in(known, "chen") as made:
        given = {"look_up": "1", "service_code": "billing", "location.district": "nanlang"}
        mine, other = [await take_in(made, **given, **{"location.address": f"兴中道{each}号"}) for each in (90, 94)]
    assert [f"/desk/cases/{bill}" in page.text for page in (mine, other)] == [True, False]


STRANGER = {"name": "陈女士", "phone": "0760 8811 0009"}


async def test_name_and_place_of_a_stranger_are_those_of_the_latest_case(known: Api) -> None:
    await call(known, STRANGER, {"district": "east", "address": "旧居1号"})
    latest = (await call(known, STRANGER, AT_90))["number"]
    asked = {"look_up": "1", "location.district": "", "caller.phone": "88110009"}
    async with signed_in(known, "chen") as made:
        empty, typed, elsewhere = [
            await take_in(made, **{**asked, **more})
            for more in ({}, {"caller.name": "陈先生"}, {"location.district": "west", "caller.name": "陈先生"})
        ]
        assert [values(page) for page in (empty, typed, elsewhere)] == [
            ("陈女士", "nanlang", "兴中道90号"),
            ("陈先生", "nanlang", "兴中道90号"),
            ("陈先生", "west", ""),
        ]
        note = f"姓名、地址取自工单 {latest}，请与来电人核对"
        assert [note in text(page) for page in (empty, typed, elsewhere)] == [True, True, False]
        # Look-up again, with what was filled in.
        shown = dict(zip(BOXES, values(empty), strict=True))
        assert note in text(await take_in(made, **{**asked, **shown}))
        # The registry knows better where a customer lives.
        await call(known, GRANNY, AT_90)
        assert values(await take_in(made, **{**asked, "caller.phone": PHONE})) == ("", "", "")


BOXES = ("caller.name", "location.district", "location.address")


def values(page: httpx.Response) -> tuple[str, str, str]:
    """Return name, district and address of the form."""
    name, address = (
        unescape(re.findall(rf'<input name="{box}"[^>]* value="([^"]*)"', page.text)[0]) for box in BOXES[::2]
    )
    found = re.search(r'<select name="location.district".*?</select>', page.text, re.DOTALL)
    assert found
    return name, "".join(re.findall(r'value="([^"]+)" selected', found[0])), address


async def test_an_incident_of_the_street_is_shown_before_a_telephone_is_known(known: Api) -> None:
    declared: Any = {"title": "兴中道爆管", "services": ["leak"], "districts": ["nanlang"], "streets": ["兴中道"]}
    incident = (await known.post("/v1/incidents", declared, "zhou")).json()["number"]
    async with signed_in(known, "chen") as made:

        async def seen(**typed: str) -> str:
            return text(await take_in(made, look_up="1", **{"location.district": "", **typed}))

        page = await until(partial(seen, **{"location.address": "兴中道94号"}), lambda found: "此诉求将并入" in found)
        assert f"{incident} · 兴中道爆管" in page
        assert f"{incident} · 兴中道爆管" in await seen(**{"location.district": "nanlang"})
        assert incident not in await seen(**{"location.address": "兴中道94号", "service_code": "no_water"})


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("width", [390, 1366, 1920])
async def test_the_record_of_a_caller_is_readable_by_everybody(known: Api, width: int) -> None:
    earlier = await call(known, GRANNY)
    declared = {"title": "富华道爆管", "services": ["no_water"], "districts": ["west"]}
    await known.post("/v1/incidents", declared, "zhou")
    async with open_desk(known, "chen", width) as page:
        await open_intake(page, known)
        await page.keyboard.type(PHONE)
        await expect(page.locator('[name="caller.phone"]')).to_have_value(PHONE)
        await expect(page.locator("#known")).to_contain_text(earlier["number"])
        await expect(page.locator("#known")).to_contain_text("富华道爆管")
        found = (await Axe().run(page)).response["violations"]
        assert [each["id"] for each in found if each["impact"] in SERIOUS] == []
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
