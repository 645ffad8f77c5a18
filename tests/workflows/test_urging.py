"""Notices of urging and criticism in a real workflow whose time is skipped: on time, and with all who are told."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.case.actions.dispatch import Dispatch
from domain.case.actions.resume import Resume
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from tests.support.hotline import Complaint, Hotline

pytestmark = pytest.mark.asyncio(loop_scope="session")

TO_CREW = (Dispatch(department="repair"), SignFor())


async def brought_to(complaint: Complaint, steps: tuple[Any, ...]) -> Complaint:
    for body in steps:
        await complaint.act(body)
    return complaint


async def due(complaint: Complaint) -> datetime:
    """Return the instant at which the case is to be settled."""
    (clock,) = [clock for clock in (await complaint.view()).clocks if clock.name == "resolve"]
    assert clock.due_at
    return clock.due_at


async def papers(complaint: Complaint) -> list[tuple[str, datetime]]:
    """The documents in SQL, each with the instant at which it fell due."""
    rows = await complaint.published((await complaint.view()).version)
    issued = [row for row in rows if row["action"] in ("notice", "criticise")]
    return [(row["action"], datetime.fromisoformat(json.loads(row["data"])["fell_at"])) for row in issued]


@pytest.mark.slow
async def test_both_come_by_themselves_and_their_recipients_are_told(hotline: Hotline) -> None:
    complaint = await brought_to(await hotline.start(), TO_CREW)
    noticed = await due(complaint) + timedelta(days=1)
    await complaint.ahead(days=2, seconds=2)
    assert await papers(complaint) == [("notice", noticed)]
    calendar = hotline.catalogue.terms("no_water", "west", noticed).calendar
    # From the moment at which the notice went out, were it late.
    (issued_at,) = [row["at"] for row in await complaint.rows() if row["action"] == "notice"]
    criticised = calendar.add(datetime.fromisoformat(issued_at).replace(tzinfo=UTC), 5 * calendar.day_seconds)
    await complaint.ahead(seconds=(criticised - noticed).total_seconds() + 2)
    assert await papers(complaint) == [("notice", noticed), ("criticise", criticised)]
    told = Counter(row["kind"] for row in await complaint.rows("notifications"))
    assert (told["notice"], told["criticise"]) == (3, 5)
    assert {"noticed", "criticised"} <= {*(await complaint.view()).flags}


@pytest.mark.slow
async def test_the_notice_waits_as_long_as_the_case_does(hotline: Hotline) -> None:
    complaint = await brought_to(await hotline.start(), TO_CREW)
    noticed = await due(complaint) + timedelta(days=1)
    await complaint.ahead(hours=30)
    await complaint.act(Suspend(reason="等用户"))
    await complaint.ahead(days=10)
    assert await papers(complaint) == []
    await complaint.act(Resume(note="用户来电"))
    await complaint.ahead(hours=19)
    ((kind, fell_at),) = await papers(complaint)
    at = {row["action"]: datetime.fromisoformat(row["at"]) for row in await complaint.rows()}
    assert (kind, fell_at) == ("notice", noticed + (at["resume"] - at["suspend"]))
