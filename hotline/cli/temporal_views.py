"""The command `hotline temporal-views`: links that install the saved views of the Temporal UI one by one."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from domain.shared.operator_errors import OperatorError
from hotline.cli.shared import catalogue_in_force, reading_sql
from hotline.settings import Settings
from readmodel.people import find

app = typer.Typer()


@app.command("temporal-views")
def temporal_views(
    me: Annotated[str | None, typer.Option(help="Your id, as `hotline person list` shows it: for *My cases*.")] = None,
    ui: Annotated[str | None, typer.Option(help="Address of the UI; by default /temporal of the API.")] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the cases.")] = "default",
) -> None:
    """Print links that install saved views in the Temporal UI, one each, with the dates of today."""
    from api.temporal_ui.saved_views import VIEWS, of_today, personal

    department = _department_of(me) if me else None
    zone = catalogue_in_force().calendar.timezone
    address = (ui or f"{Settings().public_url}/temporal").rstrip("/")
    for view in (*personal(me, department), *of_today(datetime.now(UTC), zone), *VIEWS):
        typer.echo(f"{view.title}\n  {view.link(address, namespace)}")


def _department_of(person_id: str) -> str | None:
    """Return the department of a person. Raises OperatorError if nobody has this id."""
    with reading_sql() as connection:
        person = find(connection, person_id)
    if person is None or person.left_at:
        raise OperatorError(f"nobody has the id {person_id}; accepted: an id of `hotline person list`")
    return person.department
