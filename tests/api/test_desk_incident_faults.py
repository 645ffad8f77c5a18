"""Incidents on the desk: two at once, markup, telephones, too much, and what no page offers."""

import re

import pytest

from tests.api.test_desk import DESK, ENGLISH, refusal_on, text, value_in
from tests.api.test_desk_incidents import INCIDENTS, STREET, form, seen_in
from tests.api.test_incident_candidates import suspected
from tests.api.test_incidents import act, declare, in_state, incident
from tests.support.api import Api
from tests.support.browsing import signed_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARKUP = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "given",
    [
        {"services": ["nothing"]},
        {"districts": ["nowhere"]},
        {"since": "yesterday", "lat": "1e9", "lng": "x", "radius_m": "-1"},
        {"streets": [MARKUP] * 30},
        {"cases": [MARKUP]},
    ],
)
async def test_a_faulty_declaration_is_refused(on_sqlite: Api, given: dict[str, str | list[str]]) -> None:
    sent = {"title": MARKUP, "services": ["leak"], "districts": ["west"], **given}
    async with signed_in(on_sqlite, "zhou") as made:
        answer = await made.post(f"{INCIDENTS}/declare", data=sent)
    assert (answer.status_code, "<script>alert" in answer.text) == (422, False)


async def test_two_control_rooms_do_not_undo_each_other_unseen(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, districts=["east"], streets=[STREET])
    async with signed_in(on_sqlite, "xu") as made:
        given = {"department": "metering", "version": value_in(await made.get(form(number, "dispatch")), "version")}
        await act(on_sqlite, number, "dispatch", {"department": "repair", "note": "问13812345678"})
        refused = await made.post(form(number, "dispatch"), data={**given, "key": "k"})
        assert refused.status_code == 412
        told = r"您填写期间：\S+ \S+ zhou 派单，备注：问13812345678，部门：抢修队。现为待签收，请核对"
        assert re.match(told, refusal_on(refused))
        assert (await incident(on_sqlite, number))["department"] == "repair"
        given["version"] = value_in(refused, "version")
        for _ in range(2):  # sent twice, it counts once
            assert (await made.post(form(number, "dispatch"), data={**given, "key": "k"})).is_redirect
    found = await incident(on_sqlite, number)
    assert (found["department"], found["version"]) == ("metering", 3)


async def test_a_preview_tells_what_was_done_since_the_form_was_opened(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, districts=["east"], streets=[STREET])
    async with signed_in(on_sqlite, "zhou") as made:
        opened = await made.get(form(number, "inform"))
        await act(on_sqlite, number, "dispatch", {"department": "repair", "note": "问13812345678"}, "xu")
        given = {"version": value_in(opened, "version"), "message": "正在抢修"}
        shown = await made.post(form(number, "inform"), data={**seen_in(opened), **given})
        assert (shown.status_code, "来电人将收到" in text(shown)) == (412, True)
        assert "xu 派单，备注：问138****5678，部门：抢修队。现为待签收，请" in refusal_on(shown)
        given["version"] = value_in(shown, "version")
        assert (await made.post(form(number, "inform"), data={**seen_in(shown), **given})).is_redirect
    assert (await incident(on_sqlite, number))["news"] == "正在抢修"


async def test_a_telephone_in_a_title_is_masked(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, title="爆管，问13812345678", services=["leak"], streets=["问13812345678"])
    await in_state(on_sqlite, number, "confirmed")
    other = await declare(on_sqlite, services=["billing"], streets=["无人街"])
    await in_state(on_sqlite, other, "confirmed")
    paths = INCIDENTS, f"{INCIDENTS}/{number}", form(number, "dismiss"), form(other, "merge"), "/board"
    async with signed_in(on_sqlite, "zhou") as made:
        for path in paths:
            page = await made.get(path)
            assert ("问138****5678" in page.text, "13812345678" in page.text) == (True, False), path
    for path in ("/v1/incidents", f"/v1/incidents/{number}"):
        assert "13812345678" not in (await on_sqlite.get(path, "zhou")).text
        assert "13812345678" in (await on_sqlite.get(path, "xu")).text


async def test_markup_is_shown_as_text(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, title=MARKUP, services=["leak"], districts=["west"], streets=[MARKUP])
    async with signed_in(on_sqlite, "zhou") as made:
        for path in (INCIDENTS, f"{INCIDENTS}/{number}?done={MARKUP}", form(number, "inform"), form(number, "merge")):
            page = await made.get(path)
            assert (page.status_code, "<script>alert" in page.text) == (200, False)
        sent = {"key": MARKUP, "seen": MARKUP, "message": MARKUP, "expected_at": MARKUP, "cases": ["\0"]}
        for path in (form(number, "inform"), form(number, "resolve"), f"{INCIDENTS}/{number}/candidates"):
            answer = await made.post(path, data=sent)
            assert (answer.status_code, "<script>alert" in answer.text) == (422, False), path


@pytest.mark.slow
async def test_a_full_page_stays_small(on_sqlite: Api) -> None:
    """Callers say much, and the scope has more cases than a page shows."""
    district = "wuguishan"
    number = await suspected(on_sqlite, district)
    words = {"description": "早上六点起家里没水，" * 40, "location": {"district": district, "address": "下闸新村" * 20}}
    for _ in range(30):
        assert (await on_sqlite.register({"service_code": "leak", **words})).is_success
    async with signed_in(on_sqlite, "zhou") as made:
        page = await made.get(form(number, "confirm"))
    assert "自动并入工单：30" in text(page)
    assert "仅列最近的工单" in text(page)
    assert len(page.content) < 30_000, "as many candidates must have their place as well"


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        (INCIDENTS, {"cursor": "\0"}, 422),
        (f"{INCIDENTS}/i26080347119%00", {}, 404),
        (f"{INCIDENTS}/i２６０８０３４７１１９", {}, 404),
        (f"{DESK}/cases", {"number": "i\0/../x"}, 303),
        (DESK, {"tab": "all", "incident": "i\0"}, 422),
    ],
)
async def test_odd_addresses_are_no_errors(on_both: Api, path: str, given: dict[str, str], status: int) -> None:
    async with signed_in(on_both, "zhou") as made:
        assert (await made.get(path, params=given)).status_code == status


async def test_candidates_without_a_tick_are_refused(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, districts=["east"], streets=[STREET])
    async with signed_in(on_sqlite, "zhou") as made:
        refused = await made.post(f"{INCIDENTS}/{number}/candidates", data={"key": "k"})
        assert f'to={INCIDENTS}/{number}"' in refused.text, "the other language shows the incident as well"
        english = await made.post(f"{INCIDENTS}/{number}/candidates", data={"key": "k"}, headers=ENGLISH)
    async with signed_in(on_sqlite, "gao") as made:
        manager = await made.post(f"{INCIDENTS}/{number}/candidates", data={"key": "k"})
    assert [each.status_code for each in (refused, english, manager)] == [422, 422, 403]
    assert '<p role="alert">请先勾选要并入的工单。</p>' in refused.text
    assert "Tick the cases that belong to it first." in english.text


async def test_an_incident_has_no_form_for_what_is_not_possible(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, districts=["east"], streets=[STREET])
    async with signed_in(on_sqlite, "zhou") as made:
        possible, over = [await made.get(form(number, action)) for action in ("dispatch", "confirm")]
        assert (possible.status_code, "<form class" in possible.text) == (200, True)
        assert (over.status_code, "<form class" in over.text) == (409, False)
        assert refusal_on(over).startswith("当前状态不能办理此事项")
    await act(on_sqlite, number, "dismiss", {"reason": "误报"})
