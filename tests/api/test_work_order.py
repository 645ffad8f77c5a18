"""Work orders (派工单): what stands on them, for whom, and that they print on one page."""

import pytest
import segno

from tests.api.test_desk import at, text
from tests.support.api import Api, problem
from tests.support.browsing import browser, signed_in
from tests.support.pdf_pages import page_sizes, printer_needed

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER = {"name": "陈<女士>", "phone": "0760 8823 0001", "account_no": "0420013"}
PLACE = {"district": "west", "address": "下闸新村3号"}


def of(number: str) -> str:
    return f"/v1/complaints/{number}/work-order"


async def test_it_has_what_a_crew_needs_in_both_languages(on_both: Api) -> None:
    number = await on_both.case_in("in_progress", caller=CALLER, location=PLACE, description="水表<漏水>")
    page = await on_both.get(of(number), "wu")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "Accept, Accept-Encoding"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    shown = text(page)
    for words in (
        *("派工单 Work order", "中山供水热线", "88238777", number, "P2 停水/无水 No water"),
        *("联系电话 Telephone 0760 8823 0001", "用户号 Account 0420013", "西区街道 West District 下闸新村3号"),
        *("部门 Department 抢修队 Emergency repair crew", "经办人 Assignee wu", "时限 Promises 到场 Arrive 20"),
        *("；处理 Resolve 20", "管道老化 Aged pipe", "用户签名 Customer"),
    ):
        assert words in shown
    assert "陈&lt;女士&gt;" in page.text
    assert "水表&lt;漏水&gt;" in page.text
    assert "签收 Acknowledge" not in shown


async def test_its_code_leads_to_the_page_of_the_case(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    page = await on_sqlite.get(of(number), "chen")
    address = f"{on_sqlite.settings.public_url}{at(number)}"
    assert segno.make_qr(address).svg_inline(omitsize=True) in page.text
    assert address in page.text


async def test_it_masks_as_the_case_does(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("refused", caller=CALLER, location=PLACE)
    masked = await on_sqlite.complaint(number, "zhou")
    page = await on_sqlite.get(of(number), "zhou")
    assert masked["caller"]["phone"] in page.text
    for private in ("8823 0001", "女士", "0420013"):
        assert private not in page.text


async def test_it_is_for_readers_of_the_case_alone(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    problem(await on_sqlite.get(of(number), "sun"), 403, "other-department")
    problem(await on_sqlite.get(of(number), "pbx"), 403, "wrong-role")
    problem(await on_sqlite.get(of("2608034711004"), "chen"), 404, "complaint-not-found")
    async with signed_in(on_sqlite, "sun") as made:
        assert (await made.get(f"{at(number)}/work-order")).status_code == 403
    async with browser(on_sqlite) as made:
        assert (await made.get(f"{at(number)}/work-order")).status_code == 401


async def test_the_page_of_the_case_leads_to_it(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched", caller=CALLER)
    async with signed_in(on_sqlite, "wu") as made:
        assert f'href="{at(number)}/work-order"' in (await made.get(at(number))).text
        page = await made.get(f"{at(number)}/work-order")
    assert page.status_code == 200
    assert "0760 8823 0001" in page.text


@printer_needed
async def test_the_longest_case_prints_on_one_page(on_sqlite: Api) -> None:
    place = {"district": "west", "address": "长" * 200}
    caller = {**CALLER, "name": "名" * 80}
    number = await on_sqlite.case_in("in_progress", caller=caller, location=place, description="漏" * 2000)
    answer = await on_sqlite.http.get(of(number), headers=on_sqlite.key("wu") | {"Accept": "application/pdf"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert page_sizes(answer.content) == [[210, 297]]
