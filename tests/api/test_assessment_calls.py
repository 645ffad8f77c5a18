"""Figures of calls over HTTP: what is reported is counted, and each link lists the calls that its number counts."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.test_assessments import item_of, pages, published, read
from tests.api.test_calls import a_call, report
from tests.support.api import Api, Json

pytestmark = pytest.mark.asyncio(loop_scope="session")
SINCE = datetime(2019, 6, 30, 16, tzinfo=UTC)
UNTIL = SINCE + timedelta(hours=1)
"""An hour in which no other test has calls."""
CALLS: dict[str, tuple[float, float | None, Json]] = {
    "first": (0, 0, {"agent": "chen"}),
    "in time": (60, 15, {"agent": "chen"}),
    "late": (120, 15.001, {"agent": "li"}),
    "of nobody": (180, 3, {"agent": None}),
    "gone": (240, None, {}),
    "wrong number": (300, None, {"ended_at": (SINCE + timedelta(seconds=304)).isoformat()}),
    "call back": (360, None, {"asked_call_back": True}),
    "waiting": (420, None, {"ended_at": None}),
    "before": (-1, 0, {"agent": "chen"}),
    "after": (3600, 0, {"agent": "chen"}),
}
"""Seconds after the beginning of the month, seconds of the wait if it was answered, and what else is reported."""
ANSWERED = {"first", "in time", "late", "of nobody"}
OFFERED = ANSWERED | {"gone", "wrong number", "call back"}


def reported(name: str) -> Json:
    """The call of this name, which ends after a minute; its id is the same each time."""
    after, wait, more = CALLS[name]
    started = SINCE + timedelta(seconds=after)
    answered = None if wait is None else (started + timedelta(seconds=wait)).isoformat()
    times = {"started_at": started.isoformat(), "ended_at": (started + timedelta(minutes=1)).isoformat()}
    own = {"call_id": f"assessed-{[*CALLS].index(name)}", "queue": name, "agent": None, "caller_phone": None}
    return a_call(**{**own, **times, "answered_at": answered, **more})


async def listed(api: Api, link: str) -> list[str]:
    """The names of the calls that a link lists, page by page."""
    assert link.startswith("/v1/calls?")
    return [call["queue"] for page in await pages(api, link, limit=2) for call in page]


async def test_each_link_lists_as_many_calls_as_its_number_counts(on_both: Api) -> None:
    await report(on_both, *map(reported, CALLS))
    month = await published(on_both, {"since": SINCE, "until": UNTIL})
    company = item_of(await read(on_both, month), "company")["figures"]
    for name, value, part, whole, names in (
        ("calls_answered", 4, 4, None, ANSWERED),
        ("connected_rate", 0.5714, 4, 7, OFFERED),
        ("answered_in_15s", 0.75, 3, 4, ANSWERED),
    ):
        figure = company[name]
        assert (figure["value"], figure["numerator"], figure["denominator"]) == (value, part, whole), name
        found = await listed(on_both, figure["link"])
        assert len(found) == (part if whole is None else whole)
        assert set(found) == names


async def test_the_link_of_an_agent_lists_the_calls_that_the_agent_answered(on_both: Api) -> None:
    await report(on_both, *map(reported, CALLS))
    month = await published(on_both, {"since": SINCE, "until": UNTIL})
    agents = await read(on_both, month, "agent")
    for agent, own in (("chen", {"first", "in time"}), ("li", {"late"})):
        figures = item_of(agents, agent)["figures"]
        assert not {"connected_rate", "answered_in_15s"} & figures.keys()
        found = await listed(on_both, figures["calls_answered"]["link"])
        assert len(found) == figures["calls_answered"]["numerator"]
        assert set(found) == own
