"""Further ways through a complaint's life: in and out of incidents, and with parts that go from hand to hand."""

from domain.commands import Complete, Involve, LinkIncident, Return, SignFor, Withdraw
from domain.incident_table import Resolve
from domain.lifecycle import State
from tests.build import INCIDENT
from tests.causes import declare
from tests.hotline import Complaint, Hotline, until
from tests.replay.paths import DONE, SATISFIED, TO_CREW, Play, ended, play

OVER = Resolve(result="已换管", message="已恢复供水")


async def moved_between_incidents(house: Hotline) -> Complaint:
    """Linked by hand, to another after that, and taken out: each incident is told."""
    one, other = [await declare(house, "minzhong") for _ in range(2)]
    complaint = await play(await house.start(), *TO_CREW, LinkIncident(incident=one.number))
    await one.waits_for(1)
    await play(complaint, LinkIncident(incident=other.number))
    await other.waits_for(1)
    await one.waits_for(0)
    await play(complaint, LinkIncident(incident=None))
    await other.waits_for(0)
    return await ended(await play(complaint, *DONE, SATISFIED), hours=73)


async def linked_to_an_incident_that_had_ended(house: Hotline) -> Complaint:
    """By hand, and it was over before it was told: the case takes itself out."""
    complaint = await play(await house.start(), *TO_CREW)
    await complaint.act(LinkIncident(incident=INCIDENT))
    view = await until(complaint.view, lambda view: view.incident is None)
    await complaint.published(view.version)
    await play(complaint, Withdraw(reason="用户自行解决"))
    await complaint.closed()
    return complaint


async def kept_when_its_incident_ended(house: Hotline) -> Complaint:
    """A further department is at work: the case stays open, and goes its own way."""
    cause = await declare(house, "gangkou")
    steps = (*TO_CREW, Involve(department="metering", task="检查水表"), LinkIncident(incident=cause.number))
    complaint = await play(await house.start(), *steps)
    await cause.waits_for(1)
    await cause.act(OVER)
    seen = await cause.in_state("resolved")
    assert seen.incident.closed_at is not None
    kept = await complaint.view()
    assert kept.state is State.IN_PROGRESS
    await complaint.published(kept.version)
    own = (SignFor(department="metering"), Complete(department="metering", result="水表正常"))
    return await ended(await play(complaint, *own, *DONE, SATISFIED), hours=73)


async def parts_returned_and_taken_over(house: Hotline) -> Complaint:
    """One part is returned and given to another department, one is taken over while it is at work."""
    complaint = await play(await house.start(), *TO_CREW)
    steps = (
        Involve(department="metering", task="检查水表"),
        Return(department="metering", reason="不属本部门"),
        Involve(department="network", task="检查支管", takes_over="metering"),
        SignFor(department="network"),
        Involve(department="secondary_supply", task="检查水箱", takes_over="network"),
        SignFor(department="secondary_supply"),
        Complete(department="secondary_supply", result="水箱正常"),
        *DONE,
        SATISFIED,
    )
    return await ended(await play(complaint, *steps), hours=73)


LINK_PATHS: dict[str, Play] = {
    path.__name__: path
    for path in (
        moved_between_incidents,
        linked_to_an_incident_that_had_ended,
        kept_when_its_incident_ended,
        parts_returned_and_taken_over,
    )
}
