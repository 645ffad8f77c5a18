"""Local activity by which cases tell an incident that they belong to it, or do so no longer."""

import asyncio
from datetime import timedelta
from weakref import WeakValueDictionary

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.shared.value import Immutable

SIGNAL_TIMEOUT = timedelta(seconds=4)
"""Longest wait for one answer of Temporal: shorter than an attempt of the activity."""


class Told(Immutable):
    """Incident by its workflow id, the signal to send to it, and the number of the case."""

    incident: str
    signal: str
    number: str


class IncidentTeller:
    """Sender of signals. What cases tell an incident while a signal to it is under way goes together in the next one.

    20,000 calls about one burst main would otherwise keep its incident busy with as many signals.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._next: dict[tuple[str, str], tuple[list[str], asyncio.Task[bool]]] = {}

    @activity.defn(name="tell_incident")
    async def tell(self, told: Told) -> bool:
        """Return True once the incident has the signal in its history, False if it has ended. Raises RPCError."""
        key = told.incident, told.signal
        if key not in self._next:
            self._next[key] = [], asyncio.create_task(self._send(key))
        numbers, sent = self._next[key]
        numbers.append(told.number)
        return await asyncio.shield(sent)

    async def _send(self, key: tuple[str, str]) -> bool:
        incident, signal = key
        async with self._turns.setdefault(key, asyncio.Lock()):
            numbers, _ = self._next.pop(key)
            try:
                await self._client.get_workflow_handle(incident).signal(signal, numbers, rpc_timeout=SIGNAL_TIMEOUT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return False
            return True
