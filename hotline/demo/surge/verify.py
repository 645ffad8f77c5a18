"""Check of a surge over HTTP, and in the file of sent messages if there is one: nothing lost, no message twice."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from domain.case.lifecycle import State
from domain.incident.lifecycle import IncidentState
from domain.shared.actors import Role
from hotline.demo.client import Hotline, Json
from hotline.demo.day import account_no
from hotline.demo.journal import Journal
from hotline.demo.surge.incident import LARGEST_PAGE, Tide
from hotline.demo.surge.messages import Messages, news_differences
from hotline.demo.surge.plan import OF_THE_TIDE, Call, Surge

AT_ONCE = 12
LOOK_AGAIN_SECONDS = 1.0


@dataclass
class Verdict:
    """Result of the check, by the index of the call; `wrong` holds each fault in words."""

    complaints: dict[int, Json] = field(default_factory=dict)
    timelines: dict[int, list[Json]] = field(default_factory=dict)
    incident: Json = field(default_factory=dict)
    happened: list[Json] = field(default_factory=list)
    merged: list[Json] = field(default_factory=list)
    messages: Messages | None = None
    wrong: list[str] = field(default_factory=list)


async def verify(hotline: Hotline, surge: Surge, tide: Tide, journal: Journal, log: Path | None) -> Verdict:
    """Look at every case once. Raises Rejected, Unreachable; LookupError if no incident was opened."""
    verdict = Verdict(incident=await tide.look(), happened=await tide.timeline())
    await _read_cases(hotline, surge, journal, verdict)
    listed = (await hotline.get("/incidents", {"limit": LARGEST_PAGE}))["items"]
    since = min((case["registered_at"] for case in verdict.complaints.values()), default="")
    others = [each for each in listed if each["number"] != tide.number and tide.covers(each)]
    verdict.merged = [each for each in others if each["opened_at"] >= since]
    verdict.wrong += _of_incidents(verdict)
    for call in surge.calls:
        if call.index in verdict.complaints:
            timeline = verdict.timelines[call.index]
            found = case_differences(call, verdict.complaints[call.index], timeline, tide.number)
            verdict.wrong += [f"{verdict.complaints[call.index]['number']} ({call.kind}): {what}" for what in found]
    if log is not None:
        verdict.messages = Messages.read(log, verdict.complaints.values())
        verdict.wrong += _of_messages(surge, verdict)
    return verdict


async def verify_patiently(
    hotline: Hotline, surge: Surge, tide: Tide, journal: Journal, log: Path | None, patience: float
) -> Verdict:
    """Check again until nothing is wrong or `patience` seconds have passed: messages and SQL may lag a little."""
    give_up_at = time.monotonic() + patience
    while True:
        verdict = await verify(hotline, surge, tide, journal, log)
        if not verdict.wrong or time.monotonic() > give_up_at:
            return verdict
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _read_cases(hotline: Hotline, surge: Surge, journal: Journal, verdict: Verdict) -> None:
    """Return every case of this run, as the list has it; each call must be there once, under its number."""
    ours = {account_no(journal.run, call.index): call.index for call in surge.calls}
    async for case in hotline.items("/complaints", q=journal.run, limit=LARGEST_PAGE):
        index = ours.get(case["caller"]["account_no"])
        if index is None:
            continue
        if index in verdict.complaints or case["number"] != journal.numbers.get(index):
            verdict.wrong.append(f"{case['number']} is the call of {journal.numbers.get(index)} taken a second time")
        else:
            verdict.complaints[index] = case
    verdict.wrong += [
        f"call {call.index} ({call.kind}) is lost: {journal.numbers.get(call.index, 'it was never registered')}"
        for call in surge.calls
        if call.index not in verdict.complaints
    ]
    places = asyncio.Semaphore(AT_ONCE)

    async def one(index: int, number: str) -> None:
        async with places:
            found = hotline.items(f"/complaints/{number}/timeline", limit=LARGEST_PAGE)
            verdict.timelines[index] = [item async for item in found]

    await asyncio.gather(*(one(index, case["number"]) for index, case in verdict.complaints.items()))


def case_differences(call: Call, case: Json, timeline: Sequence[Json], incident: str) -> Iterator[str]:
    """Yield each fault of a case at the end of the run."""
    if case["state"] != State.CLOSED:
        yield f"is {case['state']}, not closed"
    seqs = [item["seq"] for item in timeline]
    if seqs != list(range(1, case["version"] + 1)):
        yield f"its timeline has gaps: {seqs} of {case['version']}"
    replies = [item for item in timeline if item["action"] == "reply"]
    if Counter(item["cycle"] for item in replies) != dict.fromkeys(range(1, case["cycle"] + 1), 1):
        yield f"was replied to in the cycles {[item['cycle'] for item in replies]}, not once in each of {case['cycle']}"
    with_others = bool(replies) and replies[0]["actor"] == Role.SYSTEM
    linked = case["incident"] == incident
    if call.kind in OF_THE_TIDE and not (linked and with_others):
        yield f"is with the incident {case['incident']}, not replied to with the others of {incident}"
    if call.kind not in OF_THE_TIDE and (case["incident"] or with_others):
        yield f"is with the incident {case['incident']}, and has its own cause"


def _of_incidents(verdict: Verdict) -> Iterator[str]:
    if verdict.incident["state"] != IncidentState.RESOLVED:
        yield f"the incident {verdict.incident['number']} is {verdict.incident['state']}, not resolved"
    for other in verdict.merged:
        if other["state"] != IncidentState.MERGED:
            yield f"a second incident of the tide is left: {other['number']} is {other['state']}"


def linked_at(timeline: Sequence[Json], incident: str) -> datetime | None:
    """Return the instant at which the case was linked to the incident, or None if it never was."""
    links = [item for item in timeline if item["data"].get("incident") == incident]
    found = [item for item in links if item["action"] in ("register", "link_incident")]
    return datetime.fromisoformat(found[0]["at"]) if found else None


def _of_messages(surge: Surge, verdict: Verdict) -> Iterator[str]:
    messages = verdict.messages
    assert messages is not None  # noqa: S101 - as the caller has made sure
    for key, times in messages.twice.items():
        yield f"the message {key} was sent {times} times"
    for index, timeline in verdict.timelines.items():
        number, owed = verdict.complaints[index]["number"], Counter(item["action"] for item in timeline)["reply"]
        if messages.replies[number] != owed:
            yield f"{number}: {messages.replies[number]} replies were sent, {owed} are owed"
    incident = verdict.incident["number"]
    linked = {
        verdict.complaints[call.index]["number"]: at
        for call in surge.of(*OF_THE_TIDE)
        if (at := linked_at(verdict.timelines.get(call.index, ()), incident))
    }
    yield from news_differences(messages, incident, verdict.happened, linked)
