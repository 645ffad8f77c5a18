"""Messages to incidents: a case belongs to one, or does so no longer; another incident is merged into it."""

import asyncio
from datetime import timedelta
from weakref import WeakValueDictionary

from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from activities.cases.updates import ANSWER_SECONDS, is_refusal
from activities.names import ABSORB, incident_id
from domain.incident.incident import Absorbed
from domain.shared.value import Immutable

SIGNAL_TIMEOUT = timedelta(seconds=4)
"""Longest wait for one answer of Temporal: shorter than an attempt of the activity."""


class CaseSignal(Immutable):
    """Signal of a case to an incident."""

    incident: str
    signal: str
    number: str


class IncidentMessages:
    """Sender of signals and updates to incidents.

    What cases tell an incident while a signal to it is under way goes together in the next one: 20,000 calls about one
    burst main would otherwise keep its incident busy with as many signals.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._next: dict[tuple[str, str], tuple[list[str], asyncio.Task[bool]]] = {}

    @activity.defn(name="tell_incident")
    async def signal(self, message: CaseSignal) -> bool:
        """Return True once the incident has the signal in its history, False if it has ended. Raises RPCError."""
        key = message.incident, message.signal
        if key not in self._next:
            self._next[key] = [], asyncio.create_task(self._send(key))
        numbers, sent = self._next[key]
        numbers.append(message.number)
        return await asyncio.shield(sent)

    @activity.defn(name="merge_incident")
    async def merge(self, absorbed: Absorbed) -> bool:
        """Return True once the other incident has the scope, False if that has ended.

        Raises TimeoutError, RPCError, WorkflowUpdateFailedError, UndecidedError: it does not answer; the activity is
        tried again, by an update of its own, as somebody else may have answered this one.
        """
        once = f"{ABSORB}-{absorbed.incident}-{activity.info().attempt}"
        handle = self._client.get_workflow_handle(incident_id(absorbed.into))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await handle.execute_update(ABSORB, absorbed, id=once)
        except (RPCError, WorkflowUpdateFailedError) as error:
            is_gone = isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND
            if not (is_gone or is_refusal(error)):
                raise
            return False
        return True

    async def _send(self, key: tuple[str, str]) -> bool:
        incident, signal = key
        async with self._locks.setdefault(key, asyncio.Lock()):
            numbers, _ = self._next.pop(key)
            try:
                handle = self._client.get_workflow_handle(incident_id(incident))
                await handle.signal(signal, numbers, rpc_timeout=SIGNAL_TIMEOUT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return False
            return True
