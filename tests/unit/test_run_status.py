"""Answers of Temporal that its client cannot decode."""

import pytest
from temporalio.service import RPCError, RPCStatusCode

from activities.run_status import UndecodableError, ask_temporal


async def test_what_cannot_be_decoded_is_told_at_the_second_try_as_well() -> None:
    """At the first, Temporal was away."""
    told = [RPCError("away", RPCStatusCode.UNAVAILABLE, b""), RPCError("failed to decode", RPCStatusCode.INTERNAL, b"")]
    retries = list[bool]()

    async def ask(*, retry: bool = False) -> None:
        retries.append(retry)
        raise told[len(retries) - 1]

    with pytest.raises(UndecodableError):
        await ask_temporal(ask)
    assert retries == [False, True]
