"""Tables of incidents."""

from sqlalchemy import Column, Index, Integer, Table

from readmodel.base.schema import CODE, NUMBER, event_columns, index_where, metadata, number_column
from readmodel.base.types import JsonText, UtcDateTime

incidents = Table(
    "incidents",
    metadata,
    Column("number", NUMBER, primary_key=True),
    Column("state", CODE, nullable=False),
    Column("department", CODE),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("document", JsonText, nullable=False, comment="domain.incident.incident.Incident"),
    Column("counts", JsonText, nullable=False, comment="How its cases came out, once it is over."),
    Index("ix_incidents_opened_at", "opened_at", "number"),
    index_where("closed_at IS NULL", "opened_at", name="ix_incidents_open"),
)
"""Incidents (突发事件): one cause behind many cases, which name it in `cases.incident`."""

incident_events = Table(
    "incident_events",
    metadata,
    number_column("incidents"),
    *event_columns(),
    Column("data", JsonText, nullable=False),
)
"""Events of incidents."""
