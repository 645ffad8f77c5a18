"""Notifications of an assessment to staff."""

from domain.assessment.assessment import ASSESSMENT_KINDS
from domain.assessment.automatic import Reminded
from domain.assessment.kind import AssessmentEvent
from domain.assessment.state import AssessmentFields
from domain.shared.notification import Notification

PREFIX = "assessment_"
"""Prefix of the kind of a notification, so that templates can tell it from an event of a case."""
ASSESSMENT_NOTIFICATION_ZH = {f"{PREFIX}{kind.name}": kind.zh for kind in ASSESSMENT_KINDS.values() if kind.notifies}
"""Every kind of notification that an assessment owes, and its Chinese name."""
_LIMIT_ZH = {"inspections": "质检评分期", "objections": "申诉期", "decision": "申诉裁决期"}


def limit_zh(name: str) -> str:
    kind, _, serial = name.partition("-")
    return f"{_LIMIT_ZH[kind]}{serial}"


def assessment_notifications(month: AssessmentFields, event: AssessmentEvent) -> tuple[Notification, ...]:
    kind = ASSESSMENT_KINDS[event.action]
    text_zh = f"{month.number}考核:{kind.zh},现为{event.to_state.zh}"
    text_en = f"Assessment of {month.number}: {event.action}, now {event.to_state}"
    if isinstance(event.data, Reminded):
        text_zh += f";{limit_zh(event.data.limit)}已用{event.data.percent}%"
        text_en += f"; {event.data.percent} % of the time for {event.data.limit} is used"
    return tuple(
        Notification(f"{month.number}-{event.seq}-{who}", who, f"{PREFIX}{event.action}", text_zh, text_en)
        for who in kind.addressees(month, event)
    )
