"""A day of the hotline, made from a seed: each call with its caller, subject, time, place and the plan of its case."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from demo.calls import LEAST_CASES, Call, intake, words
from demo.plans import PLANS, District, Offer, Plan, plan_of
from demo.play import Player
from domain.case.intake import IntakeChannel
from domain.shared.actors import Role
from hotline.files.formats import read_toml

CALLS_BY_HOUR = (2, 1, 1, 1, 1, 2, 5, 9, 13, 14, 12, 10, 7, 7, 9, 10, 10, 9, 9, 10, 8, 6, 4, 3)
"""Shares of the calls by hour of the day: quiet nights, a busy morning, a second peak after work."""
CHANNELS: tuple[IntakeChannel, ...] = ("phone",) * 8 + ("hotline_12345", "wechat", "counter", "web")
"""Channels of the calls, by their shares."""

REGISTRY = Path(__file__).with_name("customers.csv")
"""File of customers, for `hotline customers import`: the household of the stories, and the caller of one."""
STORIES = read_toml(Path(__file__).with_name("stories.toml"))["stories"]
"""Calls that come on every day, first in the order of the index."""
DAY_PLANS = PLANS["ends"] + PLANS["left"]


class Day:
    """A day of the hotline."""

    def __init__(self, cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District]) -> None:
        self.calls = plan_day(cases, seed, offers, districts)
        self._incident = incident_of(offers, districts)
        services = len({call.offer.code for call in self.calls})
        places = len({call.intake["location"]["district"] for call in self.calls})
        self.title = f"{cases} cases, {services} services, {places} districts"
        self.praise = f"All {cases} cases are in the states they were planned for: state, cycle, flags and every event,"
        self.praise += " once each, checked over HTTP."

    async def direct(self, player: Player) -> None:
        if any(call.plan.incident for call in self.calls):
            by, key = player.staff.who(Role.DISPATCHER), player.key("incident")
            player.incident = (await player.hotline.post("/incidents", self._incident, by=by, key=key))["number"]
        player.reach("declared")


def plan_day(cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District]) -> tuple[Call, ...]:
    """Return the calls of a day in the order of their index; the same for the same arguments.

    Raises ValueError for fewer than `LEAST_CASES` cases, or where there is no service or no district.
    """
    if cases < LEAST_CASES:
        raise ValueError(f"a day of the hotline has at least {LEAST_CASES} cases, not {cases}")
    if not offers or not districts:
        raise ValueError("a day needs at least one service and one district")
    rng = random.Random(seed)  # noqa: S311 - a play that can be repeated, no secret
    # With one district, every call about the incident's service would be linked by itself.
    playable = [plan for plan in DAY_PLANS if len(districts) > 1 or not plan.incident]
    stories = (_story(index, story, offers, districts) for index, story in enumerate(STORIES))
    return (*stories, *calls_by(cases - len(STORIES), playable, offers, districts, rng, first=len(STORIES)))


def calls_by(
    cases: int,
    plans: Iterable[Plan],
    offers: Sequence[Offer],
    districts: Sequence[District],
    rng: random.Random,
    first: int = 0,
) -> Iterator[Call]:
    """Yield so many calls from this index on, each with a plan; of the services that fit it, the one used least."""
    dealt = _deal(cases, [plan for plan in plans if any(map(plan.suits, offers))])
    rng.shuffle(dealt)
    where = rng.sample(list(districts), len(districts))
    used: Counter[str] = Counter()
    for index, plan in enumerate(dealt, start=first):
        suited = [offer for offer in offers if plan.suits(offer)]
        offer = min(rng.sample(suited, len(suited)), key=lambda offer: used[offer.code])
        used[offer.code] += 1
        # The service would link a call of the incident's scope by itself; those of the plans are linked by people.
        covered = (offer, where[index % len(where)]) == _scope(offers, districts)
        yield _call(index, plan, offer, where[(index + covered) % len(where)], rng)


def incident_of(offers: Sequence[Offer], districts: Sequence[District]) -> dict[str, Any]:
    """Return the incident of the day (突发事件) as it is declared; no call of the day is in its scope."""
    offer, district = _scope(offers, districts)
    return {"title": f"{district.name_zh}{offer.name_zh}", "services": [offer.code], "districts": [district.code]}


def _scope(offers: Sequence[Offer], districts: Sequence[District]) -> tuple[Offer, District]:
    return offers[0], districts[-1]


def _deal(cases: int, plans: Sequence[Plan]) -> list[Plan]:
    """Return so many plans, each at least once, the rest by weight (largest remainder)."""
    total = sum(plan.weight for plan in plans)
    shares = [(cases - len(plans)) * plan.weight / total for plan in plans]
    by_remainder = sorted(range(len(plans)), key=lambda place: int(shares[place]) - shares[place])
    more = by_remainder[: cases - sum(1 + int(share) for share in shares)]
    return [plan for place, plan in enumerate(plans) for _ in range(1 + int(shares[place]) + (place in more))]


def _call(index: int, plan: Plan, offer: Offer, district: District, rng: random.Random) -> Call:
    pick, [hour] = rng.randrange(10_000), rng.choices(range(len(CALLS_BY_HOUR)), CALLS_BY_HOUR)
    starts = (hour + rng.random()) / len(CALLS_BY_HOUR)
    channel = CHANNELS[pick % len(CHANNELS)]
    taken = intake(offer, district, rng.choice(words(offer.code)["said"]), pick) | {"channel": channel}
    return Call(index, plan, offer, taken, starts=starts, reported=channel == "phone")


def _story(index: int, story: Mapping[str, Any], offers: Sequence[Offer], districts: Sequence[District]) -> Call:
    """Return a story, in its own service and district if the catalogue has them."""
    plan = plan_of(story["plan"])
    able = [offer for offer in offers if plan.suits(offer)] or list(offers)
    offer = next((offer for offer in able if offer.code == story["service_code"]), able[0])
    district = next((district for district in districts if district.code == story["district"]), districts[0])
    taken = intake(offer, district, story["description"], 0)
    taken["caller"], taken["location"]["address"] = story["caller"], story["address"]
    taken |= {"priority": story["priority"]} if "priority" in story else {}
    return Call(index, plan, offer, taken, starts=story["starts"], title=story.get("title", ""), reported=True)
