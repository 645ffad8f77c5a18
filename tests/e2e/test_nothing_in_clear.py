"""Search for what is said of people: in clear it is in SQL alone, and in no file, log, metric or message of Temporal.

Unique words are planted in every field of every request that the service documents, beside them (headers, paths,
queries, what cannot be read), on the caller's page, in the Temporal UI, in imported files, and in what another release
sends. Then all that was written is searched for them.
"""

import asyncio
import json
import re
import sqlite3
from base64 import b64encode
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import (
    DescribeScheduleRequest,
    DescribeWorkflowExecutionRequest,
    ListSchedulesRequest,
    QueryWorkflowRequest,
)
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from domain.shared.actors import Role
from hotline.settings import DEFAULT_CATALOGUE, Settings
from hotline.temporal.connection import connect
from tests.support.openapi import parameters_of
from tests.support.planted import Bodies, Plants, found_in, marks_in
from tests.support.receivers import Receiver, receiver
from tests.support.schema_cases import CATALOGUE, LEAVER, Subjects
from tests.support.service import Service, wait_until
from tests.support.telephone import QUEUE_LOG, cdr

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

Json = dict[str, Any]

CHANNELS = """
[channels.sms]
kind = "sms"
url = "{url}/sms"

[channels.hook]
kind = "webhook"
url = "{url}/hook"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

[[routes]]
to = "caller:*"
channels = ["sms"]

[[routes]]
to = "*"
channels = ["hook"]

[quiet_hours]
start = 00:00:00
end = 00:00:00
"""
CODES = frozenset(
    {
        *("agent", "assignee", "from", "owner", "previous_owner", "to"),
        *("amount", "call_id", "cases", "channel", "complaint", "department", "district", "districts"),
        *("figure", "findings"),
        *("ground", "incident", "into", "queue", "service_code", "services", "takes_over"),
        *("outcome", "satisfaction", "object_to_figure.subject"),
        *(f"{operation}.{name}" for operation in ("declare_incident", "confirm_incident") for name in ("lat", "lng")),
    }
)
"""Fields of ids, codes and numbers, which say nothing of a caller."""
UNLIMITED = dict.fromkeys(("HOTLINE_READS_PER_MINUTE", "HOTLINE_WRITES_PER_MINUTE", "HOTLINE_ACTIONS_PER_CASE"), "0")
FAILED = 20
"""Notifications that the gateway refuses, with an answer that quotes them."""
STAFF = "people.json"
"""File with the API's copy of people, who are no callers."""
NOT_KEPT = re.compile(r"(asked|look_up_caller|refused|sealed)\.")
"""Fields of what the service looks up, or refuses: SQL does not keep them."""


class Told:
    """Requests of everybody to one service, with planted values."""

    def __init__(self, service: Service, gateway: Receiver, plants: Plants, folder: Path) -> None:
        self._service = service
        self._gateway = gateway
        self._plants = plants
        self._folder = folder
        headers = {"Authorization": f"Bearer {service.admin_key}"}
        self._http = httpx.Client(base_url=service.api, headers=headers, trust_env=False, timeout=30)

    def import_files(self) -> None:
        """Add a person, the customers and the calls, by the commands of operators."""
        said = self._plants
        person = ("--name", said.text("person.name"), "--phone", said.phone("person.phone"))
        self._service.run("person", "add", "90001", "--role", "agent", *person)
        row = {name: said.text(f"customers.{name}") for name in ("name", "address", "hardship_grounds", "notes")}
        row |= {"account_no": said.latin("customers.account_no"), "phone": said.phone("customers.phone")}
        row |= {"district": "west", "hardship": "yes", "meter": said.latin("customers.meter")}
        self._run_on(f"{','.join(row)}\n{','.join(row.values())}\n", "customers", "import")
        self._run_on(cdr(src=said.phone("cdr.src"), uniqueid="1785729600.9001"), "calls", "import")
        self._run_on(QUEUE_LOG.replace("13800138000", said.phone("queue_log.caller")), "calls", "import")

    def ask_all(self) -> None:
        """Send a request for every operation with a body, and one more that is refused."""
        self._service.make_key("陈静", "agent")
        subjects = Subjects(self._service, Role.ADMIN, None, "east")
        handed_over = {"service_code": "leak", "description": "漏水", "owner": LEAVER}
        self._http.post("/v1/complaints", json=handed_over).raise_for_status()
        document = self._http.get("/openapi.json").json()
        bodies, failed = Bodies(document, self._words(), CODES), dict[str, str]()
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if "requestBody" not in operation:
                    continue
                name = operation["operationId"]
                body = bodies.planted(operation)
                more = subjects.in_body(name, body)
                body |= {
                    field: value
                    for field, value in more.items()
                    if found_in(json.dumps(body.get(field)).encode()) == []
                }
                if name == "look_up_caller":
                    del body["account_no"]
                place = path.format(**subjects.in_path(name, path))
                refused = {**body, "unknown": self._plants.text(f"refused.{name}")}
                assert self._http.request(method, place, json=refused).status_code == httpx.codes.UNPROCESSABLE_ENTITY
                answer = self._http.request(method, place, json=body)
                if not answer.is_success:
                    failed[name] = answer.text
        assert failed == {}
        for query in ({"q": self._plants.text("asked.q")}, {"q": self._plants.phone("asked.phone")}):
            assert self._http.get("/v1/complaints", params=query).is_success
        self._http.get(f"/v1/customers/{self._plants.latin('asked.account')}")
        self._http.get("/v1/reports/thanks", params={"month": "2026-08", "thanked": self._plants.text("asked.thanked")})

    def knock(self, number: str) -> None:
        """Send what no field takes: headers, paths, queries, wrong keys, and bodies that cannot be read."""
        said, document = self._plants, self._http.get("/openapi.json").json()
        reading = [(path, each["get"]) for path, each in document["paths"].items() if "get" in each]
        for path, operation in reading:
            name = operation["operationId"]
            self._http.get(path.format_map(defaultdict(lambda: number)), params={"unknown": said.text(f"asked.{name}")})
            self._http.get(re.sub("{[^}]+}", said.text(f"asked.{name}.path"), path))
            for each in parameters_of(document, operation):
                query = {each["name"]: said.text(f"asked.{name}.{each['name']}")}
                self._http.get(path.format_map(defaultdict(lambda: number)), params=query)
        names = ("User-Agent", "Referer", "Idempotency-Key", "X-Request-Id", "traceparent", "Cookie", "Host", "Origin")
        for name in (*names, "Authorization"):
            sent = {name: said.latin(f"asked.{name}")}
            self._http.post(f"/v1/complaints/{number}/actions/comment", json={"note": "好"}, headers=sent)
        for key in (said.latin("asked.key"), f"hk_{said.latin('asked.key')}", said.text("asked.key")):
            self._http.post("/sign-in", data={"key": key, "next": f"/{said.text('asked.next')}"})
        for unreadable in ('{"note": "%s"', '{"note": ["%s"]}', "%s", '{"note": "%s\\u0000"}'):
            body = (unreadable % said.text("asked.body")).encode()
            for place in ("/v1/complaints", f"/v1/complaints/{number}/actions/comment", "/v1/callers/lookup"):
                self._http.post(place, content=body)

    def _words(self) -> Json:
        """Return the plants of the fields that say something of people."""
        said = self._plants
        words = ("address", "description", "evidence", "grounds", "message", "message_en", "name", "note", "reason")
        more = ("result", "streets", "subject", "task", "thanked", "title")
        return dict.fromkeys((*words, *more), said.text) | {
            "account_no": said.latin,
            "caller_phone": said.phone,
            "lat": lambda field: said.degrees(field, 22),
            "lng": lambda field: said.degrees(field, 113),
            "phone": said.phone,
            "recording_url": lambda field: f"https://recordings.example/{said.latin(field)}",
        }

    def write_on_the_callers_page(self) -> str:
        """Register and handle a case, and say something with every button of the caller's page; return its number."""
        caller = {"phone": self._plants.phone("page.phone"), "name": self._plants.text("page.name")}
        call = {"service_code": "leak", "description": self._plants.text("page.description"), "caller": caller}
        number: str = self._http.post("/v1/complaints", json=call).raise_for_status().json()["number"]
        for action, body in (("dispatch", {"department": "repair"}), ("sign_for", {}), ("complete", {"result": "好"})):
            self._act(number, action, body)
        self._act(number, "reply", {"message": self._plants.text("page.message")})
        page = self._link(caller["phone"])
        answers = {"contacted": "true", "solved": "false", "satisfaction": "dissatisfied"}
        for act, more in (("comment", {}), ("follow_up", answers), ("reopen", {}), ("urge", {})):
            seen = self._http.get(page).raise_for_status().text
            if f'value="{act}"' in seen:
                version = re.findall(r'name="version" value="(\d+)"', seen)[0]
                form = {"act": act, "words": self._plants.text(f"page.{act}"), "version": version, **more}
                taken = self._http.post(page, data=form, headers={"Origin": self._service.api})
                assert (taken.status_code, 'role="alert"' in taken.text) == (200, False), taken.text
        self._http.get(f"/c/{self._plants.latin('asked.link')}")
        return number

    def write_in_the_temporal_ui(self, number: str) -> None:
        """Act and look for something in the Temporal UI."""
        with httpx.Client(base_url=self._service.api, trust_env=False, timeout=30) as browser:
            browser.post("/sign-in", data={"key": self._service.admin_key})
            workflows = f"{browser.base_url}/temporal/api/v1/namespaces/default/workflows"
            content = json.dumps({"note": self._plants.text("ui.note")}, ensure_ascii=False).encode()
            payload = {"metadata": {"encoding": _coded(b"json/plain")}, "data": _coded(content)}
            sent = {"request": {"input": {"name": "comment", "args": {"payloads": [payload]}}}}
            headers = {"Origin": self._service.api}
            done = browser.post(f"{workflows}/complaint-{number}/update/comment", json=sent, headers=headers)
            assert done.is_success, done.text
            said = self._plants
            for query in ("Owner = '{}'", "Owner = '{}", "`{}` = 1", "NextDueAt > '{}'"):
                browser.get(workflows, params={"query": query.format(said.text("asked.query"))})
            for sealed in ('{{"payloads": "{}"}}', '{{"payloads": [{{"metadata": {{"{}": ""}}}}]}}', "{}"):
                content = sealed.format(said.text("asked.payload")).encode()
                browser.post("/temporal/codec/decode", content=content, headers=headers)

    async def send_what_another_release_sends(self, number: str) -> None:
        """Send an update and starts that are sealed, and that this release cannot read."""
        client = await connect(Settings(data_dir=self._service.data_dir))
        told = {"actor": {"id": "90001"}, "body": {"words": self._plants.text("sealed.update")}}
        with pytest.raises(WorkflowUpdateFailedError):
            await client.get_workflow_handle(f"complaint-{number}").execute_update("comment", told)
        for workflow in ("ComplaintWorkflow", "IncidentWorkflow", "NoSuchWorkflow"):
            started = {"source": {"description": self._plants.text("sealed.start")}}
            await client.start_workflow(
                workflow, started, id=f"of-another-{workflow}", task_queue=Settings().task_queue
            )

    def settle(self) -> None:
        """Wait until SQL has all that is to be kept, so that it was said, and everybody was told."""
        wait_until(lambda: not self._missing(), lambda: f"SQL lacks {self._missing()}")
        wait_until(lambda: not _waiting(self._service), lambda: f"{_waiting(self._service)} are not told")

    def _missing(self) -> list[str]:
        with closing(_sql(self._service)) as connection:
            kept = marks_in("\n".join(connection.iterdump()).encode(), self._plants)
        words = self._plants.words.items()
        return sorted(field for mark, field in words if mark not in kept and not NOT_KEPT.match(field))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def metrics(self) -> bytes:
        """Return the metrics of the API."""
        return self._http.get("/metrics").raise_for_status().content

    def _act(self, number: str, action: str, body: Json) -> None:
        self._http.post(f"/v1/complaints/{number}/actions/{action}", json=body).raise_for_status()

    def _link(self, phone: str) -> str:
        """Return the link that this caller has got."""

        def sent() -> list[str]:
            said = (each.body.decode() for each in self._gateway.requests)
            return re.findall(r"/c/[\w-]+", " ".join(text for text in said if phone in text))

        wait_until(lambda: bool(sent()), lambda: f"no link to {phone}")
        return sent()[-1]

    def _run_on(self, content: str, *command: str) -> None:
        file = self._folder / "import.csv"
        file.write_text(content, "utf-8")
        self._service.run(*command, str(file))
        file.unlink()


def _coded(content: bytes) -> str:
    return b64encode(content).decode()


def _sql(service: Service) -> sqlite3.Connection:
    return sqlite3.connect(service.data_dir / "hotline.db", timeout=30)


def _waiting(service: Service) -> int:
    with closing(_sql(service)) as connection:
        [(waiting,)] = connection.execute("SELECT count(*) FROM notifications WHERE status IN ('due', 'routed')")
        return int(waiting)


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file that the service has written, but SQL's."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith("hotline.db"):
            with suppress(FileNotFoundError):  # written anew meanwhile
                yield str(file.relative_to(folder)), file.read_bytes()


async def messages(address: str) -> AsyncIterator[tuple[str, bytes]]:
    """Yield all that Temporal tells somebody who has no key."""
    client = await Client.connect(address)
    ask = client.workflow_service
    async for found in client.list_workflows():
        at = WorkflowExecution(workflow_id=found.id, run_id=found.run_id)
        yield f"the row of {found.id}", found.raw_info.SerializeToString()
        described = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=at)
        told = await ask.describe_workflow_execution(described)
        yield f"the description of {found.id}", told.SerializeToString()
        history = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        for event in history.events:
            yield f"event {event.event_id} of {found.id}", event.SerializeToString()
        for name in ("case", "incident", "assessment", "__temporal_workflow_metadata", "__stack_trace"):
            query = QueryWorkflowRequest(namespace=client.namespace, execution=at, query=WorkflowQuery(query_type=name))
            with suppress(RPCError):
                yield f"the query {name} of {found.id}", (await ask.query_workflow(query)).SerializeToString()
    schedules = await ask.list_schedules(ListSchedulesRequest(namespace=client.namespace))
    for schedule in schedules.schedules:
        named = DescribeScheduleRequest(namespace=client.namespace, schedule_id=schedule.schedule_id)
        yield f"the Schedule {schedule.schedule_id}", (await ask.describe_schedule(named)).SerializeToString()


@pytest.mark.asyncio
async def test_what_is_said_of_people_stands_in_clear_in_sql_alone(tmp_path: Path) -> None:
    plants, folder = Plants(), tmp_path / "service"
    (folder / "temporary").mkdir(parents=True)
    settings, read = {**UNLIMITED, "TMPDIR": str(folder / "temporary")}, dict[str, bytes]()
    async with receiver() as gateway:

        async def quote_what_came() -> web.StreamResponse:
            few = len(gateway.requests) < FAILED
            return web.Response(status=400, body=gateway.requests[-1].body) if few else await gateway.accept()

        gateway.behave = quote_what_came
        for name, content in (
            ("HOTLINE_CHANNELS", CHANNELS.format(url=gateway.url)),
            ("catalogue", CATALOGUE.format(usual=DEFAULT_CATALOGUE)),
        ):
            file = tmp_path / f"{name}.toml"
            file.write_text(content, "utf-8")
            settings[name] = str(file)
        service = Service(folder, Path(settings.pop("catalogue")), settings)
        try:
            await asyncio.to_thread(service.start)
            told = Told(service, gateway, plants, tmp_path)
            await asyncio.to_thread(told.ask_all)
            await asyncio.to_thread(told.import_files)
            number = await asyncio.to_thread(told.write_on_the_callers_page)
            await asyncio.to_thread(told.write_in_the_temporal_ui, number)
            await asyncio.to_thread(told.knock, number)
            await told.send_what_another_release_sends(number)
            await asyncio.to_thread(told.settle)
            read |= {"/metrics": told.metrics(), **dict(files(folder))}
            told.close()
            async for place, message in messages(service.temporal):
                read[place] = message
        finally:
            await asyncio.to_thread(service.stop)
    read |= {f"{place}, after the end": content for place, content in files(folder)}
    of_staff = {place for place in read if place.startswith(f"data/{STAFF}")}
    assert {plants.words[mark] for place in of_staff for mark in marks_in(read[place], plants)} <= {
        "person.name",
        "person.phone",
    }
    clear = {place: found for place, content in read.items() if place not in of_staff and (found := found_in(content))}
    assert clear == {}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("before", range(3))
def test_the_search_finds_what_is_escaped_or_encoded(encoding: str, before: int) -> None:
    plants = Plants()
    for value in (plants.text("a"), plants.latin("b"), plants.phone("c"), str(plants.degrees("d", 22))):
        raw = bytes(before) + value.encode(encoding) + b"."
        for content in (raw, b64encode(raw), json.dumps({"said": value}).encode()):
            assert found_in(content)
    assert found_in(b"nothing of it") == []
