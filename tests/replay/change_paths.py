"""Ways in which the people and the facts of a case are changed while it goes on."""

from decimal import Decimal

from domain.case.actions.arrive import Arrive
from domain.case.actions.assign import Assign
from domain.case.actions.complete import Complete
from domain.case.actions.correct import CatalogueTerms, Correct, Correction
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.involve import Involve
from domain.case.actions.reinstate import Reinstate
from domain.case.actions.reject_return import RejectReturn
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.resume import Resume
from domain.case.actions.return_ import Return
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.actions.withdraw import Withdraw
from domain.case.intake import Caller, Location
from domain.catalogue.terms import Edition
from domain.kit.event import ActionBody
from tests.replay.paths import DONE, SATISFIED, TO_CREW, Play, ended, play
from tests.support.hotline import Complaint, Hotline


async def assigned(hotline: Hotline) -> Complaint:
    """Within the department, and within that of a part."""
    others = (Involve(department="metering", task="检查水表"), SignFor(department="metering"))
    steps = (*TO_CREW, Assign(assignee="黄强"), *others, Assign(department="metering", assignee="孙浩"))
    both = (Complete(department="metering", result="水表正常"), *DONE, SATISFIED)
    return await ended(await play(await hotline.start(), *steps, *both), hours=73)


async def corrected(hotline: Hotline) -> Complaint:
    """The caller and the priority, then the service and the place, whose promises are shorter."""
    complaint = await play(await hotline.start("no_water", "guzhen"), *TO_CREW)
    await complaint.ahead(minutes=30)
    terms = hotline.catalogue.terms("burst_main", "west", await complaint.now())
    service = Correction(
        reason="是爆管",
        service_code="burst_main",
        location=Location(district="west", address="莲塘路 8 号"),
        in_force=CatalogueTerms(
            terms=terms, edition=Edition(digest="0" * 12, name="Town", name_zh="城区"), district="west"
        ),
    )
    contact = Correct(reason="号码有误", caller=Caller(phone="0760 8823 7777"), priority="P2")
    return await ended(await play(complaint, contact, service, *DONE, SATISFIED), hours=73)


async def withdrawn_and_reinstated(hotline: Hotline) -> Complaint:
    """A day later: the promises go on where they stopped."""
    complaint = await play(await hotline.start(), *TO_CREW, Withdraw(reason="撤错工单"))
    await complaint.ahead(hours=24)
    return await ended(await play(complaint, Reinstate(reason="撤错工单"), *DONE, SATISFIED), hours=73)


async def reinstated_in_every_state(hotline: Hotline) -> Complaint:
    """Withdrawn by mistake after each step, and taken back."""
    steps: tuple[tuple[ActionBody, ...], ...] = (
        (),
        (Dispatch(department="repair"),),
        (Return(reason="不属本部门"),),
        (RejectReturn(reason="由维修处理"), SignFor()),
        (Suspend(reason="等待用户在家"),),
        (Resume(), RequestApproval(subject="管道维修", amount=Decimal(800))),
        (DecideApproval(approved=True), Arrive(), Complete(result="阀芯已复位")),
        (Reply(message="已恢复供水"),),
    )
    complaint = await hotline.start()
    for each in steps:
        await play(complaint, *each, Withdraw(reason="撤错工单"), Reinstate(reason="撤错工单"))
    return await ended(await play(complaint, SATISFIED), hours=73)


CHANGE_PATHS: dict[str, Play] = {
    each.__name__: each for each in (assigned, corrected, withdrawn_and_reinstated, reinstated_in_every_state)
}
