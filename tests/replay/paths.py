"""The ways through a complaint's life of which a history is kept: a name, and what is done.

`python -m tests.replay.record NAME ...` plays them on a real server and writes histories/NAME.json.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from temporalio.client import WorkflowUpdateFailedError

from domain.case.actions.answer import Answer
from domain.case.actions.arrive import Arrive
from domain.case.actions.comment import Comment
from domain.case.actions.complete import Complete
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.involve import Involve
from domain.case.actions.refuse import Refuse
from domain.case.actions.reject_return import RejectReturn
from domain.case.actions.release import Release
from domain.case.actions.reopen import Reopen
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.resume import Resume
from domain.case.actions.return_ import Return
from domain.case.actions.revoke_links import RevokeLinks
from domain.case.actions.send_back import SendBack
from domain.case.actions.send_link import SendLink
from domain.case.actions.sign_for import SignFor
from domain.case.actions.supervise import Supervise
from domain.case.actions.suspend import Suspend
from domain.case.actions.urge import Urge
from domain.case.actions.withdraw import Withdraw
from domain.case.automatic.internal_updates import NewTerms, Recognised, Undelivered
from domain.case.intake import Caller, Intake, IntakeFlag
from domain.catalogue.terms import Credit, Edition
from domain.kit.event import ActionBody
from domain.shared.actors import Actor, Role
from tests.support.hotline import ADMIN, Complaint, Hotline, until
from workflows.complaint.workflow import ComplaintWorkflow

Play = Callable[[Hotline], Awaitable[Complaint]]
PATHS: dict[str, Play] = {}

TO_CREW: tuple[ActionBody, ...] = (Dispatch(department="repair"), SignFor())
DONE: tuple[ActionBody, ...] = (Arrive(), Complete(result="阀芯已复位"), Reply(message="已恢复供水"))
SATISFIED = FollowUp(outcome="satisfied")


def path(play: Play) -> Play:
    PATHS[play.__name__] = play
    return play


async def play(complaint: Complaint, *steps: ActionBody) -> Complaint:
    """Each step when the one before is published, as people act: one at a time."""
    for body in steps:
        outcome = await complaint.act(body)
        await complaint.published(outcome.version)
    return complaint


async def ended(complaint: Complaint, **delta: float) -> Complaint:
    await complaint.ahead(**delta)
    await complaint.closed()
    return complaint


@path
async def straight(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start(), *TO_CREW, *DONE, SATISFIED)
    return await ended(complaint, hours=73)


@path
async def answered(hotline: Hotline) -> Complaint:
    return await ended(await play(await hotline.start("inquiry"), Answer(message="营业厅八点半开门")), hours=73)


@path
async def answered_and_followed_up(hotline: Hotline) -> Complaint:
    return await ended(await play(await hotline.start("billing"), Answer(message="已核对账单"), SATISFIED), hours=73)


@path
async def still_at_work(hotline: Hotline) -> Complaint:
    """The worker forgets it at the end of the replay."""
    return await play(await hotline.start(), *TO_CREW)


@path
async def refused(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start(), Refuse(reason="非供水范围"))
    await complaint.closed()
    return complaint


@path
async def withdrawn(hotline: Hotline) -> Complaint:
    return await ended(await play(await hotline.start(), *TO_CREW, Withdraw(reason="用户自行解决")), hours=73)


@path
async def returned_and_refused(hotline: Hotline) -> Complaint:
    steps = (Dispatch(department="repair"), Return(reason="不属本部门"), Refuse(reason="非供水范围"))
    complaint = await play(await hotline.start(), *steps)
    await complaint.closed()
    return complaint


@path
async def returned_and_dispatched_elsewhere(hotline: Hotline) -> Complaint:
    away = (Return(reason="管网问题"), Dispatch(department="network"), SignFor(), Return(reason="人手不足"))
    back = (RejectReturn(reason="由管网处理"), SignFor(), *DONE, SATISFIED)
    return await ended(await play(await hotline.start(), *TO_CREW, *away, *back), hours=73)


@path
async def redirected(hotline: Hotline) -> Complaint:
    """Sent on before anybody signs for it: to a department whose part it had been, and there to another person."""
    complaint = await play(await hotline.start(), Dispatch(department="repair"))
    await complaint.ahead(minutes=3)
    steps = (
        Involve(department="network", task="检查管网"),
        Dispatch(department="network", note="改派"),
        Dispatch(department="network", assignee="赵工"),
        *TO_CREW[1:],
        *DONE,
        SATISFIED,
    )
    return await ended(await play(complaint, *steps), hours=73)


@path
async def redirected_when_signed(hotline: Hotline) -> Complaint:
    """The first department is late by then, and the other one begins anew."""
    complaint = await play(await hotline.start(), *TO_CREW)
    await complaint.ahead(hours=2)
    await complaint.published((await complaint.view()).version)
    steps = (Dispatch(department="network", note="改派"), SignFor(), *DONE, SATISFIED)
    return await ended(await play(complaint, *steps), hours=73)


@path
async def suspended_until_the_wake_date(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start(), *TO_CREW)
    wake_at = await complaint.now() + timedelta(hours=6)
    await play(complaint, Suspend(reason="等用户买阀门", wake_at=wake_at))
    await complaint.ahead(hours=6, seconds=1)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


@path
async def suspended_and_resumed(hotline: Hotline) -> Complaint:
    steps = (*TO_CREW, Suspend(reason="等用户"), Resume(note="用户来电"), *DONE, SATISFIED)
    return await ended(await play(await hotline.start(), *steps), hours=73)


@path
async def approvals(hotline: Hotline) -> Complaint:
    asked = (RequestApproval(subject="更换管道", amount=Decimal("860.00")), DecideApproval(approved=False))
    again = (RequestApproval(subject="更换阀门", amount=Decimal("120.00")), DecideApproval(approved=True))
    return await ended(await play(await hotline.start("waiver"), *TO_CREW, *asked, *again, *DONE, SATISFIED), hours=73)


@path
async def approved_in_turn(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start("waiver"), *TO_CREW)
    steps: tuple[tuple[ActionBody, Actor], ...] = (
        (
            RequestApproval(subject="更换户内水管", amount=Decimal("5000.00"), kind="funded_repair", grounds="低保户"),
            ADMIN,
        ),
        (DecideApproval(approved=True, note="同意"), Actor(id="高峰", role=Role.MANAGER)),
        (DecideApproval(approved=True, note="同意"), Actor(id="马俊", role=Role.MANAGER)),
    )
    for body, actor in steps:
        outcome = await complaint.act(body, actor)
        await complaint.published(outcome.version)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


@path
async def decided_in_writing(hotline: Hotline) -> Complaint:
    """A waiver waits for its decision; what the first granted counts for the second, and the last word holds."""
    complaint = await play(await hotline.start("waiver"), *TO_CREW)
    with pytest.raises(WorkflowUpdateFailedError):
        await complaint.act(Complete(result="已减免"))
    manager, director = (Actor(id=name, role=Role.MANAGER) for name in ("高峰", "马俊"))
    first = RequestApproval(subject="减免水费", amount=Decimal("900.00"), kind="waiver", grounds="低保户")
    second = first.model_copy(update={"subject": "减免违约金", "amount": Decimal("200.00")})
    steps: tuple[tuple[ActionBody, Actor], ...] = (
        (first, ADMIN),
        (DecideApproval(approved=True, reason="情况属实"), manager),
        (second, ADMIN),
        (DecideApproval(approved=True, reason="情况属实"), manager),
        (DecideApproval(approved=False, reason="违约金不予减免"), director),
    )
    for body, actor in steps:
        outcome = await complaint.act(body, actor)
        await complaint.published(outcome.version)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


@path
async def sent_back(hotline: Hotline) -> Complaint:
    steps = (*TO_CREW, Complete(result="已处理"), SendBack(reason="未说明原因"), *DONE, SATISFIED)
    return await ended(await play(await hotline.start(), *steps), hours=73)


@path
async def reopened(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start(), *TO_CREW, *DONE, SATISFIED)
    await complaint.ahead(hours=48)
    return await ended(await play(complaint, Reopen(reason="又停水"), SignFor(), *DONE, SATISFIED), hours=73)


@path
async def no_change_of_state(hotline: Hotline) -> Complaint:
    asked = RequestExtension(working_days=2, reason="等配件")
    notes = (Comment(note="用户催促"), Urge(), Supervise(), HandOver(owner="li"), asked, DecideExtension(approved=True))
    complaint = await play(await hotline.start("service_complaint"), *TO_CREW, *notes, *DONE, SATISFIED)
    return await ended(complaint, hours=73)


@path
async def link_sent_and_revoked(hotline: Hotline) -> Complaint:
    intake = Intake(service_code="no_water", description="家里没水", caller=Caller(phone="0760 8823 7777"))
    steps = (SendLink(), RevokeLinks(note="手机丢失"), *TO_CREW, *DONE, SATISFIED)
    return await ended(await play(await hotline.start(intake=intake), *steps), hours=73)


@path
async def departments_together(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start(), *TO_CREW)
    steps = (
        Involve(department="customer_service", task="核实欠费"),
        Involve(department="metering", task="检查水表"),
        SignFor(department="customer_service"),
        Complete(result="阀芯已复位"),
        Release(department="metering", reason="水表正常"),
        Complete(department="customer_service", result="欠费 126.80 元"),
        SendBack(department="customer_service", reason="哪个月份？"),
        Complete(department="customer_service", result="七月份欠费 126.80 元"),
        Reply(message="已恢复供水，欠费已核实"),
        SATISFIED,
    )
    return await ended(await play(complaint, *steps), hours=73)


@path
async def every_rung(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start("burst_main"), Dispatch(department="repair"))
    await complaint.ahead(hours=49)
    await play(complaint, SignFor(), *DONE)
    await complaint.ahead(hours=49)
    return await ended(await play(complaint, SATISFIED), hours=73)


@path
async def noticed_and_criticised(hotline: Hotline) -> Complaint:
    """Late for days, and the watch towards the criticism stands still while the case waits for its caller."""
    complaint = await play(await hotline.start(), *TO_CREW)
    await complaint.ahead(days=2, minutes=1)
    await play(complaint, Suspend(reason="等用户"), Resume(note="用户来电"))
    await complaint.ahead(days=14)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


@path
async def reply_pressed_for(hotline: Hotline) -> Complaint:
    """The work is done in time and the reply is late: its owner is noticed, then criticised."""
    complaint = await play(await hotline.start("billing"), *TO_CREW, RequestExtension(working_days=2, reason="等抄表"))
    await complaint.ahead(hours=2)
    await play(complaint, DecideExtension(approved=False), Complete(result="已核对"))
    await complaint.ahead(days=25)
    assert {"noticed", "criticised"} <= set((await complaint.view()).flags)
    return await ended(await play(complaint, Reply(message="已核对账单"), SATISFIED), hours=73)


@path
async def undelivered(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start(), *TO_CREW)
    await complaint.handle.execute_update(
        ComplaintWorkflow.undelivered, Undelivered(key="a-notification", channel="sms", error="HTTP 503")
    )
    await until(complaint.view, lambda view: "undelivered" in view.flags)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


@path
async def signalled_by_hand(hotline: Hotline) -> Complaint:
    """From the Temporal UI, without arguments: nothing happens."""
    complaint = await play(await hotline.start(), *TO_CREW)
    await complaint.handle.signal("publish")
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


@path
async def asked_to_cancel(hotline: Hotline) -> Complaint:
    """The most prominent button of the Temporal UI is pressed: the case goes on."""
    complaint = await play(await hotline.start(), *TO_CREW)
    await complaint.handle.cancel(reason="误点")
    await complaint.published(4)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


@path
async def recognised_late(hotline: Hotline) -> Complaint:
    complaint = await play(await hotline.start(), *TO_CREW)
    known = Recognised(flags=(IntakeFlag.HARDSHIP,), possible_duplicates=())
    await complaint.tell(ComplaintWorkflow.recognise, known)
    await until(complaint.view, lambda view: "hardship" in view.flags)
    with pytest.raises(WorkflowUpdateFailedError):
        await complaint.tell(ComplaintWorkflow.recognise, known)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


@path
async def published_in_one_go(hotline: Hotline) -> Complaint:
    complaint = await hotline.start()
    for body in (*TO_CREW, *DONE, SATISFIED):
        await complaint.act(body)
    return await ended(complaint, hours=73)


@path
async def catalogue_changed(hotline: Hotline) -> Complaint:
    """A new catalogue leaves half the time for every promise; what is past then rings."""
    complaint = await play(await hotline.start(), *TO_CREW)
    await complaint.ahead(hours=1, minutes=30)
    at = await complaint.now()
    terms = hotline.catalogue.terms("no_water", "west", at)
    halves = tuple(each.model_copy(update={"budget_seconds": each.budget_seconds // 2}) for each in terms.promises)
    new = NewTerms(
        terms=terms.model_copy(update={"promises": halves}),
        edition=Edition(digest="0" * 12, name="Half", name_zh="减半"),
    )
    await complaint.tell(ComplaintWorkflow.catalogue_change, new)
    await until(complaint.view, lambda view: view.sla == "missed")
    with pytest.raises(WorkflowUpdateFailedError):
        await complaint.tell(ComplaintWorkflow.catalogue_change, new)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


@path
async def credits_owed(hotline: Hotline) -> Complaint:
    """Two are raised while the work goes on; the case waits, closed, until somebody has decided on both."""
    at = datetime.now(UTC)
    owed = Credit(
        name="Late", name_zh="迟", clock="resolve", amount=Decimal(50), each_further=Decimal(50), every_seconds=43_200
    )
    terms = hotline.catalogue.terms("no_water", "west", at).model_copy(update={"credits": (owed,), "currency": "GBP"})
    complaint = await play(await hotline.start(terms=terms), *TO_CREW)
    await complaint.ahead(hours=37)
    await play(complaint, DecideCredit(credit=1, approved=True), *DONE, SATISFIED)
    view = await complaint.ahead(hours=80)
    assert "credit_waits" in view.flags
    await complaint.act(DecideCredit(credit=2, approved=False, reason="非本公司原因"))
    await complaint.closed()
    return complaint


@path
async def credits_found(hotline: Hotline) -> Complaint:
    """A finding is credited in the task that takes it down; time adds none while another department still works."""
    at = datetime.now(UTC)
    found = Credit(name="No show", name_zh="爽约", finding="not_kept", amount=Decimal(50), paid_by="billing")
    late = Credit(
        name="Late", name_zh="迟", clock="resolve", amount=Decimal(50), each_further=Decimal(50), every_seconds=43_200
    )
    terms = hotline.catalogue.terms("no_water", "west", at).model_copy(
        update={"findings": ("not_kept",), "credits": (found, late)}
    )
    complaint = await play(await hotline.start(terms=terms), *TO_CREW, Involve(department="billing", task="核对水费"))
    await play(complaint, Complete(result="阀芯已复位", findings=("not_kept",)))
    await complaint.ahead(hours=40)
    await complaint.act(DecideCredit(credit=1, approved=True))
    view = await complaint.view()
    assert [owed.finding for owed in view.credits] == ["not_kept"]
    other = (SignFor(department="billing"), Complete(department="billing", result="已核对"), Reply(message="已处理"))
    return await ended(await play(complaint, *other, SATISFIED), hours=73)
