"""Incidents on the desk: markup, telephones, too much, and what no page offers."""

import pytest

from tests.api.test_desk import DESK, text
from tests.api.test_desk_incidents import INCIDENTS, form
from tests.api.test_incident_candidates import suspected
from tests.api.test_incidents import declare, in_state
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
