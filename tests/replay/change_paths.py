"""Ways in which the people and the facts of a case are changed while it goes on."""

from domain.case.actions.assign import Assign
from domain.case.actions.complete import Complete
from domain.case.actions.involve import Involve
from domain.case.actions.sign_for import SignFor
from tests.replay.paths import DONE, SATISFIED, TO_CREW, Play, ended, play
from tests.support.hotline import Complaint, Hotline


async def assigned(hotline: Hotline) -> Complaint:
    """Within the department, and within that of a part."""
    others = (Involve(department="metering", task="检查水表"), SignFor(department="metering"))
    steps = (*TO_CREW, Assign(assignee="黄强"), *others, Assign(department="metering", assignee="孙浩"))
    both = (Complete(department="metering", result="水表正常"), *DONE, SATISFIED)
    return await ended(await play(await hotline.start(), *steps, *both), hours=73)


CHANGE_PATHS: dict[str, Play] = {each.__name__: each for each in (assigned,)}
