"""The command `hotline handover`: all open cases of a person get another owner."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer

from domain.case.bulk import Handover, HandoverProgress
from domain.rights.rights import HAND_OVER
from domain.shared.actors import OWNERS
from hotline.cli.person import named_faults
from hotline.cli.shared import reaching_both, writing_sql
from hotline.settings import Settings
from readmodel.people import people
from readmodel.people.people import PeopleError
from readmodel.people.workload import begin_handover

app = typer.Typer()


@app.command("handover")
def handover(
    previous_owner: Annotated[str, typer.Argument(metavar="FROM", help="Id of the owner, who may have left.")],
    owner: Annotated[str, typer.Argument(metavar="TO", help="Id of the new owner, a person of no crew.")],
    reason: Annotated[str, typer.Option(help="Reason; it stands on the timeline of each case.")],
    by: Annotated[str, typer.Option("--as", help="Id of the supervisor or administrator who orders it.")],
) -> None:
    """Hand over all open cases of a person, and wait for the end; it does not depend on this command."""
    with writing_sql() as connection:
        known, to, actor = (people.get(connection, each) for each in (previous_owner, owner, by))
        if to.left_at or to.role not in OWNERS or to.id == known.id:
            gets_none = f"{to.id} cannot get the cases of {known.id}"
            raise PeopleError(f"{gets_none}; accepted: another person of no crew, at work")
        if actor.left_at or actor.role not in HAND_OVER.reach:
            accepted = " or ".join(sorted(HAND_OVER.reach))
            raise PeopleError(f"{actor.id} hands no cases over; accepted: {accepted}, at work")
        with named_faults():
            order = Handover(
                id=uuid.uuid4().hex,
                previous_owner=known.id,
                owner=to.id,
                people=to.actor.people,
                reason=reason,
                actor=actor.actor,
            )
        begin_handover(connection, order, datetime.now(UTC))
    with reaching_both(f"handover-{order.id} may be under way; see the Temporal UI"):
        done = asyncio.run(_hand_over(order))
    typer.echo(f"handed over: {done.handed_over}; refused: {len(done.refused)}")
    for number, why in done.refused.items():
        typer.echo(f"  {number}: {why}")


async def _hand_over(order: Handover) -> HandoverProgress:
    from hotline.installation import connect_to_own
    from workflows.bulk import HandoverStart
    from workflows.clients.bulk import start_handover
    from workflows.clients.start import Request

    settings = Settings()
    start, request = HandoverStart.of(order), Request(key=order.id)
    return await (await start_handover(await connect_to_own(settings), settings.task_queue, start, request)).result()
