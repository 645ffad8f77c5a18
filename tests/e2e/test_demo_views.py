"""The demo as a newcomer starts it: at its end no saved view of the Temporal UI is empty."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from temporalio.client import Client

from api.temporal_ui.saved_views import VIEWS, of_today, personal
from hotline.demo.people import AGENTS
from tests.support.service import Service, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CASES = 300
DAY_SECONDS = 15
DAY_WITHIN_SECONDS = 540.0
LAST_WITHIN_SECONDS = 30.0
"""Time in which the server's index shows what came last: a notice of urging, a failed notification."""
LOOK_EVERY_SECONDS = 0.5
ZONE = "Asia/Shanghai"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has played a day, with the catalogue that the demo chooses."""
    demo = ("demo", "--up", "--cases", str(CASES), "--day-seconds", str(DAY_SECONDS))
    with Service(tmp_path_factory.mktemp("demo"), starts_with=demo) as service:
        wait_until(lambda: "the service goes on" in service.said(), service.said, DAY_WITHIN_SECONDS)
        yield service


def test_every_case_is_as_planned(service: Service) -> None:
    assert f"All {CASES} cases are in the states they were planned for" in service.said()


def test_the_report_names_an_agent_and_the_page_of_the_views(service: Service) -> None:
    assert f"{AGENTS[0]} (话务员 agent)" in service.said()
    assert f"{service.api}/views" in service.said()


async def test_no_saved_view_is_empty(service: Service) -> None:
    client = await Client.connect(service.temporal)
    views = [*VIEWS, *personal(AGENTS[0], "repair"), *of_today(datetime.now(UTC), ZONE)]
    counts: dict[str, int] = {}

    async def count() -> None:
        for view in views:
            counts[view.name] = (await client.count_workflows(view.query)).count

    await count()
    give_up_at = asyncio.get_running_loop().time() + LAST_WITHIN_SECONDS
    while not all(counts.values()) and asyncio.get_running_loop().time() < give_up_at:
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        await count()
    print(counts)  # noqa: T201 - the numbers, for who asks for them with -s
    assert [name for name, number in counts.items() if not number] == []


def test_calls_call_backs_and_answers_of_callers_are_there(service: Service) -> None:
    today = datetime.now(ZoneInfo(ZONE)).date()
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    with httpx.Client(base_url=service.api, headers=headers, trust_env=False) as http:

        def read(path: str, **params: str) -> dict[str, Any]:
            answer = http.get(path, params=params)
            assert answer.status_code == httpx.codes.OK, answer.text
            found: dict[str, Any] = answer.json()
            return found

        # Past midnight the calls of the demo are of the day before.
        days = {"from": (today - timedelta(days=1)).isoformat(), "to": today.isoformat()}
        calls = read("/v1/reports/calls", by="agent", **days)["total"]
        assert calls["answered"] > CASES / 2
        assert calls["abandoned"] > 0
        assert {state: bool(read("/v1/call-backs", state=state)["items"]) for state in ("waiting", "done")} == {
            "waiting": True,
            "done": True,
        }
        (answers,) = read("/v1/reports/follow-ups", month=f"{today:%Y-%m}", by="company")["items"]
        assert min(answers[name] for name in ("contacted", "unreached", "solved", "satisfied")) > 0
        assert answers["satisfaction_rate"] < 1
