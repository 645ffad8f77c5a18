"""Workflow that carries the id of the installation in its memo."""

from temporalio import workflow

MEMO = "installation"
"""Key of the memo."""


@workflow.defn(name="InstallationWorkflow")
class InstallationWorkflow:
    """Workflow that does nothing: it shows to which installation this namespace belongs."""

    @workflow.run
    async def run(self) -> None:
        """Wait for ever."""
        await workflow.wait_condition(lambda: False)
