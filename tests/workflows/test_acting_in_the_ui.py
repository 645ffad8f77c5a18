"""Actions from the Temporal UI, where they are allowed: the role is that of the person named, and nobody checked it."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from activities.signatures import Signatures, SigningKey
from domain.case.actions.comment import Comment
from domain.case.actions.supervise import Supervise
from domain.case.automatic.undelivered import Undelivered
from domain.shared.actors import Actor, Role
from domain.shared.command import Command
from hotline.temporal.converter import DATA_CONVERTER
from tests.support.directory import Directory
from tests.support.hotline import Complaint, metadata, running_hotline
from tests.support.signing import KEY, OneKey, signatures_by, with_interceptors
from tests.workflows.test_signatures import CONVERTER, FORGERY, KEPT, refused
from workflows.complaint import ComplaintWorkflow
from workflows.presentation.complaint import UNVERIFIED

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def failed(client: Client, complaint: Complaint, name: str, argument: Any) -> str:
    """Send an update that fails once it is known who acts; return why."""
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await client.get_workflow_handle(complaint.handle.id).execute_update(name, argument)
    assert isinstance(refusal.value.cause, ApplicationError)
    return refusal.value.cause.message


async def test_what_comes_from_the_temporal_ui_is_taken_on_request_and_marked(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    signatures = Signatures(OneKey(), CONVERTER, takes_unsigned=True)
    async with running_hotline(server, tmp_path, signatures, task_queue="from-the-ui") as hotline:
        complaint = await hotline.start()
        await complaint.act(Comment(note="已签名"))
        directory = Directory(hotline.settings.database_url)
        directory.enter("10031", Role.DISPATCHER, name="周敏")
        ui = with_interceptors(hotline.client)
        unsigned = ui.get_workflow_handle(complaint.handle.id)
        # Whoever sends it is not asked for the role: it is that of the directory.
        pretended = Actor(id="10031", role=Role.SUPERVISOR)
        assert "it takes manager or supervisor" in await failed(
            ui, complaint, "supervise", Command(actor=pretended, body=Supervise())
        )
        assert "Nobody in the directory" in await failed(ui, complaint, "comment", {"as": "99", "note": "?"})
        await unsigned.execute_update("dispatch", {"as": "10031", "department": "repair"})
        rows = await complaint.published(3)
        assert [bool(row["unverified"]) for row in rows] == [False, False, True]
        assert [(row["actor"], row["role"]) for row in rows][-1] == ("10031", "dispatcher")
        assert f"周敏{UNVERIFIED}" in (await metadata(complaint.handle)).current_details
        # Nor are a key, names, and what SQL is said to have, believed.
        told = Command(actor=pretended, body=Comment(note="?"), key="of-another", people={"10031": "?"}, acknowledged=3)
        await unsigned.execute_update("comment", told)
        [*_, last] = await complaint.published(4)
        assert (last["action"], last["people"]) == ("comment", '{"10031":"周敏"}')
        assert await complaint.handle.query("done", args=["of-another", pretended]) is None
        directory.leave("10031")
        assert "Nobody in the directory" in await failed(ui, complaint, "comment", {"as": "10031", "note": "?"})
        # A replay asks no directory: who it was stands in the history.
        again = Replayer(workflows=[ComplaintWorkflow], interceptors=[signatures], data_converter=DATA_CONVERTER)
        await again.replay_workflow(await complaint.handle.fetch_history())
        # The service itself sends these alone.
        own = Undelivered(key="a-notification")
        assert "not signed" in await refused(ui, complaint, "undelivered", own)
        forged = with_interceptors(hotline.client, signatures_by(SigningKey(KEY.id, b"guessed")))
        assert FORGERY in await refused(forged, complaint, "comment", KEPT)
