"""A day of the hotline, made from a seed: each call with its caller, subject, time, place and the plan of its case."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from rich.console import Console

from domain.shared.actors import Role
from hotline.demo.calls import CALLS_BY_HOUR, CHANNELS, EXCHANGE, Call, Scene, call_id, called_back, calls_of
from hotline.demo.check import differences
from hotline.demo.client import Json, Rejected
from hotline.demo.offers import District, Offer
from hotline.demo.people import Staff
from hotline.demo.plans import PLANS, Plan
from hotline.demo.play import Player
from hotline.demo.report import by_service, by_state, print_people, print_stories
from hotline.demo.show import Places, Show, Verdict
from hotline.demo.stories import ALWAYS, Story
from hotline.demo.texts import address, caller_name, phone, words

LEAST_CASES = 300
"""Number of calls of a morning of the real hotline; enough for every plan in every group of services."""

LATEST_MISS = 0.6
"""Cases in which a clock has to run down are registered in this part of the day."""

THINKING_SECONDS = (0.15, 0.7)
"""People take a moment before each step."""


@dataclass(frozen=True)
class DayCall(Call):
    """One call of the day. `starts` is the part of the day that has passed by then."""

    starts: float
    story: Story | None = None


class DayShow(Show):
    """A day of the hotline: what the service refused against a plan is a difference of the case."""

    def __init__(self, cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District]) -> None:
        self.calls: Sequence[DayCall] = plan_day(cases, seed, offers, districts)
        self._incident = incident_of(offers, districts)
        self._staff = Staff({offer.department for offer in offers})
        self._refusals: dict[int, str] = {}

    @property
    def title(self) -> str:
        """Return the number of the calls and what they are about."""
        services = len({call.offer.code for call in self.calls})
        districts = len({call.intake["location"]["district"] for call in self.calls})
        return f"{len(self.calls)} cases, {services} services, {districts} districts"

    async def play(self, player: Player) -> None:
        """Play every call at its time. Raises Unreachable, and Rejected if the service refuses the incident."""
        if any(call.plan.links for call in self.calls):
            dispatcher = player.staff.who(Role.DISPATCHER, owner="", department=None, turn=0)
            declared = await player.hotline.post(
                "/incidents", self._incident, by=dispatcher, key=player.key("incident")
            )
            player.run.incident = declared["number"]
        stepped = partial(player.advance, "steps", sum(len(call.plan.steps) + 1 for call in self.calls))
        first = min(call.starts for call in self.calls)

        async def one(call: DayCall) -> None:
            await asyncio.sleep((call.starts - first) * player.seconds)
            async with player.places:
                await self._case(player, call, stepped)
            player.advance("cases", len(self.calls))

        async with asyncio.TaskGroup() as tasks:
            for call in self.calls:
                tasks.create_task(one(call))

    async def _case(self, player: Player, call: DayCall, stepped: Callable[[], None]) -> None:
        """Play one call to the end of its plan, or to a refusal."""
        try:
            by_phone = {"call_id": call_id(player.run.id, call)} if call.intake["channel"] == "phone" else {}
            complaint = await player.register(call, **by_phone)
            await self._report_calls(player, call, datetime.fromisoformat(complaint["registered_at"]))
            stepped()
            await player.see_through(call, complaint, THINKING_SECONDS, stepped)
        except Rejected as refusal:
            self._refusals[call.index] = str(refusal)

    async def _report_calls(self, player: Player, call: DayCall, registered_at: datetime) -> None:
        """Report the calls of the case, and call a caller back who gave up."""
        key = player.key(call.index)
        if calls := calls_of(player.run.id, call, registered_at):
            await player.hotline.post("/calls", {"items": calls}, by=EXCHANGE, key=f"{key}-calls")
        if missed := called_back(player.run.id, call):
            agent, result = player.staff.named(call.owner), {"reached": True, "note": "已致歉并解答。"}
            await player.hotline.post(f"/calls/{missed}/call-back", result, by=agent, key=f"{key}-call-back")

    def differences(self, call: Call, complaint: Json, timeline: Sequence[Json], incident: str) -> Iterable[str]:  # noqa: ARG002
        """Return each difference between a case and its plan, and what was refused."""
        refused = self._refusals.get(call.index)
        return [*differences(call.plan, complaint, timeline), *([refused] if refused else [])]

    def report(self, console: Console, verdict: Verdict, places: Places) -> None:
        """Print the figures of the day, and where to look."""
        console.print(by_state(verdict))
        console.print(by_service(self.calls, verdict))
        print_stories(console, {call.index: call.story for call in self.calls if call.story}, verdict, places)
        print_people(console, places, self._staff.examples(self.calls[0].offer.department))

    @property
    def praise(self) -> str:
        """Return what is said if everything is as planned."""
        return (
            f"All {len(self.calls)} cases are in the states they were planned for: state, cycle, flags and every "
            "event, once each, checked over HTTP."
        )


def plan_day(cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District]) -> tuple[DayCall, ...]:
    """Return the calls of a day in the order of their index; the same for the same arguments.

    Raises ValueError for fewer than `LEAST_CASES` cases, or where there is no service or no district.
    """
    if cases < LEAST_CASES:
        raise ValueError(f"a day of the hotline has at least {LEAST_CASES} cases, not {cases}")
    if not offers or not districts:
        raise ValueError("a day needs at least one service and one district")
    rng = random.Random(seed)  # noqa: S311 - a play that can be repeated, no secret
    suited_plans = [plan for plan in PLANS if any(plan.suits(offer) for offer in offers)]
    # With one district, every call about the incident's service would be linked by itself.
    playable = [plan for plan in suited_plans if len(districts) > 1 or not plan.links]
    plans = _deal(cases - len(ALWAYS), playable)
    rng.shuffle(plans)
    where = rng.sample(list(districts), len(districts))
    used: Counter[str] = Counter()
    calls = [_story(index, story, offers, districts) for index, story in enumerate(ALWAYS)]
    for index, plan in enumerate(plans, start=len(ALWAYS)):
        suited = rng.sample([offer for offer in offers if plan.suits(offer)], k=sum(map(plan.suits, offers)))
        offer = min(suited, key=lambda offer: used[offer.code])
        used[offer.code] += 1
        # The service would link a call of the incident's scope by itself; those of the plans are linked by people.
        covered = (offer, where[index % len(where)]) == _scope(offers, districts)
        calls.append(_call(index, plan, offer, offers, where[(index + covered) % len(where)], rng))
    return tuple(calls)


def incident_of(offers: Sequence[Offer], districts: Sequence[District]) -> Json:
    """Return the incident of the day (突发事件) as it is declared; no call of the day is in its scope."""
    offer, district = _scope(offers, districts)
    return {"title": f"{district.name_zh}{offer.name_zh}", "services": [offer.code], "districts": [district.code]}


def _scope(offers: Sequence[Offer], districts: Sequence[District]) -> tuple[Offer, District]:
    return offers[0], districts[-1]


def _deal(cases: int, plans: list[Plan]) -> list[Plan]:
    """Return so many plans, each at least once, the rest by weight (largest remainder)."""
    total = sum(plan.weight for plan in plans)
    spare = cases - len(plans)
    shares = [spare * plan.weight / total for plan in plans]
    counts = [1 + int(share) for share in shares]
    by_remainder = sorted(range(len(plans)), key=lambda place: int(shares[place]) - shares[place])
    for place in by_remainder[: cases - sum(counts)]:
        counts[place] += 1
    return [plan for plan, count in zip(plans, counts, strict=True) for _ in range(count)]


def _call(
    index: int, plan: Plan, offer: Offer, offers: Sequence[Offer], district: District, rng: random.Random
) -> DayCall:
    pick = rng.randrange(10_000)
    hour = rng.choices(range(len(CALLS_BY_HOUR)), CALLS_BY_HOUR)[0]
    starts = (hour + rng.random()) / len(CALLS_BY_HOUR)
    intake = {
        "service_code": offer.code,
        "channel": CHANNELS[pick % len(CHANNELS)],
        "caller": {"name": caller_name(pick), "phone": phone(index)},
        "location": {"district": district.code, "address": address(district.name_zh, pick)},
        "description": rng.choice(words(offer.code).said),
    }
    starts *= LATEST_MISS if plan.takes_time else 1
    return DayCall(index, plan, offer, Scene.of(index, offer, offers), intake, starts)


def _story(index: int, story: Story, offers: Sequence[Offer], districts: Sequence[District]) -> DayCall:
    """Return a story, in its own service and district if the catalogue has them."""
    able = [offer for offer in offers if story.plan.suits(offer)] or list(offers)
    offer = next((offer for offer in able if offer.code == story.service_code), able[0])
    district = next((district for district in districts if district.code == story.district), districts[0])
    intake = {
        "service_code": offer.code,
        "channel": "phone",
        "caller": {"name": story.caller, "phone": story.phone or phone(index)},
        "location": {"district": district.code, "address": story.address},
        "description": story.description,
        **({"priority": story.priority} if story.priority else {}),
    }
    return DayCall(index, story.plan, offer, Scene.of(index, offer, offers), intake, story.starts, story)
