"""A salt tide (咸潮), made from a seed and played as the day is: one cause, one incident, news, one reply to all."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from demo.calls import LEAST_CASES, Call, intake, words
from demo.client import Json
from demo.plans import LINK, PLANS, District, Offer
from demo.play import DONE, LOOK_AGAIN_SECONDS, LOOK_EVERY_SECONDS, REGISTERED, Player, Verdict
from domain.incident.incident import NEWS
from domain.incident.state import LINKABLE, IncidentState
from domain.shared.actors import Role
from hotline.files.formats import read_toml

MOST_CASES = 10_000
"""Number of telephone numbers that cannot exist."""
TIDE = read_toml(Path(__file__).with_name("tide.toml"))
TASTE, *_ = SERVICES = TIDE["services"]
WAVES = (1, 2, 3, 4)
BEFORE, AFTER = 0, WAVES[-1] + 1
"""In the quiet before the first wave; and while the cases of the tide are being settled."""
OF_THE_TIDE = ("tide", "asked")
"""`asked` is about the tide as well, but no rule can tell: another service, another district. A person links it."""
NEWS_AFTER = WAVES[1]
"""Wave after which the first news go out; a person declares the incident then if nothing was suspected before."""
QUIET_OF_DAY = 0.1
"""The time between two waves, as a share of the day."""
GATHERED_WITHIN_SECONDS = 20.0
"""The service looks for further cases 15 s after the confirmation; a person links the others after that."""
KNOWN_AFTER = timedelta(seconds=5)
"""A case tells the incident that it is linked, which takes a moment: who is linked just before news may miss them."""
CALLER = "caller:"


def plan_surge(
    cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District]
) -> tuple[tuple[Call, ...], dict[str, list[str]]]:
    """Return the calls in the order of their index, and the scope of the incident; the same for the same arguments.

    Raises ValueError for too few or too many cases, or where the catalogue has no place for a tide.
    """
    if not LEAST_CASES <= cases <= MOST_CASES:
        raise ValueError(f"a surge has {LEAST_CASES} to {MOST_CASES} cases, not {cases}")
    known = {offer.code: offer for offer in offers if "reply" in offer.budgets and not offer.needs_approval}
    if TASTE not in known or len(districts) < 2:  # noqa: PLR2004 - one that it reaches, and one that it does not
        raise ValueError(f"a salt tide needs a catalogue with the service {TASTE} and at least two districts")
    rng = random.Random(seed)  # noqa: S311 - a play that can be repeated, no secret
    order = {code: place for place, code in enumerate(TIDE["districts"])}
    by_way_up = sorted(districts, key=lambda district: order.get(district.code, len(order)))
    reached = by_way_up[: min(len(order), len(districts) - 1)]
    calls = [*_apart(cases, rng, known, reached[0], by_way_up[len(reached) :])]
    services = [known[code] for code in SERVICES if code in known]
    calls += _of_the_tide(cases - len(calls), rng, services, reached)
    rng.shuffle(calls)
    calls.sort(key=lambda call: call.wave or BEFORE)
    scope = {"services": [offer.code for offer in services], "districts": [district.code for district in reached]}
    return tuple(replace(call, index=index) for index, call in enumerate(calls)), scope


def _apart(
    cases: int, rng: random.Random, known: Mapping[str, Offer], first: District, elsewhere: Sequence[District]
) -> Iterator[Call]:
    """Yield the calls of the table, which no rule links to the tide, or which it links in vain."""
    others = [code for code in known if code not in (*SERVICES, "burst_main")] or [TASTE]
    for row in TIDE["calls"]:
        codes = [code for code in row["services"] if code in known][:1] or others
        for turn in range(max(row["least"], cases // row["one_in"])):
            wave, offer = row["waves"][turn % len(row["waves"])], known[codes[turn % len(codes)]]
            district = first if row["reached"] else rng.choice(elsewhere)
            said = rng.choice(row.get("said") or words(offer.code)["said"])
            yield _call(wave, row["kind"], offer, intake(offer, district, said, rng.randrange(10_000)), rng)


def _of_the_tide(
    cases: int, rng: random.Random, services: Sequence[Offer], reached: Sequence[District]
) -> Iterator[Call]:
    """Yield the other calls. Each wave of the tide reaches one district more, and brings one more trouble."""
    first = max(TIDE["first_wave"]["least"], round(TIDE["first_wave"]["share"] * cases))
    sizes = [first, *(int(share * (cases - first)) for share in TIDE["later_waves"])]
    sizes[-1] += cases - sum(sizes)
    for wave, size in zip(WAVES, sizes, strict=True):
        for offer in rng.choices(services[:wave], [SERVICES[offer.code] for offer in services[:wave]], k=size):
            district, said = rng.choice(reached[:wave]), rng.choice(TIDE["salty"][offer.code])
            yield _call(wave, "tide", offer, intake(offer, district, said, rng.randrange(10_000)), rng)


def _call(wave: int, kind: str, offer: Offer, taken: Json, rng: random.Random) -> Call:
    """Return a call before it has its place, from which caller and agent follow."""
    planned = "tide" if kind in OF_THE_TIDE else kind
    taken |= {"priority": "P1"} if kind == "emergency" else {}
    [plan] = rng.choices(PLANS[planned], [plan.weight for plan in PLANS[planned]])
    return Call(0, plan, offer, taken, TIDE["own_words"].get(planned, {}), wave=wave, kind=kind)


class Tide:
    """A surge. `log` is the file of sent messages, if this machine has it.

    The last check found the incident, what `happened` to it, those `merged` into it, and how often each message was
    sent, by its kind and key (None: unknown).
    """

    def __init__(
        self, cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District], log: Path | None
    ) -> None:
        self.calls, self._scope = plan_surge(cases, seed, offers, districts)
        self.title = f"a salt tide (咸潮) of {cases} calls about {', '.join(self._scope['services'])}"
        self.title += f" from {', '.join(self._scope['districts'])}"
        self._log = log
        self.incident: Json = {}
        self.happened: list[Json] = []
        self.merged: list[Json] = []
        self.messages: Counter[tuple[str, str]] | None = None

    def of(self, *kinds: str, wave: int | None = None) -> tuple[Call, ...]:
        """Return the calls of these kinds, or of all; of one wave, or of all."""
        return tuple(call for call in self.calls if call.kind in (kinds or (call.kind,)) and wave in (None, call.wave))

    async def direct(self, player: Player) -> None:
        """Let wave after wave come, and do the dispatcher's work on the incident. Raises Rejected, Unreachable."""
        player.reach(BEFORE)
        await player.all_are(DONE, self.of(wave=BEFORE))
        for wave in WAVES:
            player.reach(wave)
            await player.all_are(REGISTERED, self.of(wave=wave))
            player.say(f"wave {wave}: {len(self.of(wave=wave))} calls")
            await self._watch(player, player.seconds * QUIET_OF_DAY if wave != WAVES[-1] else 0)
            if wave == NEWS_AFTER:
                if not player.incident:
                    await self._declare(player)
                await self._inform(player, 1)
        await self._link_up(player)
        await self._watch(player, 0)
        player.reach("gathered")
        await self._inform(player, 2)
        await self._act(player, "resolve", {"result": TIDE["result"], "message": TIDE["reply"]})
        player.say("resolved; the cases are completed and replied to")
        player.reach(AFTER)
        while (incident := await self._look(player))["state"] != IncidentState.RESOLVED:
            states, player.of["settled"] = incident["cases_by_state"], incident["cases"]
            player.progress("settled", states.get("pending_follow_up", 0) + states.get("closed", 0))
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        player.reach("settled")

    async def _watch(self, player: Player, seconds: float) -> None:
        """Look for so long; confirm the first incident that is suspected, and merge the others of the tide into it."""
        ends = asyncio.get_running_loop().time() + seconds
        while True:
            for found in await self._others(player, LINKABLE):
                if not player.incident:
                    await self._open(player, found)
                # The list may be old: it was merged already.
                elif await self._act(player, "merge", {"into": player.incident}, on=found["number"], unless_done=True):
                    player.say(f"merged the suspicion {found['number']} into it")
            if asyncio.get_running_loop().time() >= ends:
                return
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _declare(self, player: Player) -> None:
        """Declare the incident as a person: the service suspected none so far, because no rule matched."""
        since = min(case["registered_at"] for case in player.known.values())
        by, body = player.staff.who(Role.DISPATCHER), {"title": TIDE["title"], **self._scope, "since": since}
        player.say("declares an incident by hand")
        await self._open(player, await player.hotline.post("/incidents", body, by=by, key=player.key("declare")))

    async def _open(self, player: Player, incident: Json) -> None:
        """Confirm it, dispatch it once, and sign for it."""
        player.incident = incident["number"]
        if incident["state"] == IncidentState.SUSPECTED:
            await self._act(player, "confirm", {"title": TIDE["title"], **self._scope})
            begun = await player.timeline(f"/incidents/{player.incident}")
            player.say(f"suspected {player.incident} after {begun[0]['data'].get('calls')} calls; confirmed")
        # A run that was ended may have done so.
        await self._act(player, "dispatch", {"department": TASTE}, unless_done=True)
        await self._act(player, "sign_for", {}, by=player.staff.who(Role.CREW, department=TASTE), unless_done=True)

    async def _inform(self, player: Player, nth: int) -> None:
        incident = await self._look(player)
        expected = datetime.fromisoformat(incident["opened_at"]) + timedelta(hours=TIDE["hours_until_water"])
        news = {**TIDE["news"][nth - 1], "expected_at": expected.isoformat()}
        await self._act(player, "inform", news, key=player.key(f"inform-{nth}"))
        player.say(f"news {nth} to the callers of {incident['cases']} cases")

    async def _act(self, player: Player, action: str, body: Json, on: str = "", **more: Any) -> Json:  # noqa: ANN401 - as `post`
        """Act on the incident or another one, as a dispatcher if nobody is named. Raises Rejected, Unreachable."""
        how = {"by": player.staff.who(Role.DISPATCHER), "key": player.key(f"{action}-{on}"), **more}
        return await player.hotline.post(f"/incidents/{on or player.incident}/actions/{action}", body, **how)

    async def _look(self, player: Player) -> Json:
        return await player.hotline.get(f"/incidents/{player.incident}")

    async def _others(self, player: Player, states: Collection[str] = tuple(IncidentState)) -> list[Json]:
        """Return the incidents of the tide's services and districts but for this one; first those that are confirmed.

        One that is confirmed already was left by a run that was ended in its middle, and takes the calls.
        """
        services, places = {*self._scope["services"]}, {*self._scope["districts"]}
        found = [each async for each in player.hotline.items("/incidents") if each["state"] in states]
        ours = [each for each in found if {*each["services"]} <= services and places & {*each["districts"]}]
        ours.sort(key=lambda each: (each["state"] == IncidentState.SUSPECTED, each["opened_at"]))
        return [each for each in ours if each["number"] != player.incident]

    async def _link_up(self, player: Player) -> None:
        """Link each case of the tide that the service has not linked; take out those with a cause of their own."""
        player.of["linked"] = len(self.of("tide", "own_cause"))
        ends = asyncio.get_running_loop().time() + GATHERED_WITHIN_SECONDS
        while waiting := await self._unlinked(player, "tide", "own_cause"):
            if asyncio.get_running_loop().time() > ends:
                break
            player.progress("linked", player.of["linked"] - len(waiting))
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        unlinked = await self._unlinked(player, "tide", "own_cause", "asked")
        await self._link(player, unlinked, {"incident": player.incident})
        if unlinked:
            player.say(f"linked by hand: {len(unlinked)} cases that no rule had found")
        apart = [player.known[call.index] for call in self.of("own_cause") if call.index in player.known]
        await self._link(player, apart, {"incident": None, "note": TIDE["own_cause_note"]})

    async def _unlinked(self, player: Player, *kinds: str) -> list[Json]:
        calls = self.of(*kinds)
        listed = await player.cases(calls)
        linked = {index for index, (case, *_) in listed.items() if case["incident"] == player.incident}
        return [player.known[call.index] for call in calls if call.index in player.known.keys() - linked]

    async def _link(self, player: Player, cases: Iterable[Json], body: Json) -> None:
        """Link cases to the incident, or take them out; the service may have linked one by itself meanwhile."""
        for turn, case in enumerate(cases):
            by, key = player.staff.who(Role.DISPATCHER, turn=turn), f"{case['number']}-{body['incident']}"
            path = f"/complaints/{case['number']}/actions/{LINK}"
            await player.hotline.post(path, body, by=by, key=player.key(key), unless_done=True)

    async def faults(self, player: Player, verdict: Verdict) -> Iterator[str]:
        """Return each fault of the incidents and of the messages. Raises Rejected, Unreachable."""
        since = min((case["registered_at"] for case in verdict.complaints.values()), default="")
        self.incident = await self._look(player)
        self.happened = await player.timeline(f"/incidents/{player.incident}")
        self.merged = [each for each in await self._others(player) if each["opened_at"] >= since]
        if self._log and self._log.exists():
            self.messages = read_messages(self._log, verdict.complaints.values())
        return self.faults_of(verdict)

    def faults_of(self, verdict: Verdict) -> Iterator[str]:
        """Yield each fault of what the last check found."""
        number, messages = self.incident["number"], self.messages
        if self.incident["state"] != IncidentState.RESOLVED:
            yield f"the incident {number} is {self.incident['state']}, not resolved"
        for other in self.merged:
            if other["state"] != IncidentState.MERGED:
                yield f"a second incident of the tide is left: {other['number']} is {other['state']}"
        if messages is None:
            return
        yield from (f"the message {key} was sent {times} times" for (_, key), times in messages.items() if times > 1)
        replied, owed = {key for kind, key in messages if kind == "reply" and CALLER in key}, set()
        for index, timeline in verdict.timelines.items():
            case = verdict.complaints[index]["number"]
            owed |= {f"{case}-{item['seq']}-{CALLER}{case}" for item in timeline if item["action"] == "reply"}
        yield from (f"the reply {key} is owed, and was not sent" for key in sorted(owed - replied))
        yield from (f"the reply {key} was sent, and is not owed" for key in sorted(replied - owed))
        links = {call.index: link_to(number, verdict.timelines.get(call.index, ())) for call in self.of(*OF_THE_TIDE)}
        linked = {verdict.complaints[index]["number"]: link["at"] for index, link in links.items() if link}
        for item in (item for item in self.happened if item["action"] == "inform"):
            known_before = datetime.fromisoformat(item["at"]) - KNOWN_AFTER
            for case, at in linked.items():
                told = (NEWS, f"{number}-{item['seq']}-{CALLER}{case}") in messages
                if not told and datetime.fromisoformat(at) < known_before:
                    yield f"{case}: its caller was not told the news of version {item['seq']}"

    @property
    def praise(self) -> str:
        told = "what was sent is not known here: this machine has no log of the messages"
        if self.messages is not None:
            told = f"{self.messages.total()} messages were sent, none of them twice"
        return (
            f"Nothing is lost: all {len(self.calls)} calls are there and closed, one incident is left, every case was "
            f"replied to once in each cycle; {told}."
        )


def read_messages(log: Path, cases: Iterable[Json]) -> Counter[tuple[str, str]]:
    """Return the notifications of these cases. Raises OSError if the file cannot be read."""
    numbers, found = {case["number"] for case in cases}, Counter[tuple[str, str]]()
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            # The last line may be being written.
            if line.endswith("\n") and (message := json.loads(line))["number"] in numbers:
                found[message["kind"], message["key"]] += 1
    return found


def link_to(incident: str, timeline: Sequence[Json]) -> Json | None:
    """Return the event that linked a case to the incident, its registration or a later one; None if there is none."""
    links = (item for item in timeline if item["action"] in ("register", LINK))
    return next((item for item in links if item["data"].get("incident") == incident), None)
