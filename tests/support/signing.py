"""Signatures of the tests' clients and workers, by one key."""

from datetime import UTC, datetime, timedelta

from temporalio.client import Client, Interceptor

from activities.keys import Key
from activities.signatures import Signatures
from hotline.temporal.converter import DATA_CONVERTER

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


def signatures_by(key: Key, later: timedelta = timedelta(0)) -> Signatures:
    """Return signatures by this key, with a clock that is fast or slow."""
    return Signatures(OneKey(key), DATA_CONVERTER.payload_converter, clock=lambda: datetime.now(UTC) + later)


def with_interceptors(client: Client, *interceptors: Interceptor) -> Client:
    """Return a client of the same server, with these interceptors alone."""
    config = client.config()
    config["interceptors"] = interceptors
    return Client(**config)


SIGNATURES = signatures_by(KEY)
