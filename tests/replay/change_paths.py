"""Ways in which the people and the facts of a case are changed while it goes on."""

from domain.case.actions.assign import Assign
from domain.case.actions.complete import Complete
from domain.case.actions.correct import CatalogueTerms, Correct, Correction
from domain.case.actions.involve import Involve
from domain.case.actions.sign_for import SignFor
from domain.case.intake import Caller, Location
from domain.catalogue.terms import Edition
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


CHANGE_PATHS: dict[str, Play] = {each.__name__: each for each in (assigned, corrected)}
