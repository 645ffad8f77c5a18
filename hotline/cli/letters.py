"""The commands `hotline letters`: dead letters, notifications that could not be delivered."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from domain.shared.errors import OperatorError
from hotline.cli.shared import minute, reading_sql, show_table, writing_sql
from readmodel.notifications.notifications import dead_letters, resend_all
from readmodel.notifications.notifications import resend as apply

app = typer.Typer(name="letters", no_args_is_help=True, help="Dead letters: notifications that could not be delivered.")


@app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most dead letters to show.")] = 50) -> None:
    """Show dead letters, the newest first."""
    with reading_sql() as connection:
        page = dead_letters(connection, limit=limit)
    letters = (
        (each.key, minute(each.dead_at), each.error or "", f"{each.text_zh}\n{each.text_en}") for each in page.items
    )
    show_table(("key", "given up (UTC)", "why", "notification"), letters)
    if page.next_cursor:
        typer.echo(f"there are more; --limit shows more than {limit}")


@app.command("resend")
def resend(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Keys from the list.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Send all dead letters again.")] = False,
) -> None:
    """Send dead letters again by the present channels: all named ones, or none if one of them cannot be sent."""
    if every is bool(keys):
        raise OperatorError("accepted: keys of dead letters, or --all")
    at = datetime.now(UTC)
    with writing_sql() as connection:
        if every:
            count = resend_all(connection, at)
        else:
            done = apply(connection, list(dict.fromkeys(keys or ())), at)
            wrong = [*(f"{key} is unknown" for key in done.unknown), *(f"{key} is not dead" for key in done.not_dead)]
            if wrong:
                raise OperatorError(
                    f"nothing is sent again: {', '.join(wrong)}; accepted: keys of `hotline letters list`"
                )
            count = len(done.due)
    typer.echo(f"{count} dead letters are due again")
