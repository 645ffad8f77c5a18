"""Tables of the monthly assessment (考核): months, their results and entries; exclusions and points from outside."""

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from domain.assessment.assessment import Assessment
from domain.assessment.score import Item
from readmodel.base.schema import (
    CODE,
    NUMBER,
    PERSON,
    JsonOf,
    JsonText,
    UtcDateTime,
    code,
    event_columns,
    index_where,
    metadata,
)

MONTH = code(7)

assessments = Table(
    "assessments",
    metadata,
    Column("number", MONTH, primary_key=True, comment="The month, as 2026-08."),
    Column("state", CODE, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("document", JsonOf(Assessment), nullable=False, comment="domain.assessment.assessment.Assessment"),
)
"""Assessments of months."""

assessment_events = Table(
    "assessment_events",
    metadata,
    Column("number", MONTH, ForeignKey("assessments.number"), primary_key=True),
    *event_columns(),
    Column("data", JsonText, nullable=False),
)
"""Events of assessments."""

assessment_items = Table(
    "assessment_items",
    metadata,
    Column("month", MONTH, primary_key=True),
    Column("computation", Integer, primary_key=True, comment="domain.assessment.state.Computation.serial"),
    Column("by", CODE, primary_key=True, comment="domain.catalogue.figures.Subject"),
    Column("subject", PERSON, primary_key=True),
    Column("document", JsonOf(Item), nullable=False, comment="domain.assessment.score.Item"),
)
"""Results of subjects in a month, of each computation that is still needed."""

figure_entries = Table(
    "figure_entries",
    metadata,
    Column("month", MONTH, primary_key=True),
    Column("computation", Integer, primary_key=True, comment="domain.assessment.state.Computation.serial"),
    Column("kind", CODE, primary_key=True, comment="domain.catalogue.figures.Kind"),
    Column("number", NUMBER, primary_key=True),
    Column("serial", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("counts", Boolean, nullable=False, comment="False: it counts against the subject."),
    Column("amount", BigInteger, comment="Hundredths of money or of points."),
    Column("agent", PERSON),
    Column("crew", PERSON),
    Column("department", CODE),
    Column("service", CODE, nullable=False),
    Column("district", CODE),
    Column("excluded", CODE, comment="Ground of the exclusion, or `objection`; null if it counts."),
)
"""Entries of figures (`domain.assessment.entry`): the list of cases behind every number of a month."""

given_points = Table(
    "given_points",
    metadata,
    Column("month", MONTH, primary_key=True),
    Column("figure", CODE, primary_key=True),
    Column("by", CODE, primary_key=True),
    Column("subject", PERSON, primary_key=True),
    Column("value", Float, nullable=False),
    Column("numerator", Integer, comment="Of calls; null for points from outside."),
    Column("denominator", Integer),
)
"""Values that no event of a case tells: points that were imported, and calls, as they were when it was computed."""

exclusions = Table(
    "exclusions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("number", NUMBER, ForeignKey("cases.number"), nullable=False),
    Column("ground", CODE, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Text),
    Column("requested_by", PERSON, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("approved", Boolean, comment="Null until it is decided."),
    Column("decided_by", PERSON),
    Column("decided_at", UtcDateTime),
    Column("decision_reason", Text),
    Index("ix_exclusions_number", "number"),
    index_where("decided_at IS NULL", "requested_at", "id", name="ix_exclusions_undecided"),
)
"""Exclusions (剔除) of cases from assessments: own data, which no event holds."""
