"""The envelope of the tests' clients and workers, by one key."""

import time
from datetime import timedelta

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.sealing.keys import Key
from hotline.temporal.converter import SealingOptions, sealing

KEY = Key(b"test", b"the secret of the tests")


class OneKey:
    """Keys of a process that has this one alone."""

    def __init__(self, key: Key = KEY) -> None:
        self.key = key

    def newest(self) -> Key:
        """Return it."""
        return self.key

    def find(self, key_id: bytes) -> Key | None:
        """Return it, if it has this id."""
        return self.key if key_id == self.key.id else None


def sealing_by(key: Key, later: timedelta = timedelta(0)) -> SealingOptions:
    """Return the envelope of this key, with a clock that is fast or slow."""
    return sealing(OneKey(key), lambda: time.time() + later.total_seconds())


def with_options(client: Client, **options: object) -> Client:
    """Return a client of the same server with these options instead of its own."""
    return Client(**{**client.config(), **options})  # type: ignore[arg-type]


def stranger(client: Client) -> Client:
    """Return a client of the same server that seals and opens nothing."""
    return with_options(client, data_converter=pydantic_data_converter, interceptors=[])


SEALING = sealing_by(KEY)
DATA_CONVERTER = SEALING["data_converter"]
