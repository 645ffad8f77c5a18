"""Actions on an assessment, in the order of the table. A new one is a module here and a line below."""

from domain.assessment.actions import decide_objection, inspect, object_
from domain.assessment.state import AssessmentAction
from domain.kit.event import ActionBody, by_body, by_name

ASSESSMENT_ACTIONS: tuple[AssessmentAction, ...] = (inspect.ACTION, object_.ACTION, decide_objection.ACTION)
ASSESSMENT_COMMANDS: dict[str, AssessmentAction] = by_name(*ASSESSMENT_ACTIONS)
ASSESSMENT_ACTION_OF: dict[type[ActionBody], AssessmentAction] = by_body(*ASSESSMENT_ACTIONS)
