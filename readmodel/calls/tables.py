"""Tables of calls and of the roster: own data, which no event holds. Every instant is UTC."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from readmodel.base.schema import CODE, NUMBER, PERSON, UtcDateTime, code, index_where, metadata

UNANSWERED = "outcome <> 'answered'"
"""Condition of an index; a query repeats it to be answered from it."""

calls = Table(
    "calls",
    metadata,
    Column("call_id", code(80), primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("queue", code(80)),
    Column("caller_phone", String(26)),
    Column("agent", PERSON),
    Column("complaint", NUMBER, comment="As the telephone system named it."),
    Column("recording_url", Text),
    Column("asked_at", UtcDateTime, comment="When the caller asked to be called back."),
    Column("timing", Integer, nullable=False, comment="domain.calls.call.Timing"),
    Column("agent_known", Boolean, nullable=False, comment="False: only the telephone system knows the name."),
    Column("hung_up", Boolean, nullable=False, comment="True: the channel tells that the call is over."),
    Column("went_on_at", UtcDateTime, comment="Last instant before its end at which reports show it."),
    Column("queues_entered", Text, comment="Queues entered at `went_on_at`, joined by bars."),
    Column("queues_left", Text, comment="Queues left in the second in which they were entered, joined by bars."),
    Column("outcome", CODE, nullable=False, comment="domain.calls.call.CallOutcome"),
    Column("slot", Integer, nullable=False, comment="Quarter of an hour of the start, since 1970 in UTC."),
    Column("wait_ms", BigInteger, comment="Null while it lasts, or if it is not known."),
    Column("talk_ms", BigInteger, comment="Null without a conversation."),
    Column("phone_term", code(40), comment="readmodel.cases.search_terms.phone_term"),
)
"""Calls, as the telephone system reports them. The last five columns follow from the others."""
Index(
    "ix_calls_newest",
    calls.c.started_at,
    calls.c.call_id,
    postgresql_include=["slot", "outcome", "agent", "wait_ms", "talk_ms"],
)
"""In the order of lists. On PostgreSQL it holds what reports add up, so that they read nothing else."""
Index("ix_calls_phone", calls.c.phone_term, calls.c.started_at)
for _column in (calls.c.agent, calls.c.queue, calls.c.complaint):
    _name = f"ix_calls_{_column.name}"
    index_where(f"{_column.name} IS NOT NULL", _column, calls.c.started_at, calls.c.call_id, name=_name)
"""Many calls have none of one or the other. Each index costs an import as much as the call itself."""
index_where(
    "(outcome)::text <> 'answered'::text",
    calls.c.outcome,
    calls.c.started_at,
    calls.c.call_id,
    name="ix_calls_unanswered",
    on_sqlite=UNANSWERED,
)

duties = Table(
    "duties",
    metadata,
    Column("person", PERSON, primary_key=True),
    Column("starts_at", UtcDateTime, primary_key=True),
    Column("ends_at", UtcDateTime, nullable=False),
)
"""Roster (排班): when people are on duty, as it was imported last. The duties of one person do not overlap."""
Index("ix_duties_start", duties.c.starts_at)

call_backs = Table(
    "call_backs",
    metadata,
    Column("call_id", code(80), ForeignKey("calls.call_id"), primary_key=True),
    Column("phone_term", code(40), nullable=False, comment="readmodel.cases.search_terms.phone_term"),
    Column("since", UtcDateTime, nullable=False, comment="When the caller hung up."),
    Column("person", PERSON, comment="Who has it, or tried last."),
    Column("taken_at", UtcDateTime, comment="Null if nobody has it."),
    Column("tries", Integer, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("result", CODE, comment="domain.calls.call.CallBackResult"),
    Column("note", Text),
    Index("ix_call_backs_phone", "phone_term", "since"),
    index_where("ended_at IS NULL", "since", "call_id", name="ix_call_backs_open"),
    index_where("ended_at IS NOT NULL", "ended_at", "call_id", name="ix_call_backs_done"),
)
"""Call-backs: calls that nobody answered. Those of one telephone are worked off together."""
