"""The command `hotline temporal-setup`, which prepares a Temporal cluster."""

import asyncio
from datetime import timedelta
from typing import Annotated

import typer

from domain.shared.operator_errors import OperatorError

app = typer.Typer()


@app.command("temporal-setup")
def temporal_setup(
    retention_days: Annotated[int, typer.Option(min=1, help="Days a new namespace keeps ended histories.")] = 30,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for Temporal to answer.")] = 10.0,
) -> None:
    """Register namespace and search attributes on the cluster of TEMPORAL_ADDRESS. Repeating it does no harm."""
    from hotline.temporal.connection import connect
    from hotline.temporal.setup import prepare

    async def prepared() -> str:
        return await prepare(await connect(wait_seconds=wait), timedelta(days=retention_days))

    try:
        typer.echo(asyncio.run(prepared()))
    except (RuntimeError, ValueError) as error:
        raise OperatorError(str(error)) from error
