"""A worker notes when people act on its cases, and not what the service does itself."""

from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.cases import BulkThrottle
from activities.names import complaint_id
from domain.case.actions.comment import Comment
from domain.case.actions.link_incident import LinkIncident
from domain.shared.actors import SYSTEM
from tests.support.hotline import Complaint, running_hotline

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("sandbox", [True, False])
@pytest.mark.slow
async def test_a_worker_notes_a_call_and_a_command_once(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, sandbox: bool
) -> None:
    noted: list[str] = []
    monkeypatch.setattr(BulkThrottle, "note_action", lambda _: noted.append("acted"))
    queue = f"people-{sandbox}"
    async with running_hotline(server, tmp_path, task_queue=queue, sandbox=sandbox) as hotline:
        complaint = await hotline.start()
        await complaint.view()
        assert len(noted) == 1
        await complaint.act(Comment(note="她一个人住"))
        assert len(noted) == 2
        await complaint.act(LinkIncident(incident="i26080347119"), SYSTEM)
        assert len(noted) == 2
    # Another worker has to replay the case, which nobody acts on again.
    async with running_hotline(server, tmp_path, task_queue=queue, sandbox=sandbox) as hotline:
        again = Complaint(hotline, complaint.number, hotline.client.get_workflow_handle(complaint_id(complaint.number)))
        assert (await again.view()).version > 1
        assert len(noted) == 2
