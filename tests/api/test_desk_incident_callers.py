"""Callers on the pages of an incident: whom its end tells, before it is sent, and which cases its figures are of."""

import pytest

from tests.api.test_desk import text
from tests.api.test_desk_incidents import STREET, form, seen_in
from tests.api.test_incident_candidates import END, leak
from tests.api.test_incidents import declare, in_state, incident, linked_to
from tests.support.api import Api
from tests.support.browsing import signed_in

pytestmark = pytest.mark.asyncio(loop_scope="session")
PHONE = {"phone": "13800138000"}


async def test_an_end_shows_what_becomes_of_its_cases_before_it_is_sent(on_both: Api) -> None:
    district = "nantou"
    number = await declare(on_both, services=["leak"], districts=[district], streets=[STREET])
    place = {"district": district, "address": f"{STREET}1号"}
    for caller in (PHONE, PHONE, {}):
        answer = await on_both.register(
            {"service_code": "leak", "description": "漏", "location": place, "caller": caller}
        )
        await linked_to(on_both, answer.json()["number"], number)
    begun = await leak(
        on_both, district, ("zhou", "dispatch", {"department": "repair"}), ("wu", "sign_for", {}), ("wu", "arrive", {})
    )
    assert (await on_both.act(begun, "link_incident", {"incident": number}, "xu")).is_success
    async with signed_in(on_both, "zhou") as made:
        blank = await made.get(form(number, "resolve"))
        shown = await made.post(form(number, "resolve"), data={**seen_in(blank), **END})
        assert (await incident(on_both, number))["state"] == "confirmed"
        told = text(shown)
        assert "来电人将收到（3 张工单）" in told
        assert "其中 1 张无联系电话或来电人已退订，收不到" in told
        assert "将处理完成并回复，不能撤回 现为 已受理 3 转为 " in told
        assert "另有 1 张已有到场、处理结果、协办或审批，由部门继续" in told
        assert (await made.post(form(number, "resolve"), data={**seen_in(shown), **END})).is_redirect
    await in_state(on_both, number, "resolved")
    counts = (await incident(on_both, number))["cases_by_state"]
    for state, zh in (("pending_follow_up", "待回访"), ("closed", "办结")):
        assert f"转为 {zh} {counts.get(state, 0)}" in told
