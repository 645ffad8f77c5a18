"""Codec endpoint of the Temporal UI: what of a history each person reads, and that nobody has anything sealed by it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict, Parse, ParseDict
from starlette.responses import Response
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest
from temporalio.converter import WorkflowSerializationContext

from activities.names import complaint_id
from activities.sealing.envelope import SEALED, Envelope
from activities.sealing.keys import Key
from activities.sealing.stamps import COMMAND, Stamp
from api.sign_in.sessions import LONGEST_SESSION
from api.temporal_ui import reading
from api.temporal_ui.reading import _models, case_read
from tests.support.api import Api, Clock, further_api, problem
from tests.support.sealing import OneKey, stranger
from tests.support.ui_proxy import Behind, ui_proxy
from worker import WORKFLOWS

pytestmark = pytest.mark.asyncio(loop_scope="session")

DECODE, ENCODE = "/temporal/codec/decode", "/temporal/codec/encode"
PHONE, NAME, ADDRESS, ACCOUNT = "13912340987", "欧阳小明", "岐江新村27栋", "0420013"
CALL = {
    "service_code": "leak",
    "caller": {"name": NAME, "phone": PHONE, "account_no": ACCOUNT},
    "location": {"district": "west", "address": ADDRESS},
    "description": f"楼道漏水，请打{PHONE}",
}
OFFICE = ("chen", "zhou", "xu", "gao", "he", "chief")
NO_MODEL = "administrators alone"


def payloads_in(content: Any) -> Iterator[Payload]:
    """Yield the payloads of JSON as the UI finds them, but search attributes, which are clear."""
    if isinstance(content, dict):
        if {"metadata", "data"} <= content.keys():
            yield ParseDict(content, Payload())
            return
        content = [each for name, each in content.items() if name != "searchAttributes"]
    for each in content if isinstance(content, list) else ():
        yield from payloads_in(each)


async def history(api: Api, number: str) -> list[Payload]:
    """Return the payloads of a case's history, as Temporal stores them."""
    handle = stranger(api.temporal).get_workflow_handle(complaint_id(number))
    return [*payloads_in((await handle.fetch_history()).to_json_dict())]


async def post(behind: Behind, by: str | None, payloads: list[Payload], path: str = DECODE) -> httpx.Response:
    """Send what a page of the UI sends."""
    body = json.dumps(MessageToDict(Payloads(payloads=payloads)))
    return await behind.ask(f"{path}?preserveStorageRefs=true", by, "POST", content=body)


async def opened(behind: Behind, by: str, payloads: list[Payload]) -> list[Payload]:
    answer = await post(behind, by, payloads)
    assert answer.status_code == 200, answer.text
    return [*Parse(answer.content, Payloads()).payloads]


async def words(behind: Behind, by: str, payloads: list[Payload]) -> str:
    """Return all that somebody reads of these payloads."""
    return "\n".join(each.data.decode() for each in await opened(behind, by, payloads))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def behind(on_sqlite: Api) -> AsyncIterator[Behind]:
    async with ui_proxy(on_sqlite) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def number(behind: Behind) -> str:
    """A case of the department repair, whose caller has been corrected."""
    case: str = (await behind.api.register(CALL)).json()["number"]
    caller = {"name": NAME, "phone": f"{PHONE[:-1]}8"}
    for by, action, body in (
        ("zhou", "dispatch", {"department": "repair"}),
        ("xu", "correct", {"reason": "来电人更正", "caller": caller, "location": {"address": f"{ADDRESS}后门"}}),
        ("wu", "sign_for", {}),
    ):
        answer = await behind.api.act(case, action, body, by)
        assert answer.is_success, answer.text
    return case


@pytest.fixture
def envelope(behind: Behind) -> Envelope:
    """The service's own, for any workflow."""
    return behind.api.backend.cases.client.envelope


class TestWhoReads:
    async def test_temporal_stores_nothing_in_clear(self, behind: Behind, number: str) -> None:
        stored = await history(behind.api, number)
        assert len(stored) > 8
        assert {each.metadata["encoding"] for each in stored} == {SEALED}
        assert not any(part.encode() in each.data for each in stored for part in (PHONE, NAME, ADDRESS, ACCOUNT))

    @pytest.mark.parametrize("by", ["chen", "xu", "he", "chief", "wu"])
    async def test_who_sees_callers_reads_the_whole_history(self, behind: Behind, number: str, by: str) -> None:
        read = await words(behind, by, await history(behind.api, number))
        for part in (PHONE, NAME, ADDRESS, ACCOUNT, "楼道漏水", "来电人更正", "sign_for"):
            assert part in read
        assert NO_MODEL not in read
        assert "Sealed" not in read

    @pytest.mark.parametrize("by", ["gao", "zhou"])
    async def test_others_read_it_masked(self, behind: Behind, number: str, by: str) -> None:
        read = await words(behind, by, await history(behind.api, number))
        for part in (PHONE, f"{PHONE[:-1]}8", NAME, ACCOUNT, "digest"):
            assert part not in read
        assert (ADDRESS in read) == (by == "zhou")
        for part in ("139****0987", "欧**明", "楼道漏水", "sign_for"):
            assert part in read
        assert "Sealed" not in read

    async def test_a_crew_reads_an_ended_case_masked(self, behind: Behind) -> None:
        case: str = (await behind.api.register(CALL)).json()["number"]
        await behind.api.act(case, "dispatch", {"department": "repair"})
        stored = await history(behind.api, case)
        assert PHONE in await words(behind, "wu", stored)
        assert (await behind.api.act(case, "withdraw", {"reason": "重复"}, "xu")).is_success
        read = await words(behind, "wu", stored)
        assert PHONE not in read
        assert "139****0987" in read

    async def test_a_crew_reads_nothing_of_another_department(self, behind: Behind, number: str) -> None:
        for each in await opened(behind, "sun", await history(behind.api, number)):
            assert "metering" in json.loads(each.data)
            assert each.metadata == {"encoding": b"json/plain"}

    async def test_a_crew_reads_no_numbers_of_other_cases(self, behind: Behind) -> None:
        await behind.api.register(CALL)
        case = (await behind.api.register(CALL)).json()
        assert case["possible_duplicates"]
        await behind.api.act(case["number"], "dispatch", {"department": "repair"})
        stored = await history(behind.api, case["number"])
        assert "possible_duplicates" in await words(behind, "chen", stored)
        assert "possible_duplicates" not in await words(behind, "wu", stored)

    async def test_without_a_session_nothing_is_opened(self, behind: Behind, number: str) -> None:
        stored = await history(behind.api, number)
        for path in (DECODE, ENCODE):
            problem(await post(behind, None, stored, path), 401, "no-session")
            problem(await post(behind, "pbx", stored, path), 403, "wrong-role")
            foreign = await behind.ask(path, method="POST", headers={"Sec-Fetch-Site": "cross-site"}, content="{}")
            problem(foreign, 403, "foreign-request")
            problem(await behind.ask(path), 403, "temporal-ui-not-allowed")
        key = {"Authorization": f"Bearer {behind.api.tokens['chief']}", "Cookie": "hotline=forged"}
        problem(await behind.ask(DECODE, None, "POST", headers=key, content="{}"), 401, "no-session")

    async def test_an_ended_session_opens_nothing(self, on_sqlite: Api, number: str) -> None:
        clock = Clock()
        async with ui_proxy(on_sqlite, clock) as behind:
            kept = behind.api.session("chief")
            body = json.dumps(MessageToDict(Payloads(payloads=await history(on_sqlite, number))))
            for hours, status in ((timedelta(0), 200), (LONGEST_SESSION + timedelta(seconds=1), 401)):
                clock.fixed = on_sqlite.clock() + hours
                answer = await behind.api.http.post(DECODE, content=body, headers=kept)
                assert answer.status_code == status

    async def test_who_sends_too_many_is_refused(self, on_sqlite: Api) -> None:
        async with ui_proxy(on_sqlite, reads_per_minute=1) as behind:
            found = [(await post(behind, "chief", [])).status_code for _ in range(21)]
            assert found == [*[200] * 20, 429]

    async def test_bodies_of_one_person_are_opened_one_after_the_other(
        self, behind: Behind, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each may take a thread a second, and a browser sends many."""
        opening, most, both = 0, 0, asyncio.Event()

        async def slow(*_: object) -> Response:
            nonlocal opening, most
            opening, most = opening + 1, max(most, opening + 1)
            if most == 2:
                both.set()
            await (asyncio.sleep(0.1) if people == ["xu"] * 3 else both.wait())
            opening -= 1
            return Response()

        monkeypatch.setattr("api.temporal_ui.proxy.answer_codec", slow)
        for people, at_once in ((["xu"] * 3, 1), (["xu", "he"], 2)):
            most = 0
            await asyncio.gather(*(post(behind, by, []) for by in people))
            assert most == at_once


class TestWhatIsOpened:
    async def test_texts_for_the_ui_are_read_by_whoever_reads_the_case(self, behind: Behind, number: str) -> None:
        """They hold no field of the caller; telephones among the words are masked as over HTTP."""
        asked = stranger(behind.api.temporal).get_workflow_handle(complaint_id(number))
        for query in ("__temporal_workflow_metadata", "__stack_trace"):
            answer = await behind.api.temporal.workflow_service.query_workflow(_asking(asked.id, query))
            sealed = [*answer.query_result.payloads]
            for by in OFFICE:
                read = await words(behind, by, sealed)
                assert NO_MODEL not in read
                assert not any(part in read for part in (NAME, ADDRESS, ACCOUNT))
                if query != "__stack_trace":
                    assert "楼道漏水" in json.loads(read)["currentDetails"]
                    assert (PHONE in read) == (by in ("chen", "xu", "he", "chief"))

    async def test_what_has_no_model_is_for_administrators(
        self, behind: Behind, number: str, envelope: Envelope
    ) -> None:
        said = Payload(
            metadata={"encoding": b"json/plain"}, data=json.dumps({"message": PHONE, "stack_trace": ""}).encode()
        )
        sealed = [sealed_for(envelope, number, said)]
        assert PHONE in await words(behind, "chief", sealed)
        for by in ("chen", "xu", "gao", "wu"):
            assert NO_MODEL in await words(behind, by, sealed)

    async def test_a_message_is_read_with_the_model_of_its_stamp(
        self, behind: Behind, number: str, envelope: Envelope
    ) -> None:
        stored = {Stamp.of(each)[:2]: each for each in map(opener(envelope, number), await history(behind.api, number))}
        command = stored[COMMAND, "correct"]
        command.metadata["name"] = b"sign_for"
        assert NO_MODEL in await words(behind, "chen", [sealed_for(envelope, number, command)])

    async def test_what_is_clear_or_garbage_stays_as_it_is(
        self, behind: Behind, number: str, envelope: Envelope
    ) -> None:
        clear = [
            Payload(metadata={"encoding": b"json/plain", "type": b"Keyword"}, data=b'"leak"'),
            Payload(),
            Payload(data=b"\xff"),
        ]
        for by in ("chief", "sun"):
            assert await opened(behind, by, clear) == clear
        said = Payload(metadata={"encoding": b"json/plain"}, data=b'"x"')
        mine, foreign = (
            sealed_for(envelope, number, said),
            sealed_for(Envelope(OneKey(Key(b"evil", b"x"))), number, said),
        )
        moved, cut = Payload(), Payload()
        moved.CopyFrom(mine)
        moved.metadata["for"] = b'["complaint-2608034711004"]'
        cut.CopyFrom(mine)
        cut.data = mine.data[:-1]
        bad = [moved, cut]
        for name in (b"", b"[]", b"7", b'["a","b"]', b'[["a"]]', b"[" * 100_000, b"\xff", b"null"):
            bad.append(Payload())
            bad[-1].CopyFrom(mine)
            bad[-1].metadata["for"] = name
        for each in await opened(behind, "chief", bad):
            assert "has not sealed this" in json.loads(each.data)
        [told] = await opened(behind, "chief", [foreign])
        assert "6576696c" in json.loads(told.data)

    @pytest.mark.parametrize("body", ["", "7", "{", '{"payloads": 7}', '{"payloads": [{"data": 7}]}', "[" * 50_000])
    async def test_no_payloads_are_a_bad_request(self, behind: Behind, body: str) -> None:
        for path in (DECODE, ENCODE):
            problem(await behind.ask(path, method="POST", content=body), 400, "bad-request")

    async def test_a_payload_of_two_megabytes_is_opened(self, behind: Behind, number: str, envelope: Envelope) -> None:
        large = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps("x" * 2_000_000).encode())
        [found] = await opened(behind, "chief", [sealed_for(envelope, number, large)])
        assert found.data == large.data
        too_large = await behind.ask(ENCODE, method="POST", content=json.dumps({"payloads": [{"data": "A" * 200_000}]}))
        problem(too_large, 413, "body-too-large")

    async def test_rights_are_asked_for_only_of_what_the_service_has_sealed(
        self, behind: Behind, number: str, envelope: Envelope, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = sealed_for(envelope, number, Payload(metadata={"encoding": b"json/plain"}, data=b'"x"'))
        invented = [Payload() for _ in range(999)]
        for place, each in enumerate(invented):
            each.CopyFrom(said)
            each.metadata["for"] = json.dumps([complaint_id(f"26113{place:08}")]).encode()
        asked = list[str]()

        def noted(_cases: Any, _actor: Any, of_workflow: str) -> Any:
            asked.append(of_workflow)
            return case_read(_cases, _actor, of_workflow)

        monkeypatch.setattr(reading, "case_read", noted)
        *others, last = await opened(behind, "wu", [*invented, said])
        assert (asked, NO_MODEL in last.data.decode()) == ([complaint_id(number)], False)
        assert {each.data for each in others} == {others[0].data}
        assert "has not sealed this" in json.loads(others[0].data)
        for path in (DECODE, ENCODE):
            too_many = problem(await post(behind, "chief", [Payload()] * 1001, path), 413, "body-too-large")
            assert too_many["accepted"] == ["1000 payloads at most"]

    async def test_every_workflow_and_update_of_the_worker_has_a_model(self) -> None:
        named = {name for kind, name in _models() if kind == "start"}
        without = {each.__name__ for each in WORKFLOWS} - named
        assert without == {
            "CourierWorkflow",
            "InstallationWorkflow",
            "PeriodEndWorkflow",
            "SurgeWatchWorkflow",
        }
        assert None not in _models().values()


class TestEncode:
    async def test_nothing_is_sealed(self, behind: Behind, number: str) -> None:
        """Neither a new payload nor one that is sealed: what comes back is what was sent."""
        sent = [Payload(metadata={"encoding": b"json/plain"}, data=b'{"department": "repair"}')]
        sent += await history(behind.api, number)
        answer = await post(behind, "chief", sent, ENCODE)
        assert [*Parse(answer.content, Payloads()).payloads] == sent

    async def test_what_was_opened_is_not_taken_for_sealed(self, behind: Behind, number: str) -> None:
        """A stamp is not told: who sends an opened start or update again has nothing of the service's."""
        found = await opened(behind, "chief", await history(behind.api, number))
        assert {name for each in found for name in each.metadata} <= {"encoding", "messageType"}


class TestSettings:
    async def test_the_ui_is_told_where_payloads_are_opened(self, on_sqlite: Api, temporal_ui: str) -> None:
        async with further_api(on_sqlite, on_sqlite.clock, temporal_ui_url=temporal_ui) as api:
            answer = await api.http.get("/temporal/api/v1/settings", headers=api.session("wu"))
            assert answer.json()["Codec"] == {
                "Endpoint": "/temporal/codec",
                "PassAccessToken": False,
                "IncludeCredentials": True,
            }


def sealed_for(envelope: Envelope, number: str, content: Payload) -> Payload:
    """Return this content as sealed for a case."""
    return envelope.with_context(WorkflowSerializationContext("default", complaint_id(number))).seal(content)


def opener(envelope: Envelope, number: str) -> Any:
    """Return the function that opens what is sealed for a case."""
    return envelope.with_context(WorkflowSerializationContext("default", complaint_id(number))).open


def _asking(workflow: str, query: str) -> Any:
    return QueryWorkflowRequest(
        namespace="default",
        execution=WorkflowExecution(workflow_id=workflow),
        query=WorkflowQuery(query_type=query),
    )
