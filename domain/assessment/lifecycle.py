"""States of an assessment (考核) of one month."""

from domain.shared.value import NamedCode


class AssessmentState(NamedCode):
    """State of an assessment."""

    DRAFT = "draft", "草案"
    OBJECTIONS = "objections", "公示申诉期"
    FINAL = "final", "已定稿"
