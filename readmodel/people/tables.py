"""Tables of people, their keys and their handovers: own data, which no event holds."""

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text

from readmodel.base.schema import CODE, PERSON, UtcDateTime, metadata

people = Table(
    "people",
    metadata,
    Column("id", PERSON, primary_key=True),
    Column("folded_id", PERSON, nullable=False, unique=True, comment="readmodel.people.people.folded"),
    Column("name", String(80), nullable=False),
    Column("role", CODE, nullable=False),
    Column("department", CODE),
    Column("districts", Text, nullable=False, comment="Codes, with commas between them."),
    Column("phone", String(26), comment="The person's own, which gets no link to a caller's page."),
    Column("added_at", UtcDateTime, nullable=False),
    Column("left_at", UtcDateTime),
    Column("session_number", Integer, nullable=False, comment="Sessions with a lower one have ended."),
)
"""People of the company (人员). A row stays when its person leaves: the id is never given to another."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", CODE, primary_key=True),
    Column("person", PERSON, ForeignKey("people.id"), nullable=False, index=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("scope", CODE, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
)
"""API keys of people."""

handovers = Table(
    "handovers",
    metadata,
    Column("id", CODE, primary_key=True),
    Column("previous_owner", PERSON, nullable=False),
    Column("owner", PERSON, nullable=False),
    Column("ordered_by", PERSON, nullable=False),
    Column("ordered_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, comment="Null while it is under way."),
)
"""Handovers (全部移交). No case changes its owner by one that has ended, whoever starts its workflow again."""
