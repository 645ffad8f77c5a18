"""Runs the API: `python -m api`."""

import logging

import uvicorn

from api.app import create_app
from hotline import entry, process
from hotline.settings import Settings, encryption_warning
from hotline.temporal.connection import connect

log = logging.getLogger("hotline.api")

GRACE_SECONDS = 12
"""Requests that are under way may end: longer than any of them may take."""


async def serve(settings: Settings) -> None:
    """Answer until SIGTERM or SIGINT, then end what is under way."""
    if warning := encryption_warning(settings):
        log.warning("%s", warning)
    app = create_app(settings, await connect(lazy=True))
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    await uvicorn.Server(config).serve()


def main() -> None:
    """Start the API with the settings of the environment."""
    process.run(serve)


if __name__ == "__main__":
    entry.run_main(main)
