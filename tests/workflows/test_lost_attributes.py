"""Cases and incidents go on after somebody has removed a search attribute, and the setup has added it again."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from domain.case.actions.comment import Comment
from domain.incident.actions import Inform
from domain.shared.errors import OperatorError
from hotline.temporal.cluster import prepare
from tests.support.causes import Cause, declare
from tests.support.hotline import Complaint, running_hotline
from tests.support.reconciler import has_swept, reconcile_at_once
from tests.support.sealing import stranger
from tests.support.temporal import temporal_server
from workflows.clients.upkeep import RECONCILER
from workflows.kit.search_attributes import COLUMNS

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]


async def columns(client: Client) -> dict[str, str]:
    """Return the names of search attributes by the column in which Temporal keeps them."""
    found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    return dict(found.config.custom_search_attribute_aliases)


async def rename(client: Client, names: dict[str, str]) -> None:
    """Give columns these names, or none."""
    request = UpdateNamespaceRequest(namespace=client.namespace)
    request.config.custom_search_attribute_aliases.update(names)
    await stranger(client).workflow_service.update_namespace(request)


@pytest.mark.parametrize("name", ["State", "ChangedAt"])
async def test_what_began_before_goes_on_and_the_setup_brings_its_attributes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Somebody removes one, and all are in other columns for a while."""
    async with await temporal_server() as server:
        client = server.client
        await prepare(client, timedelta(days=1))
        assert await columns(client) == COLUMNS
        async with running_hotline(server, tmp_path) as hotline:
            cases = [await hotline.start() for _ in range(4)]
            for case in (cases[0], cases[3]):
                await case.act(Comment(note="用户又来电"))
            incident = await declare(hotline, "west")
            await incident.published("declare")
        removal = RemoveSearchAttributesRequest(namespace=client.namespace, search_attributes=[name])
        await stranger(client).operator_service.remove_search_attributes(removal)
        await rename(client, {"Keyword01": "", "Keyword05": "", "Datetime02": ""})
        await rename(client, {"Keyword01": "Owner", "Keyword05": "State", "Datetime03": "ChangedAt"})
        async with running_hotline(server, tmp_path) as hotline:
            for case in cases[2:]:
                await Complaint(hotline, case.number, case.handle).act(Comment(note="仍未来水"))
            await Cause(hotline, incident.number).act(Inform(message="正在抢修"))
        assert "may be wrong: Owner" in (said := await prepare(client, timedelta(days=1))).replace("State, ", "")
        assert await columns(client) == COLUMNS
        assert "may be wrong" not in await prepare(client, timedelta(days=1)), said
        reconcile_at_once(monkeypatch)
        async with running_hotline(server, tmp_path, reconcile_seconds=0.1) as hotline:
            await RECONCILER.start(client, hotline.settings.task_queue)
            for case in cases[1:]:
                await Complaint(hotline, case.number, case.handle).act(Comment(note="仍未来水"))
            await has_swept(client)
            assert [await Complaint(hotline, case.number, case.handle).lost() for case in cases] == [None] * 4
        assert len([each async for each in client.list_workflows("State = 'registered'")]) == 4


async def test_the_column_of_a_foreign_attribute_is_left_alone() -> None:
    async with await temporal_server() as server:
        client = server.client
        await prepare(client, timedelta(days=1))
        await rename(client, {"Keyword01": ""})
        await rename(client, {"Keyword01": "Theirs", "Keyword10": "State"})
        await prepare(client, timedelta(days=1))
        assert await columns(client) == {**COLUMNS, "Keyword01": "Theirs", "Keyword10": "State"}


async def test_the_setup_names_foreign_attributes_that_leave_no_column() -> None:
    """Somebody has removed one of the service and added as many of their own as Temporal takes."""
    async with await temporal_server() as server:
        client = server.client
        await prepare(client, timedelta(days=1))
        operator = stranger(client).operator_service
        removal = RemoveSearchAttributesRequest(namespace=client.namespace, search_attributes=["NextDueAt"])
        await operator.remove_search_attributes(removal)
        added = []
        with suppress(RPCError):
            for number in range(9):
                request = AddSearchAttributesRequest(namespace=client.namespace)
                request.search_attributes[f"Theirs{number}"] = IndexedValueType.INDEXED_VALUE_TYPE_DATETIME
                await operator.add_search_attributes(request)
                added.append(f"Theirs{number}")
        with pytest.raises(OperatorError, match=", ".join(added)):
            await prepare(client, timedelta(days=1))
        removal = RemoveSearchAttributesRequest(namespace=client.namespace, search_attributes=added)
        await operator.remove_search_attributes(removal)
        assert "added: NextDueAt" in await prepare(client, timedelta(days=1))
        assert await columns(client) == COLUMNS
