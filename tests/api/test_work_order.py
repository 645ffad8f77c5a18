"""Work orders (派工单): what stands on them, for whom, and that they print on one page."""

import re
import uuid
from datetime import UTC, datetime

import pytest
import segno
from playwright.async_api import expect

from activities.sealing.keys import LINK_VALID
from domain.shared.actors import Role
from readmodel.people.people import Member, PeopleError, PeopleScope
from tests.api.test_desk import at, text
from tests.api.test_desk_in_a_browser import open_desk
from tests.support.api import Api, problem
from tests.support.browser import needs_chromium
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
    assert "不再派工" not in shown


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
    assert "不再派工" in page.text
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


async def test_on_the_desk_it_leads_back_and_of_an_ended_case_says_so_in_large_words(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    async with signed_in(on_sqlite, "zhou") as made:
        page = await made.get(f"{at(number)}/work-order")
        assert f'href="{at(number)}"' in page.text
        assert "<nav" not in (await on_sqlite.get(of(number), "zhou")).text, "to programs"
        assert 'class="over"' not in page.text
        assert (await on_sqlite.act(number, "withdraw", {"reason": "来电人撤回"}, "chen")).is_success
        over = await made.get(f"{at(number)}/work-order")
        assert f"/{number}/work-order" not in (await made.get(at(number))).text
    assert "不再派工： Not for a crew any more: 已撤销 Withdrawn" in text(over)
    assert 'class="over"' in over.text


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
async def test_its_button_prints_it_without_the_button(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    async with open_desk(on_sqlite, "wu", 390) as page:
        await page.add_init_script("window.print = () => { document.title = 'printed'; }")
        await page.goto(f"{on_sqlite.url}{at(number)}/work-order")
        await page.get_by_role("button", name="打印").click()
        await expect(page).to_have_title("printed")
        await page.emulate_media(media="print")
        await expect(page.get_by_role("button")).to_be_hidden()


@printer_needed
async def test_the_longest_case_prints_on_one_page(on_sqlite: Api) -> None:
    place = {"district": "west", "address": "长" * 200}
    caller = {**CALLER, "name": "名" * 80}
    number = await on_sqlite.case_in("in_progress", caller=caller, location=place, description="漏" * 2000)
    for note in "甲乙丙":
        assert (await on_sqlite.act(number, "comment", {"note": note * 2000}, "chen")).is_success
    assert (await on_sqlite.act(number, "suspend", {"reason": "挂" * 2000}, "wu")).is_success
    answer = await on_sqlite.http.get(of(number), headers=on_sqlite.key("wu") | {"Accept": "application/pdf"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert page_sizes(answer.content) == [[210, 297]]


async def printed(api: Api, by: str, number: str, monkeypatch: pytest.MonkeyPatch, scope: PeopleScope = "all") -> str:
    """Return the address in the code of a work order that somebody prints from the page of the case."""
    codes, make = list[str](), segno.make_qr

    def kept(text: str) -> segno.QRCode:
        codes.append(text)
        return make(text)

    monkeypatch.setattr("api.desk.work_order.segno.make_qr", kept)
    page = await api.http.get(f"{at(number)}/work-order", headers=api.session(by, scope))
    assert page.status_code == 200
    return codes[-1].removeprefix(api.settings.public_url)


async def test_who_may_dispatch_prints_what_the_crew_sees(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    number = await on_sqlite.case_in("in_progress", caller=CALLER, location=PLACE)
    caplog.set_level("INFO", "hotline.api")
    assert "0760 8823 0001" in (await on_sqlite.get(of(number), "zhou")).text
    assert f"zhou prints the work order of the case {number} for repair" in caplog.text
    page = await on_sqlite.get(of(number), "gao")
    assert "8823 0001" not in page.text
    for by in ("gao", "he"):
        assert await printed(on_sqlite, by, number, monkeypatch) == at(number)
    assert await printed(on_sqlite, "zhou", number, monkeypatch, "read") == at(number)
    assert (await printed(on_sqlite, "chen", number, monkeypatch)).startswith("/w/")


async def test_the_code_opens_one_case_and_its_holder_acts_as_the_crew(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await on_sqlite.case_in("in_progress", caller=CALLER, location=PLACE)
    other = await on_sqlite.case_in("in_progress", caller=CALLER, location=PLACE)
    path = await printed(on_sqlite, "zhou", number, monkeypatch)
    async with browser(on_sqlite) as made:
        page = await made.get(path)
        for words in (number, "下闸新村3号", 'href="tel:076088230001"'):
            assert words in page.text
        assert other not in page.text
        assert 'href="/desk/cases' not in page.text
        steps = re.findall(rf'href="{path}/actions/(\w+)\?from=crew"', page.text)
        assert steps == ["arrive", "complete", "return"]
        assert (await made.get(f"{path}/actions/suspend")).status_code == 404
        complete, sent = f"{path}/actions/complete?from=crew", {"key": uuid.uuid4().hex, "result": "接头已换"}
        assert "管道老化" in (await made.get(complete)).text
        foreign = await made.post(complete, data=sent, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        for _ in range(2):  # the answer was lost, and the same comes again
            answer = await made.post(complete, data=sent)
            assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=complete")
        late = await made.post(complete, data={"key": uuid.uuid4().hex, "result": "又换"})
        for over in (await made.get(f"{path}?done=complete"), await made.get(complete), late):
            assert "此派工单目前没有要办的工作" in over.text
            assert not [each for each in ("8823 0001", "陈", "下闸新村") if each in over.text]
    rows = (await on_sqlite.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    (done,) = [row for row in rows if row["action"] == "complete"]
    assert (done["role"], done["actor"]) == ("crew", f"work-order {number}")
    assert done["people"] == {
        done["actor"]: "抢修队凭zhou打印的派工单 Emergency repair crew by the work order that zhou printed"
    }


async def test_who_finds_a_sheet_reads_no_names_of_the_staff_and_no_request(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = f"author-{uuid.uuid4().hex[:8]}"
    on_sqlite.tokens[author] = on_sqlite.directory.enter(author, Role.SUPERVISOR, name="麦志坚")
    number = await on_sqlite.case_in("in_progress", caller=CALLER, location=PLACE)
    assert (await on_sqlite.act(number, "comment", {"note": "家有老人"}, author)).is_success
    request = {"subject": "换水表", "kind": "funded_repair", "amount": "987.00", "grounds": "照片"}
    assert (await on_sqlite.act(number, "request_approval", request, "wu")).is_success
    path = await printed(on_sqlite, "zhou", number, monkeypatch)
    async with browser(on_sqlite) as made:
        found = (await made.get(path)).text
    assert "家有老人" in found
    assert not [each for each in ("麦志坚", author, "987", "换水表") if each in found]
    async with signed_in(on_sqlite, "wu") as made:
        monkeypatch.setattr("api.desk.crew.MOST", 199)
        [card] = [each for each in (await made.get("/desk/crew")).text.split("<article") if number in each]
    assert all(each in card for each in ("家有老人", "麦志坚", "987", "换水表"))


async def test_a_case_that_waits_to_be_signed_for_says_so(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    number = await on_sqlite.case_in("dispatched", caller=CALLER | {"phone": "8823 0002"}, location=PLACE)
    assert (await on_sqlite.act(number, "supervise", {"note": "重点"}, "gao")).is_success
    assert "督办" in (await on_sqlite.get(of(number), "zhou")).text
    path = await printed(on_sqlite, "zhou", number, monkeypatch)
    async with browser(on_sqlite) as made:
        page = (await made.get(path)).text
        assert re.findall(r"/actions/(\w+)\?from=crew", page) == ["return"]
        assert "须先有人登录后签收" in page
        assert 'href="tel:076088230002"' in page
        assert '<strong class="late">督办</strong>' in page
        assert (await on_sqlite.act(number, "sign_for", by="wu")).is_success
        assert (await on_sqlite.act(number, "arrive", by="wu")).is_success
        page = (await made.get(path)).text
        assert "须先有人登录后签收" not in page
        assert "到场时间" in page
        assert (await on_sqlite.act(number, "return", {"reason": "阀门不归我们"}, "wu")).is_success
        assert (await on_sqlite.act(number, "dispatch", {"department": "metering"}, "zhou")).is_success
        other = await made.get(await printed(on_sqlite, "zhou", number, monkeypatch))
        assert (other.status_code, "到场时间" in other.text) == (200, False), "of the other department"


async def test_no_version_that_a_holder_names_tells_the_timeline(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await on_sqlite.case_in("in_progress")
    assert (await on_sqlite.act(number, "comment", {"note": "只供内部参阅"}, "chen")).is_success
    path = await printed(on_sqlite, "zhou", number, monkeypatch)
    async with browser(on_sqlite) as made:
        for version in ("0", "1", "2"):
            sent = {"key": uuid.uuid4().hex, "version": version}
            refused = await made.post(f"{path}/actions/arrive", data=sent)
            assert (refused.status_code, "只供内部参阅" in refused.text) == (412, False)
            assert f'href="{path}"' in refused.text


async def test_a_code_opens_nothing_after_its_time_a_revocation_or_a_redirect(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await on_sqlite.case_in("in_progress", caller=CALLER)
    path = await printed(on_sqlite, "zhou", number, monkeypatch)
    async with browser(on_sqlite) as made:
        for wrong in (f"{path}x", on_sqlite.link(number).replace("/c/", "/w/")):
            assert (await made.get(wrong)).status_code == 410
        with monkeypatch.context() as later:
            later.setattr(on_sqlite.clock, "fixed", datetime.now(UTC) + LINK_VALID)
            assert (await made.get(path)).status_code == 410
        assert (await on_sqlite.act(number, "revoke_links", by="xu")).is_success
        revoked = await made.get(path)
        assert revoked.status_code == 410
        assert "链接已失效" in revoked.text
        path = await printed(on_sqlite, "zhou", number, monkeypatch)
        assert (await made.get(path)).status_code == 200
        assert (await on_sqlite.act(number, "dispatch", {"department": "metering"}, "zhou")).is_success
        moved = await made.get(path)
        assert moved.status_code == 410
        assert "链接已失效" in moved.text
        assert "8823 0001" not in moved.text


async def test_no_person_has_the_id_of_a_holder() -> None:
    for name in ("work-order 2608034711004", "Work-Order", "work\u2010order 1", "work\u2212order"):
        with pytest.raises(PeopleError):
            Member(id=name, name="陈", role=Role.AGENT, added_at=datetime.now(UTC))
