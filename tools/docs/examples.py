"""Examples of the documented answers, of a case, an incident and an assessment that are made here in memory."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic_core import from_json, to_jsonable_python

from api.assessments.answers import (
    AssessedMonth,
    CountedCaseItem,
    ExclusionItem,
    InspectionItem,
    MonthSummary,
    ObjectionItem,
    StandardItem,
)
from api.calls import NEW_CALL, CallBackItem, CallItem, KeptCalls, NewCall
from api.complaints.cases import NEW_COMPLAINT, Complaint, NoticeItem, PartItem
from api.complaints.routes import Counts
from api.dead_letters import ResentLetter
from api.documents import SAMPLE
from api.health import Component, Health
from api.health.readiness import readiness, unknown
from api.health.temporal import NO_ANSWER, NO_WORKER
from api.incidents.answers import Candidate, IncidentItem
from api.people import HandoverItem
from api.reference import LIFECYCLE, ServiceItem, Services, roles
from api.responses import Page, timeline_item
from domain.assessment.actions import OBJECT
from domain.assessment.assessment import Assessment, AssessmentOpening
from domain.assessment.state import Computation, Exclusion, Objection, Sampled
from domain.calendar.work_calendar import WorkCalendar
from domain.calls.call import CallBack, CallMismatch
from domain.case.actions import dispatch, involve
from domain.case.actions.link_incident import own_matters
from domain.case.actions.register import Registration
from domain.case.bulk import Handover, HandoverProgress, OpenWork
from domain.case.case import Case
from domain.case.intake import Intake
from domain.case.lifecycle import State
from domain.case.views import view_case
from domain.catalogue.figures import Standard, Subject
from domain.catalogue.terms import Edition, EscalationStep, Process, Promise, Terms
from domain.customers.customer import CallerRecord, Customer, EarlierCase, KnownCaller, OpenIncident
from domain.incident.actions import CONFIRM
from domain.incident.incident import Incident
from domain.incident.state import IncidentState, Opening, Scope
from domain.kit.event import Command
from domain.reports.report import ReportKind
from domain.shared.actors import Actor, Person, Role
from domain.shared.codes import Coded
from readmodel.assessments.months import CountedCase
from readmodel.base.paging import Position
from readmodel.calls.call_backs import CallBackEntry
from readmodel.calls.calls import LinkedCall, Unconfirmed
from readmodel.cases.queries import CaseCount, PartOfCase
from readmodel.incidents import IncidentCandidate, IncidentCounts
from readmodel.notifications import DeadLetter
from tools.docs.report_examples import CALL_REPORT, FOLLOW_UPS, MONEY, MONTH_OF_THANKS, THANKS, example_report

NUMBER = "2608034711004"
INCIDENT_NUMBER = "i26080347119"
NOON = datetime(2026, 8, 3, 4, tzinfo=UTC)

AGENT = Actor(id="10023", name="陈静", role=Role.AGENT)
TERMS = Terms(
    service_code="no_water",
    name="No water",
    name_zh="停水/无水",
    group="repair",
    priority="P2",
    department="repair",
    answer_needs_follow_up=True,
    promises=(Promise(name="acknowledge", calendar="always", budget_seconds=600, starts="dispatch"),),
    ladder=(EscalationStep(percent=100, notify=("supervisor",)),),
    process=Process(),
    calendar=WorkCalendar(
        name="Office",
        weekly=(((510, 720),),) * 7,
        offsets=((NOON, 480),),
        covers_until=date(2026, 12, 31),
        day_seconds=12_600,
    ),
)


REGISTRATION = Registration(
    number=NUMBER,
    owner=AGENT.id,
    intake=Intake.model_validate(NEW_COMPLAINT),
    terms=TERMS,
    flags=("hardship",),
    at=NOON,
    actor=AGENT,
)


def _complaint(case: Case, at: datetime) -> Complaint:
    return Complaint.of(view_case(case, at, case.available_actions(AGENT, at)), AGENT)


def _page(item: Any, next_cursor: str | None = None) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"items": [item], "next_cursor": next_cursor}


def _of_case() -> dict[str, Any]:
    """Return the answers about a case that is registered and dispatched, and gets a part."""
    (case, _), at = Case.register(REGISTRATION), NOON + timedelta(minutes=1)
    registered = _complaint(case, NOON)
    (dispatched,) = case.apply(Command(actor=AGENT, body=dispatch.ACTION.example), at)
    complaint = _complaint(case, at)
    case.apply(Command(actor=AGENT, body=involve.ACTION.example), at)
    part = PartOfCase(NUMBER, case.parts[0], case.state, TERMS.service_code, TERMS.priority, "west", case.owner)
    dead_letter = DeadLetter(
        key=f"{NUMBER}-7-supervisor",
        number=NUMBER,
        recipient="supervisor",
        kind="escalate",
        text_zh=f"工单{NUMBER}：到场时限已超时（100%）",
        text_en=f"Case {NUMBER}: the arrive promise is missed (100 % of its time used)",
        error="duty_mail: no answer within 20 s",
        created_at=NOON,
        dead_at=NOON + timedelta(seconds=510),
    )
    unconfirmed = Unconfirmed(
        number=NUMBER,
        state=State.WITHDRAWN,
        withdrawn_at=at,
        agent="10027",
        call_id="1785729600.118",
        mismatch=CallMismatch.UNKNOWN,
    )
    return {
        "Complaint": complaint,
        "register_complaint": registered,
        "ComplaintPage": _page(complaint, Position(NOON, NUMBER).cursor()),
        "Timeline": _page(from_json(timeline_item(dispatched, AGENT))),
        "PartPage": _page(PartItem.of(part, AGENT)),
        "NoticePage": _page(NoticeItem.of(NUMBER, SAMPLE)),
        "UnconfirmedPage": _page(unconfirmed),
        "Letters": _page(dead_letter),
        "ResentLetter": ResentLetter(key=dead_letter.key, status="due"),
    }


def _of_incident() -> dict[str, Any]:
    """Return the answers about an incident that is suspected and then confirmed."""
    dispatcher = Actor(id="10031", name="周敏", role=Role.DISPATCHER)
    scope = Scope(services=("water_quality",), districts=("west",))
    since = NOON - timedelta(hours=2)
    opening = Opening(number=INCIDENT_NUMBER, at=NOON, title="water_quality · west", scope=scope, since=since, calls=11)
    incident, suspected = Incident.open(opening)
    body = CONFIRM.example
    incident.apply(Command(actor=dispatcher, body=body), NOON)
    counts = {State.REGISTERED: 40, State.DISPATCHED: 2}
    case, _ = Case.register(REGISTRATION)
    case.apply(Command(actor=AGENT, body=dispatch.ACTION.example), NOON)
    case.apply(Command(actor=AGENT, body=involve.ACTION.example), NOON)
    return {
        "IncidentItem": IncidentItem.of(incident, dispatcher, IncidentCounts(counts)),
        "IncidentPage": _page(IncidentItem.of(incident, dispatcher, IncidentCounts())),
        "CandidatePage": _page(Candidate.of(IncidentCandidate(case, own_matters(case)), dispatcher)),
        "IncidentTimeline": _page(from_json(timeline_item(suspected, AGENT))),
    }


EXCLUSION = ExclusionItem.of(
    Exclusion(
        id="0" * 32,
        number=NUMBER,
        ground="beyond_duty",
        reason="The pipe is the neighbour's. 非供水设施",
        evidence=None,
        requested_by="10023",
        requested_at=NOON,
    )
)


def _of_assessment() -> dict[str, Any]:
    """Return the answers about a month that is being inspected, with an objection and an exclusion."""
    by, until = Subject.AGENT, datetime(2026, 8, 31, 16, tzinfo=UTC)
    standard = Standard(
        objection_seconds=75_600,
        decision_seconds=75_600,
        inspection_seconds=75_600,
        rungs=(50, 100),
        calendar=TERMS.calendar,
    )
    opening = AssessmentOpening(
        month="2026-08",
        at=until + timedelta(minutes=20),
        since=datetime(2026, 7, 31, 16, tzinfo=UTC),
        until=until,
        seed="c0ffee",
        standard=standard,
        edition=Edition(digest="0123456789ab", name="Zhongshan", name_zh="中山"),
    )
    month, _ = Assessment.open(opening)
    month.sample = (Sampled(complaint=NUMBER, agent="10023"),)
    month.computed = Computation(serial=1, as_of=month.opened_at, digest="0" * 64, entries=11, results=())
    case = CountedCase(NUMBER, 7, NOON, counts=False, amount=None, excluded=None)
    facts = {"id": 1, "raised_by": "10023", "raised_at": until, "due_at": until + timedelta(days=3)}
    objection = ObjectionItem.of(month.number, Objection.taken_from(OBJECT.example, **facts))
    [inspection] = InspectionItem.all_of(month)
    return {
        "MonthPage": _page(MonthSummary.of(month, AGENT)),
        "AssessedMonth": AssessedMonth.of(month, AGENT, by=by, standard=StandardItem.of(standard, by), items=[]),
        "CountedCasePage": _page(CountedCaseItem.of(case)),
        "InspectionPage": _page(inspection),
        "InspectionItem": inspection,
        "ObjectionPage": _page(objection),
        "ObjectionItem": objection,
        "ExclusionPage": _page(EXCLUSION),
        "ExclusionItem": EXCLUSION,
    }


CALLER = CallerRecord(
    customer=Customer(
        account_no="0420013",
        name="李婆婆",
        phone="0760 8823 7777",
        address="下闸新村 3 号",
        district="west",
        meter="M-05-1187",
        hardship=True,
        hardship_grounds="Public relief 低保",
        free_allowance_m3=Decimal(6),
        notes="Lives alone; speak slowly. 独居，请慢慢说。",
    ),
    earlier_cases=(
        EarlierCase(
            number=THANKS.number,
            service_code="thanks",
            state=State.CLOSED,
            owner=AGENT.id,
            district="west",
            flags=("hardship",),
            registered_at=THANKS.at,
            closed_at=THANKS.at + timedelta(minutes=4),
            description=THANKS.message,
        ),
    ),
    thanks=(THANKS,),
)
KNOWN_CALLER = KnownCaller(
    **dict(CALLER),
    open_cases=(),
    incidents=(
        OpenIncident(
            number=INCIDENT_NUMBER,
            title="Salt tide 咸潮",
            state=IncidentState.CONFIRMED,
            services=("water_quality",),
            expected_at=None,
            news=None,
        ),
    ),
)
HANDOVER = HandoverProgress(
    handover=Handover(
        id="0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        previous_owner=AGENT.id,
        owner="10024",
        reason="Sick leave. 病假",
        actor=Actor(id="10005", role=Role.SUPERVISOR),
    ),
    handed_over=41,
    refused={NUMBER: "It did not answer."},
    state="done",
)
SERVICES = Services(
    items=[ServiceItem.model_validate({**dict(TERMS), "clocks": TERMS.promises})],
    currency=TERMS.currency,
    departments=[Coded(code="repair", name="Repair crews", name_zh="抢修")],
    districts=[Coded(code="west", name="West District", name_zh="西区")],
    groups=[Coded(code="repair", name="Repair request", name_zh="报修")],
    findings=[],
    exemptions=[],
)
CALL_BACK = CallBackItem.of(
    CallBackEntry("1785729600.118", "0760 8823 7777", "hotline", NOON, 2, CallBack("10023", NOON)), NOON
)
CALL = NewCall.model_validate(NEW_CALL).call(bool)
FOUND = {
    "temporal": Component(ok=True, detail="answers"),
    "clock": Component(ok=True, detail="The clock of this API process is 0 s behind Temporal's."),
    "worker": Component(ok=True, detail="asked for tasks 12 s ago"),
    "sql": Component(ok=True, detail="answers"),
    "disk": Component(ok=True, detail="/srv/hotline has 81204 MiB left"),
    "store": Component(ok=True, detail="the files of databases and keys are in place"),
    "read_model": Component(ok=True, detail="SQL has 412 open cases, Temporal runs 412"),
    "courier": Component(ok=True, detail="gave a sign of life 4 s ago"),
    "reconciler": Component(ok=True, detail="gave a sign of life 3 s ago"),
    "surge_watch": Component(ok=True, detail="gave a sign of life 2 s ago"),
    "keys": Component(ok=True, detail="every process has the same keys"),
    "calendar": Component(ok=True, detail="the holidays are known"),
    "catalogue": Component(ok=True, detail="Zhongshan water supply hotline (5b0c1f4c20ee) is in force"),
}
"""Parts of the service in good health."""
_ASKED_OF_TEMPORAL = ("worker", "read_model", "courier", "reconciler", "surge_watch")
_AWAY = {name: unknown("Temporal", "temporal") for name in _ASKED_OF_TEMPORAL}


def _beginning(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with two items of each list: the whole would be a tenth of the document."""
    return {name: value[:2] if isinstance(value, list) else value for name, value in answer.items()}


EXAMPLES: dict[str, Any] = {
    "alive": Health(status="alive"),
    "ready": readiness(FOUND),
    "degraded": readiness({**FOUND, "worker": NO_WORKER}),
    "unavailable": readiness({**FOUND, "temporal": NO_ANSWER, **_AWAY}),
    **_of_case(),
    **_of_incident(),
    **_of_assessment(),
    "CallPage": _page(
        CallItem.of(LinkedCall(CALL, (NUMBER,)), AGENT), Position(CALL.started_at, CALL.call_id).cursor()
    ),
    "CallerRecord": CALLER,
    "KnownCaller": KNOWN_CALLER,
    "HandoverItem": HandoverItem.of(HANDOVER, [OpenWork(number=NUMBER, department="repair")]),
    "Services": SERVICES,
    "Counts": Counts.of(
        [CaseCount("registered", None, "on_time", 2), CaseCount("in_progress", "repair", "at_risk", 3)]
    ),
    "KeptCalls": KeptCalls(added=1, changed=0, unchanged=0),
    "CallBackPage": Page[CallBackItem](items=[CALL_BACK], next_cursor=None),
    "CallBackItem": CALL_BACK,
    "CallReport": CALL_REPORT,
    "Money": MONEY,
    "MonthOfThanks": MONTH_OF_THANKS,
    "MonthOfFollowUps": FOLLOW_UPS,
    "report_daily": example_report(ReportKind.DAILY),
    "report_monthly": example_report(ReportKind.MONTHLY),
    "report_today": example_report(ReportKind.DAILY, datetime(2026, 8, 3, 6, 30, tzinfo=UTC)),
    "report_this_month": example_report(ReportKind.MONTHLY, datetime(2026, 8, 3, 6, 30, tzinfo=UTC)),
    "Lifecycle": _beginning({**dict(LIFECYCLE), "mermaid": LIFECYCLE.mermaid.partition("\n")[0]}),
    "Roles": _beginning(dict(roles([]))),
    "PeoplePage": _page(Person(id="10023", name="陈静", role=Role.AGENT, districts=("west",)).model_dump(mode="json")),
}
"""Models or JSON of the documented answers, by the name of the operation or else of the model."""


def written() -> dict[str, Any]:
    """Return the examples as they stand in JSON."""
    return {name: to_jsonable_python(value, by_alias=True) for name, value in sorted(EXAMPLES.items())}
