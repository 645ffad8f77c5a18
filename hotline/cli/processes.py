"""The commands `hotline api` and `hotline worker`: one process of the service each."""

import typer

from hotline.cli.channels import check_documents, check_notifications
from hotline.settings import Settings

app = typer.Typer()


@app.command()
def api() -> None:
    """Run the API alone; Temporal and worker run elsewhere."""
    check_documents(Settings())
    from api.__main__ import main

    main()


@app.command()
def worker() -> None:
    """Run a worker alone; Temporal and API run elsewhere. Several may run."""
    check_notifications(Settings())
    from worker import main

    main()
