"""Ways in which the events of a case come to SQL other than by the sender of each update."""

from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.sign_for import SignFor
from domain.case.actions.withdraw import Withdraw
from tests.replay.paths import DONE, SATISFIED, Play, ended, play
from tests.support.hotline import ADMIN, Complaint, Hotline
from workflows.complaint.workflow import ComplaintWorkflow


async def left_by_its_sender(hotline: Hotline) -> Complaint:
    """The sender dies before it writes; the case is told to publish, and goes on with another sender."""
    complaint = await play(await hotline.start(), Dispatch(department="repair"))
    await complaint.act(SignFor(), unwritten=True)
    await complaint.handle.signal(ComplaintWorkflow.publish)
    await complaint.published(3)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


async def with_a_key_that_is_forgotten(hotline: Hotline) -> Complaint:
    complaint = await hotline.start()
    await complaint.act(Comment(note="用户又来电"), key="monday")
    await complaint.ahead(hours=49)
    await complaint.act(Comment(note="用户又来电"), key="wednesday")
    assert await complaint.handle.query("done", args=["monday", ADMIN]) is None
    await complaint.act(Withdraw(reason="用户自行解决"))
    return await ended(complaint, hours=73)


WRITE_PATHS: dict[str, Play] = {each.__name__: each for each in (left_by_its_sender, with_a_key_that_is_forgotten)}
