"""Ways in which a caller is asked more than once how it went."""

import pytest
from temporalio.client import WorkflowUpdateFailedError

from domain.case.actions.follow_up import FollowUp
from domain.case.actions.send_link import SendLink
from domain.case.actions.sign_for import SignFor
from domain.case.actions.subscribe import Subscribe
from domain.case.actions.unsubscribe import Unsubscribe
from domain.case.intake import Caller, Intake
from domain.case.progress import Satisfaction
from domain.shared.actors import CALLER
from tests.replay.paths import DONE, SATISFIED, TO_CREW, Play, ended, play
from tests.support.hotline import Complaint, Hotline

DISSATISFIED = FollowUp(outcome="dissatisfied")
UNREACHABLE = FollowUp(outcome="unreachable")


async def dissatisfied_twice(hotline: Hotline) -> Complaint:
    again = (SignFor(), *DONE)
    steps = (*TO_CREW, *DONE, DISSATISFIED, *again, DISSATISFIED, *again, SATISFIED)
    return await ended(await play(await hotline.start(), *steps), hours=73)


async def asked_three_questions(hotline: Hotline) -> Complaint:
    """Not reached, then dissatisfied, then satisfied."""
    still_dry = FollowUp(contacted=True, solved=False, satisfaction=Satisfaction.VERY_DISSATISFIED, note="还是没水")
    content = FollowUp(contacted=True, solved=True, satisfaction=Satisfaction.FAIRLY_SATISFIED)
    answers = (FollowUp(contacted=False), still_dry, SignFor(), *DONE, content)
    return await ended(await play(await hotline.start(), *TO_CREW, *DONE, *answers), hours=73)


async def unreachable_three_times(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start(), *TO_CREW, *DONE, UNREACHABLE)
    await complaint.ahead(hours=25)
    await play(complaint, UNREACHABLE)
    await complaint.ahead(hours=25)
    return await ended(await play(complaint, UNREACHABLE), hours=73)


async def unsubscribed_and_subscribed(hotline: Hotline) -> Complaint:
    """The link is refused, the first reply is told to nobody, and the second to the caller."""
    intake = Intake(service_code="no_water", description="家里没水", caller=Caller(phone="0760 8823 7777"))
    complaint = await play(await hotline.start(intake=intake), *TO_CREW, Unsubscribe())
    with pytest.raises(WorkflowUpdateFailedError):
        await complaint.act(SendLink())
    steps = (*DONE, DISSATISFIED, Subscribe(note="来电人要求"), SignFor(), *DONE, SATISFIED)
    return await ended(await play(complaint, *steps), hours=73)


async def answer_changed(hotline: Hotline) -> Complaint:
    """The caller says by the link that it is solved, that it is not, and that it is after all."""
    complaint = await play(await hotline.start(), *TO_CREW, *DONE)
    for body in (SATISFIED, DISSATISFIED, SATISFIED):
        outcome = await complaint.act(body, CALLER)
        await complaint.published(outcome.version)
    return await ended(complaint, hours=73)


FOLLOW_UP_PATHS: dict[str, Play] = {
    each.__name__: each
    for each in (
        *(dissatisfied_twice, asked_three_questions, unreachable_three_times),
        *(unsubscribed_and_subscribed, answer_changed),
    )
}
