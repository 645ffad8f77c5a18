"""Saved views hold the cases that they say they hold, as the server's own index lists them."""

import asyncio
from collections.abc import Sequence

import pytest

from api.temporal_ui.pages import VIEWS, of_today
from domain.calendar.work_calendar import USUAL_ZONE
from domain.case.actions.complete import Complete
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.reopen import Reopen
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.sign_for import SignFor
from domain.case.actions.withdraw import Withdraw
from domain.incident.actions import Resolve
from domain.kit.event import ActionBody
from tests.support.causes import Cause, declare
from tests.support.hotline import Complaint, Hotline, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAITING = next(view for view in VIEWS if view.name == "Waiting for an incident")
AT_WORK: tuple[ActionBody, ...] = (Dispatch(department="repair"), SignFor())
REPLIED: tuple[ActionBody, ...] = (*AT_WORK, Complete(result="已换管"), Reply(message="已恢复供水"))


async def listed(hotline: Hotline, cause: Cause) -> set[str]:
    """Numbers of the incident's cases in the view."""
    query = f'{WAITING.query} AND Incident = "{cause.number}"'
    return {found.id.removeprefix("complaint-") async for found in hotline.client.list_workflows(query)}


async def gone_through(complaint: Complaint, steps: Sequence[ActionBody]) -> Complaint:
    for body in steps:
        await complaint.act(body)
    return complaint


@pytest.mark.slow
async def test_those_that_wait_for_an_incident_are_those_that_it_will_reply_to(hotline: Hotline) -> None:
    cause = await declare(hotline, "sanjiao")
    mine = LinkIncident(incident=cause.number)
    others = (
        (mine, *AT_WORK, Involve(department="metering", task="检查水表")),
        (mine, *AT_WORK, RequestApproval(subject="更换水管")),
        (mine, *REPLIED),
        (mine, *REPLIED, FollowUp(outcome="dissatisfied"), SignFor()),
        (mine, *REPLIED, FollowUp(outcome="satisfied"), Reopen(reason="又停水")),
        (mine, Withdraw(reason="用户自行解决")),
        (*AT_WORK, Complete(result="已换管"), mine),
    )
    waits = ((mine,), (*AT_WORK, mine))
    # From elsewhere: the incident does not look for them by itself.
    cases = [await hotline.start(district="minzhong") for _ in (*waits, *others)]
    await asyncio.gather(*map(gone_through, cases, (*waits, *others)))
    # The index is a little behind: what was done last is seen last.
    wanted = {case.number for case in cases[: len(waits)]}
    await until(lambda: listed(hotline, cause), lambda found: found == wanted)
    await cause.act(Resolve(result="已换管", message="已恢复供水"))
    await cause.in_state("resolved")
    await until(lambda: listed(hotline, cause), lambda found: found == set())


async def test_due_today_holds_what_was_missed_until_it_is_kept(hotline: Hotline) -> None:
    complaint = await gone_through(await hotline.start(), REPLIED)
    due = [clock.due_at for clock in (await complaint.view()).clocks if clock.name == "follow_up"][-1]
    assert due
    await complaint.ahead(days=2)
    assert "follow_up" in [clock.name for clock in (await complaint.view()).clocks if clock.status == "missed"]
    queries = [f'{view.query} AND WorkflowId = "{complaint.handle.id}"' for view in of_today(due, USUAL_ZONE)]

    async def counts() -> list[int]:
        return [(await hotline.client.count_workflows(query)).count for query in queries]

    await until(counts, lambda numbers: numbers == [1, 1])
    await complaint.act(FollowUp(outcome="satisfied"))
    await until(counts, lambda numbers: numbers == [0, 0])
