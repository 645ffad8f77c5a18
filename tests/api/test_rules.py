"""Rules of the company that a well-formed request breaks: each refusal names the rule and what would be accepted."""

import pytest

from domain.shared.actors import Role
from tests.support.api import Api, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG: dict[str, str] = {"service_code": "service_complaint"}
"""Fifteen working days: an extension can be asked for at whatever hour the test runs."""


async def test_nobody_decides_on_what_he_asked_for_himself(on_sqlite: Api) -> None:
    """Ou has asked as a crew, and is a manager since."""
    number = await on_sqlite.case_in("in_progress")
    asked = {"subject": "更换户内水管", "amount": "480.00", "kind": "funded_repair", "grounds": "低保户，独居。"}
    decided = {"approved": True, "reason": "情况属实。"}
    on_sqlite.tokens["ou"] = on_sqlite.directory.enter("ou", Role.CREW, "repair")
    assert (await on_sqlite.act(number, "request_approval", asked, "ou")).status_code == 200
    on_sqlite.directory.change("ou", role=Role.MANAGER)
    await on_sqlite.backend.people.read_anew()
    refused = await on_sqlite.act(number, "decide_approval", decided, "ou")
    found = problem(refused, 403, "own-request")
    assert "ou made this request and cannot decide on it" in found["detail"]
    assert found["accepted"] == ["another manager"]
    assert "decide_approval" not in (await on_sqlite.complaint(number, "ou"))["available_actions"]
    assert (await on_sqlite.act(number, "decide_approval", decided, "gao")).json()["state"] == "in_progress"


async def test_an_extension_is_granted_once(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress", **LONG)
    asked = {"working_days": 3, "reason": "缺件"}
    assert (await on_sqlite.act(number, "request_extension", asked, "wu")).status_code == 200
    granted = (await on_sqlite.act(number, "decide_extension", {"approved": True}, "xu")).json()
    assert "extended" in granted["flags"]
    found = problem(await on_sqlite.act(number, "request_extension", asked, "wu"), 409, "extension-used")
    assert "an extension is granted 1 time(s) in a cycle at most" in found["detail"]
    assert "request_extension" not in found["available_actions"]


async def test_an_eleventh_day_is_too_long(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress", **LONG)
    asked = {"working_days": 11, "reason": "缺件"}
    found = problem(await on_sqlite.act(number, "request_extension", asked, "wu"), 422, "extension-too-long")
    assert "10 working days at most; 11 were asked for" in found["detail"]
    assert found["accepted"] == ["1-10"]
    assert "request_extension" not in await on_sqlite.actions(number)
    asked["working_days"] = 10
    assert (await on_sqlite.act(number, "request_extension", asked, "wu")).status_code == 200
