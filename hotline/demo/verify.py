"""Check of a whole day over HTTP: every case exists once and is as planned."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hotline.demo.check import differences
from hotline.demo.client import Hotline, Json, Rejected
from hotline.demo.day import Call, account_no
from hotline.demo.journal import Journal

AT_ONCE = 12
LOOK_AGAIN_SECONDS = 1.0
LARGEST_PAGE = 200


@dataclass
class Verdict:
    """Result of the check, by the index of the call. `strays` are cases of this run that were not planned."""

    complaints: dict[int, Json] = field(default_factory=dict)
    differences: dict[int, list[str]] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Return True if everything is as planned."""
        return not self.differences and not self.strays


async def verify(hotline: Hotline, calls: Sequence[Call], journal: Journal, patience: float) -> Verdict:
    """Compare every case with its plan, and look again at those that differ until `patience` seconds have passed.

    A promise that was left to be missed needs its time, and so does a read model that was down.
    Raises Rejected, Unreachable.
    """
    verdict = Verdict()
    give_up_at = time.monotonic() + patience
    await _look(hotline, calls, journal, verdict)
    while verdict.differences.keys() & journal.numbers.keys() and time.monotonic() < give_up_at:
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        await _look(hotline, [call for call in calls if call.index in verdict.differences], journal, verdict)
    verdict.strays = await _strays(hotline, calls, journal)
    return verdict


async def _look(hotline: Hotline, calls: Sequence[Call], journal: Journal, verdict: Verdict) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(call: Call) -> None:
        async with places:
            found = await _compare(hotline, call, journal.numbers.get(call.index), verdict)
        verdict.differences.pop(call.index, None)
        if found:
            verdict.differences[call.index] = found

    await asyncio.gather(*map(one, calls))


async def _compare(hotline: Hotline, call: Call, number: str | None, verdict: Verdict) -> list[str]:
    if number is None:
        return ["was never registered"]
    try:
        complaint = await hotline.get(f"/complaints/{number}")
        timeline = [item async for item in hotline.items(f"/complaints/{number}/timeline")]
    except Rejected as refusal:
        return [str(refusal)]
    verdict.complaints[call.index] = complaint
    return differences(call.plan, complaint, timeline)


async def _strays(hotline: Hotline, calls: Sequence[Call], journal: Journal) -> list[str]:
    """Return faults of the list of this run's cases, found by account number: each must be in it once."""
    ours = {account_no(journal.run, call.index): journal.numbers.get(call.index) for call in calls}
    listed: Counter[str] = Counter()
    strays = []
    async for complaint in hotline.items("/complaints", q=journal.run, limit=str(LARGEST_PAGE)):
        account = complaint["caller"]["account_no"]
        if account in ours and complaint["number"] == ours[account]:
            listed[complaint["number"]] += 1
        elif account in ours:
            strays.append(f"{complaint['number']} is the call of {ours[account]} taken a second time")
    strays += [
        f"{number} is listed {listed[number]} times" for number in ours.values() if number and listed[number] != 1
    ]
    return strays
