"""Strategies of hypothesis for a case: instants, actors, terms, incidents, and what somebody may send."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import strategies as st

from domain.case.actions.arrive import Arrive
from domain.case.actions.assign import Assign
from domain.case.actions.complete import Complete
from domain.case.actions.correct import CatalogueTerms, Correct, Correction
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.release import Release
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.return_ import Return
from domain.case.actions.send_back import SendBack
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.intake import Caller, Location
from domain.case.progress import Satisfaction
from domain.catalogue.terms import Approver, Credit, Edition, EscalationStep, Process, Promise, UrgingRules
from domain.kit.event import ActionBody
from tests.support.build import ACTORS, BODIES, INCIDENT, LADDER, MONDAY, OTHER_INCIDENT, PROMISES, terms
from tests.support.offers import PEOPLE

ZERO = timedelta()
spans = st.one_of(
    st.timedeltas(ZERO, timedelta(minutes=1)),
    st.integers(0, 240).map(lambda count: timedelta(minutes=count)),
    st.integers(0, 6 * 24).map(lambda count: timedelta(hours=count)),
)
actors = st.sampled_from(PEOPLE)
starts = st.integers(0, 40 * 24 * 60).map(lambda count: MONDAY + timedelta(minutes=count))
ladders = st.sampled_from(
    [LADDER, (), (EscalationStep(percent=33, notify=("owner",)), EscalationStep(percent=300, notify=("lead",)))]
)
processes = st.builds(
    Process,
    follow_up_attempts=st.integers(1, 3),
    extensions_allowed=st.integers(0, 2),
    extension_max_days=st.integers(0, 10),
    extension_notice_days=st.integers(0, 1),
    return_within_days=st.integers(0, 2),
    urging=st.builds(
        UrgingRules,
        notice_seconds=st.sampled_from([60, 86_400]),
        calendar=st.sampled_from(["always", "working"]),
        criticism_days=st.integers(0, 5),
    ),
)


@st.composite
def promises(draw: st.DrawFn) -> tuple[Promise, ...]:
    """Some of the usual ones, each round the clock or in working time, and from another moment on now and then."""
    kept = [promise for promise in PROMISES if draw(st.booleans())]
    moments = st.sampled_from([None, None, None, "registration", "dispatch", "decision"])
    return tuple(
        promise.model_copy(
            update={"calendar": draw(st.sampled_from(["always", "working"])), "starts": draw(moments) or promise.starts}
        )
        for promise in kept
    )


POSTS = (
    Approver(post="Customer manager", up_to=Decimal(100), holder="Gao Feng", deputy="root", budget_seconds=3600),
    Approver(post="Any manager", up_to=Decimal(1000), calendar="always", budget_seconds=86_400),
)
incidents = st.sampled_from([None, INCIDENT, OTHER_INCIDENT])
approvers = st.sampled_from([(), POSTS[1:], POSTS])
CREDITS = (
    Credit(
        name="Late", name_zh="迟", clock="resolve", amount=Decimal(50), each_further=Decimal(20), every_seconds=50_000
    ),
    Credit(name="No word", name_zh="未答复", clock="reply", amount=Decimal(2000), at_most=Decimal(3000)),
    Credit(name="No show", name_zh="爽约", finding="not_kept", amount=Decimal(60), at_most=Decimal(100)),
)
findings = st.sampled_from([(), (), ("not_kept",), ("pipe_aged",), ("rude",)])
credits_owed = st.sampled_from([(), CREDITS[:1], CREDITS])
changes = st.fixed_dictionaries(
    {
        "approvers": approvers,
        "findings": st.sampled_from([(), ("not_kept", "pipe_aged")]),
        "credits": credits_owed,
        "answer_needs_follow_up": st.booleans(),
        "needs_approval": st.booleans(),
        "ladder": ladders,
        "promises": promises(),
        "process": processes,
    }
)


@st.composite
def services(draw: st.DrawFn) -> Correction:
    """A correction of the service, with the promises and rules of the right one."""
    service = draw(st.sampled_from(["no_water", "leak", "meter"]))
    made = terms(service_code=service, priority=draw(st.sampled_from(["P1", "P3"])), **draw(changes))
    in_force = CatalogueTerms(terms=made, edition=Edition(digest="0" * 12, name="New", name_zh="新"), district="west")
    return Correction(reason="x", service_code=service, in_force=in_force)


facts = st.builds(
    Correct,
    reason=st.just("x"),
    priority=st.sampled_from([None, "P1", "P5"]),
    caller=st.sampled_from([None, Caller(phone="13800138000"), Caller(name="陈先生", account_no=None)]),
    location=st.sampled_from([None, Location(address="莲塘路 8 号"), Location(lat=22.5, lng=113.4)]),
)


follow_ups = st.one_of(
    st.builds(FollowUp, outcome=st.sampled_from(["satisfied", "dissatisfied", "unreachable"])),
    st.just(FollowUp(contacted=False)),
    st.builds(FollowUp, contacted=st.just(True), solved=st.booleans(), satisfaction=st.sampled_from(Satisfaction)),
)
"""Follow-ups in either form."""


def bodies(action: str, now: datetime) -> st.SearchStrategy[ActionBody]:
    """Return a strategy for the bodies that somebody may send for this action."""
    ahead = st.one_of(st.just(timedelta(minutes=-1)), spans).map(lambda span: now + span)
    local = ahead.map(lambda at: at.astimezone(timezone(timedelta(hours=8))))
    reason = st.just("x")
    why = st.sampled_from([None, "x"])
    names = st.sampled_from([actor.id for actor in ACTORS.values()])
    departments = st.sampled_from(["repair", "metering", "billing"])
    maybe = st.one_of(st.none(), departments)
    varied: dict[str, st.SearchStrategy[ActionBody]] = {
        "dispatch": st.builds(
            Dispatch, department=st.sampled_from(["repair", "metering"]), assignee=st.one_of(st.none(), names)
        ),
        "follow_up": follow_ups,
        "suspend": st.builds(Suspend, reason=reason, wake_at=st.one_of(st.none(), ahead, local)),
        "request_approval": st.builds(
            RequestApproval,
            subject=reason,
            amount=st.sampled_from([None, Decimal(0), Decimal(500), Decimal(1001)]),
            kind=st.sampled_from([None, "waiver"]),
            grounds=st.sampled_from([None, "x"]),
        ),
        "decide_approval": st.builds(DecideApproval, approved=st.booleans(), reason=why),
        "decide_credit": st.builds(
            lambda credit, reason, word: DecideCredit(credit=credit, reason=reason, **word),
            st.integers(1, 4),
            why,
            st.sampled_from([{"approved": True}, {"approved": False}, {"approved": False, "ground": "limit_reached"}]),
        ),
        "decide_extension": st.builds(DecideExtension, approved=st.booleans()),
        "request_extension": st.builds(RequestExtension, working_days=st.integers(1, 11), reason=reason),
        "correct": st.one_of(services(), facts),
        "hand_over": st.builds(HandOver, owner=names),
        "involve": st.builds(Involve, department=departments, task=reason, takes_over=maybe),
        "release": st.builds(Release, department=departments, reason=reason),
        "link_incident": st.builds(LinkIncident, incident=incidents),
        "assign": st.builds(Assign, department=maybe, assignee=names),
        "sign_for": st.builds(SignFor, department=maybe),
        "arrive": st.builds(Arrive, department=maybe),
        "complete": st.builds(Complete, department=maybe, result=reason, findings=findings),
        "return": st.builds(Return, department=maybe, reason=reason),
        "send_back": st.builds(SendBack, department=maybe, reason=reason),
    }
    return varied.get(action, st.just(BODIES[action]))
