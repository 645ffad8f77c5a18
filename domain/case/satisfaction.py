"""Satisfaction (满意度) of a caller, as the follow-up asks for it."""

from domain.shared.value import NamedCode


class Satisfaction(NamedCode):
    """Step of the scale of five, from the best to the worst: that of the evaluation of public services (好差评)."""

    VERY_SATISFIED = "very_satisfied", "非常满意"
    SATISFIED = "satisfied", "满意"
    FAIRLY_SATISFIED = "fairly_satisfied", "基本满意"
    DISSATISFIED = "dissatisfied", "不满意"
    VERY_DISSATISFIED = "very_dissatisfied", "非常不满意"


SATISFIED = (Satisfaction.VERY_SATISFIED, Satisfaction.SATISFIED, Satisfaction.FAIRLY_SATISFIED)
"""Steps that count as satisfied."""
