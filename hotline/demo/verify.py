"""Check over HTTP: each call has one case, which is as planned, and nothing else is wrong."""

import asyncio
import time
from collections.abc import Sequence

from hotline.demo.calls import Call
from hotline.demo.client import Json, Rejected
from hotline.demo.play import Player
from hotline.demo.show import Show, Verdict

AT_ONCE = 12
LOOK_AGAIN_SECONDS = 1.0


async def verify(player: Player, show: Show, patience: float) -> Verdict:
    """Compare every case with its plan, and look again at those that differ until `patience` seconds have passed.

    A promise that was left to be missed needs its time, and so do messages, and a read model that was down.
    Raises Rejected, Unreachable.
    """
    verdict = Verdict()
    give_up_at = time.monotonic() + patience
    while True:
        await _look(player, show, verdict)
        if verdict.good or time.monotonic() >= give_up_at:
            return verdict
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _look(player: Player, show: Show, verdict: Verdict) -> None:
    cases = await player.cases(show.calls)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(call: Call) -> None:
        async with places:
            found = await _compare(player, show, call, cases.get(call.index), verdict)
        verdict.differences.pop(call.index, None)
        if found:
            verdict.differences[call.index] = found

    undecided = (
        call for call in show.calls if call.index in verdict.differences or call.index not in verdict.timelines
    )
    await asyncio.gather(*map(one, [*undecided]))
    twins = ((first["number"], twin["number"]) for first, *others in cases.values() for twin in others)
    verdict.faults = [f"{twin} is the call of {first} taken a second time" for first, twin in twins]
    verdict.faults += await show.faults(player, verdict)


async def _compare(player: Player, show: Show, call: Call, cases: Sequence[Json] | None, verdict: Verdict) -> list[str]:
    if not cases:
        return ["has no case"]
    complaint, path = cases[0], f"/complaints/{cases[0]['number']}"
    try:
        timeline = await player.timeline(path)
        if len(timeline) != complaint["version"]:
            # Something has happened since the list was read.
            complaint = await player.hotline.get(path)
    except Rejected as refusal:
        return [str(refusal)]
    verdict.complaints[call.index], verdict.timelines[call.index] = complaint, timeline
    return [*show.differences(call, complaint, timeline, player.run.incident)]
