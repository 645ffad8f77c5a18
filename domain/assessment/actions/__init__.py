"""Actions on an assessment, in the order of the table. A new one is a module here and a line below."""

from domain.assessment.actions import decide_objection, inspect, object_
from domain.assessment.state import AssessmentAction
from domain.kit.event import ActionBody

ASSESSMENT_ACTIONS: tuple[AssessmentAction, ...] = (inspect.ACTION, object_.ACTION, decide_objection.ACTION)
ASSESSMENT_COMMANDS: dict[str, AssessmentAction] = {action.name: action for action in ASSESSMENT_ACTIONS}
ASSESSMENT_ACTION_OF: dict[type[ActionBody], AssessmentAction] = {row.body: row for row in ASSESSMENT_ACTIONS}
"""The action of each body."""
