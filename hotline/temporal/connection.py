"""Connection to Temporal for worker, API and commands.

Address, namespace, TLS and keys come from `temporalio.envconfig`: the variables `TEMPORAL_ADDRESS`,
`TEMPORAL_NAMESPACE`, `TEMPORAL_TLS_*`, `TEMPORAL_API_KEY`, or a profile in Temporal's own TOML file. If they name no
address, Temporal is on this machine: at `HOTLINE_TEMPORAL_PORT`, or where `hotline up` runs it for the data folder.
"""

import asyncio
import logging
import time
from typing import cast

from temporalio.client import Client, ClientConnectConfig
from temporalio.envconfig import ClientConfig
from temporalio.service import GrpcCompression

from domain.shared.errors import OperatorError
from hotline.files.data_folder import temporal_address
from hotline.keys import ring_of
from hotline.settings import Settings
from hotline.temporal.converter import sealing

LOOPBACK = "127.0.0.1"
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

logger = logging.getLogger(__name__)


async def connect(settings: Settings, *, lazy: bool = False, wait_seconds: float = 0.0) -> Client:
    """Connect to Temporal with the data converter and the interceptor that every part of the service uses.

    `lazy`: return at once, the first call connects; for the API, which must start while Temporal is down. Otherwise
    Temporal may take `wait_seconds` to answer, or for ever with `inf`; then RuntimeError is raised. Raises
    OperatorError if the connection is configured wrongly.
    """
    address = known_address(settings) or f"{LOOPBACK}:{settings.temporal_port}"
    config: ClientConnectConfig = {**_configured(), "target_host": address}
    config |= cast("ClientConnectConfig", {**sealing(ring_of(settings)), "lazy": lazy})
    # Our payloads are a few kilobytes and the server is near: compression costs a tenth of the CPU on both sides.
    config["grpc_compression"] = GrpcCompression.NONE
    give_up_at = time.monotonic() + wait_seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await Client.connect(**config)
        except ValueError as error:
            raise OperatorError(
                f"Temporal at {address!r} cannot be connected to; check TEMPORAL_ADDRESS and TEMPORAL_TLS_*: {error}"
            ) from error
        except RuntimeError as error:
            left = give_up_at - time.monotonic()
            if left <= 0:
                raise RuntimeError(
                    f"Temporal does not answer at {config['target_host']} (TEMPORAL_ADDRESS): {error}"
                ) from error
            logger.warning("Temporal does not answer at %s yet, trying on", config["target_host"])
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def known_address(settings: Settings) -> str | None:
    """As named, or as `hotline up` has it; None if neither. Raises OperatorError."""
    if named := _configured().get("target_host"):
        return named
    if "temporal_port" in settings.model_fields_set:
        return f"{LOOPBACK}:{settings.temporal_port}"
    return temporal_address(settings.data_dir)


def _configured() -> ClientConnectConfig:
    """Read what the operator has configured. Raises OperatorError."""
    try:
        # The SDK describes the same mapping by two types, of which the client's has more keys.
        return cast("ClientConnectConfig", ClientConfig.load_client_connect_config())
    except (RuntimeError, ValueError) as error:
        raise OperatorError(
            "the connection to Temporal is configured wrongly (TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE and the other"
            f" variables TEMPORAL_*): {error}"
        ) from error
