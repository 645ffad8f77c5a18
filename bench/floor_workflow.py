"""Workflow of the floor: the path of one case in Temporal itself, without code of the hotline."""

from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def nothing() -> None:
    """Do nothing: the price of an activity alone."""


@workflow.defn
class Floor:
    """Workflow with as many updates as a case has operations, each with one empty regular activity."""

    def __init__(self) -> None:
        self._done = 0

    @workflow.run
    async def run(self, operations: int) -> None:
        """Run until that many updates have been answered."""
        await workflow.wait_condition(lambda: self._done >= operations and workflow.all_handlers_finished())

    @workflow.update
    async def act(self) -> int:
        """Run the empty activity and answer when it is done, with the count of updates so far."""
        await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=5))
        self._done += 1
        return self._done
