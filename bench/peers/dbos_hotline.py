"""Hotline as a DBOS program on PostgreSQL: register, act, read, over the same HTTP as the product's.

It has two designs:

- `case`: a case is one workflow that waits for people, as DBOS documents for a human in the loop. An action is a
  message to it, received until the case's deadline. An event named after the request's key answers the request.
- `action`: an action is one short workflow, and the case is a row. This is faster, but nothing that runs could wait for
  a deadline: a scheduled query would have to look for cases that are due.

In both, a transaction of a datasource writes case and timeline exactly once; the request is answered after its commit.
All is `async`, because a thread for each open case would not do. Several processes may serve one database. An action
has less work than the product's: no catalogue, one clock or none, no notifications, no search.

    HOTLINE_BENCH_KEY=... python -m bench.peers.dbos_hotline DESIGN postgresql+psycopg://... PORT

It runs on the packages of requirements.txt in this folder, which are not the project's.
"""

import asyncio
import hmac
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
import uvicorn
from dbos import DBOS, AsyncSQLAlchemyDatasource, DBOSConfig, SetWorkflowID
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine

DESIGN, URL, PORT = sys.argv[1:]
KEY = os.environ["HOTLINE_BENCH_KEY"]
CONNECTIONS = 15
"""Size of a pool, of DBOS's own tables and of the case's; more than the cases under way in a process."""
ANSWERED_WITHIN_SECONDS = 30
DUE_AFTER_SECONDS = 3 * 86_400
"""Time for the next action; afterwards the case is overdue."""
TRANSITIONS = {
    "dispatch": ("registered", "dispatched"),
    "sign_for": ("dispatched", "in_progress"),
    "arrive": ("in_progress", "in_progress"),
    "complete": ("in_progress", "pending_reply"),
    "reply": ("pending_reply", "pending_follow_up"),
    "follow_up": ("pending_follow_up", "closed"),
}
OPTIONS: DBOSConfig = {
    "name": "hotline",
    # Of several processes, each recovers its own workflows when it is started again.
    "executor_id": PORT,
    "system_database_url": URL,
    "sys_db_pool_size": CONNECTIONS,
    "sys_db_polling_concurrency": CONNECTIONS,
    "max_executor_threads": 2 * CONNECTIONS,
    "log_level": "WARNING",
}

metadata = sa.MetaData()
cases = sa.Table(
    "cases",
    metadata,
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("overdue", sa.Boolean, nullable=False),
    sa.Column("complaint", JSONB, nullable=False),
    sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False, index=True),
)
timeline = sa.Table(
    "timeline",
    metadata,
    sa.Column("number", sa.Text, sa.ForeignKey(cases.c.number), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("data", JSONB, nullable=False),
)
database = create_async_engine(URL, pool_size=CONNECTIONS, max_overflow=0)


async def prepared() -> AsyncSQLAlchemyDatasource:
    """Create the tables and return the datasource."""
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    made = await AsyncSQLAlchemyDatasource.create(URL, engine=database)
    # Its connections belong to the event loop of this function.
    await database.dispose()
    return made


datasource = asyncio.run(prepared())
transaction = datasource.transaction(isolation_level="READ COMMITTED")
"""Each row is changed by one statement that names the state it expects."""


@transaction
async def write_registration(number: str, complaint: dict[str, Any]) -> dict[str, Any]:
    """Write a new case and the first entry of its timeline; return the case."""
    now = datetime.now(UTC)
    row = {"number": number, "state": "registered", "version": 1, "overdue": False, "complaint": complaint}
    await datasource.sql_session().execute(sa.insert(cases).values(**row, registered_at=now))
    await _append(number, 1, "register", "registered", {})
    return {**row, "registered_at": now.isoformat()}


@transaction
async def write_action(number: str, action: str, data: dict[str, Any]) -> dict[str, Any]:
    """Change the state of a case and append to its timeline; return the case, or `refused` with a reason."""
    source, target = TRANSITIONS[action]
    change = (
        sa.update(cases)
        .where(cases.c.number == number, cases.c.state == source)
        .values(state=target, version=cases.c.version + 1)
        .returning(*cases.c)
    )
    row = (await datasource.sql_session().execute(change)).mappings().one_or_none()
    if row is None:
        return {"refused": f"{action} is not allowed in this state"}
    await _append(number, row["version"], action, target, data)
    return {**row, "registered_at": row["registered_at"].isoformat()}


@transaction
async def write_overdue(number: str) -> None:
    """Mark a case that nobody has acted on in time."""
    await datasource.sql_session().execute(sa.update(cases).where(cases.c.number == number).values(overdue=True))


async def _append(number: str, seq: int, action: str, state: str, data: dict[str, Any]) -> None:
    entry = {"number": number, "seq": seq, "at": datetime.now(UTC), "action": action, "state": state, "data": data}
    await datasource.sql_session().execute(sa.insert(timeline).values(entry))


@DBOS.workflow()
async def host_case(complaint: dict[str, Any]) -> None:
    """Host a case from its registration until it is closed."""
    number = str(DBOS.workflow_id)
    case = await write_registration(number, complaint)
    await DBOS.set_event_async(number, case)
    while case.get("state") != "closed":
        message = await DBOS.recv_async(timeout_seconds=DUE_AFTER_SECONDS)
        if message is None:
            await write_overdue(number)
            continue
        key, action, data = message
        case = await write_action(number, action, data)
        await DBOS.set_event_async(key, case)


@DBOS.workflow()
async def take_complaint(complaint: dict[str, Any]) -> dict[str, Any]:
    """Register a case."""
    return dict(await write_registration(str(DBOS.workflow_id), complaint))


@DBOS.workflow()
async def take_action(number: str, action: str, data: dict[str, Any]) -> dict[str, Any]:
    """Do one action."""
    return dict(await write_action(number, action, data))


Key = Annotated[str, Header(alias="Idempotency-Key")]


class Registration(BaseModel):
    """Body of a registration."""

    service_code: str
    channel: str
    caller: dict[str, str]
    location: dict[str, Any]
    description: str


@asynccontextmanager
async def running(_: FastAPI) -> AsyncIterator[None]:
    """Run DBOS for the time of the service."""
    DBOS(config=OPTIONS)
    DBOS.launch()
    yield
    DBOS.destroy()


async def authorise(authorization: Annotated[str, Header()]) -> None:
    """Refuse a request without the key."""
    if not hmac.compare_digest(authorization, f"Bearer {KEY}"):
        raise HTTPException(401)


api = FastAPI(lifespan=running, dependencies=[Depends(authorise)])


@api.post("/v1/complaints")
async def register(body: Registration, idempotency_key: Key) -> JSONResponse:
    """Register a case; its number is the request's key."""
    with SetWorkflowID(idempotency_key):
        if DESIGN == "action":
            return JSONResponse(await take_complaint(body.model_dump()), 201)
        await DBOS.start_workflow_async(host_case, body.model_dump())
    return JSONResponse(await _event(idempotency_key, idempotency_key), 201)


@api.post("/v1/complaints/{number}/actions/{action}")
async def act(number: str, action: str, data: dict[str, Any], idempotency_key: Key) -> JSONResponse:
    """Do an action."""
    if action not in TRANSITIONS:
        raise HTTPException(404)
    if DESIGN == "action":
        with SetWorkflowID(idempotency_key):
            case = await take_action(number, action, data)
    else:
        await DBOS.send_async(number, (idempotency_key, action, data), idempotency_key=idempotency_key)
        case = await _event(number, idempotency_key)
    return JSONResponse(case, 409 if "refused" in case else 200)


async def _event(number: str, key: str) -> dict[str, Any]:
    """Return what the workflow of a case says once the request with this key is done. Raises HTTPException."""
    case = await DBOS.get_event_async(number, key, ANSWERED_WITHIN_SECONDS)
    if case is None:
        raise HTTPException(503)
    return dict(case)


@api.get("/v1/complaints/{number}")
async def read(number: str) -> dict[str, Any]:
    """Return a case with its timeline."""
    async with database.connect() as connection:
        found = await connection.execute(sa.select(cases).where(cases.c.number == number))
        case = found.mappings().one_or_none()
        if case is None:
            raise HTTPException(404)
        of_case = sa.select(timeline).where(timeline.c.number == number).order_by(timeline.c.seq)
        return {**case, "timeline": [dict(entry) for entry in (await connection.execute(of_case)).mappings()]}


class Server(uvicorn.Server):
    """A server that says when it takes requests."""

    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401 - passed on
        """Listen, and print `ready`."""
        await super().startup(sockets)
        print("ready", flush=True)


if __name__ == "__main__":
    Server(uvicorn.Config(api, port=int(PORT), log_level="warning", access_log=False)).run()
