"""A day of the hotline, made from a seed: each call with its caller, subject, time, place and the plan of its case."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from demo import report
from demo.calls import CALLS_BY_HOUR, CHANNELS, Call, facts_of, taken_down
from demo.client import Json
from demo.offers import District, Offer
from demo.people import Staff
from demo.plans import PLANS, Plan, plan_of
from demo.play import Player, Verdict
from demo.texts import phone, words
from domain.shared.actors import Role
from hotline.files.formats import read_toml

USUAL_CASES = 320
LEAST_CASES = 300
"""Number of calls of a morning of the real hotline; enough for every plan in every group of services."""

LATEST_MISS = 0.6
"""Cases in which a clock has to run down are registered in this part of the day."""

REGISTRY = Path(__file__).with_name("customers.csv")
"""File of customers, for `hotline customers import`: the household of the stories, and the caller of one."""
STORIES = read_toml(Path(__file__).with_name("stories.toml"))["stories"]
"""Calls that come on every day, first in the order of the index."""


class Day:
    """A day of the hotline."""

    def __init__(self, cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District]) -> None:
        self.calls = plan_day(cases, seed, offers, districts)
        self._incident = incident_of(offers, districts)
        self._staff = Staff({offer.department for offer in offers})
        services = len({call.offer.code for call in self.calls})
        places = len({call.intake["location"]["district"] for call in self.calls})
        self.title = f"{cases} cases, {services} services, {places} districts"

    async def direct(self, player: Player) -> None:
        """Declare the incident to which cases are linked. Raises Rejected, Unreachable."""
        if any(call.plan.incident for call in self.calls):
            by, key = player.staff.who(Role.DISPATCHER), player.key("incident")
            player.incident = (await player.hotline.post("/incidents", self._incident, by=by, key=key))["number"]
        player.reach("declared")

    def report(self, console: Console, verdict: Verdict, url: str) -> None:
        """Print the figures of the day, and where to look."""
        console.print(report.by_state(verdict))
        report.print_stories(console, self.calls, verdict, url)
        report.print_people(console, self._staff.examples(self.calls[0].offer.department), url)

    @property
    def praise(self) -> str:
        """Return what is said if everything is as planned."""
        return (
            f"All {len(self.calls)} cases are in the states they were planned for: state, cycle, flags and every "
            "event, once each, checked over HTTP."
        )


def plan_day(cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District]) -> tuple[Call, ...]:
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
    playable = [plan for plan in suited_plans if len(districts) > 1 or not plan.incident]
    stories = (_story(index, story, offers, districts) for index, story in enumerate(STORIES))
    return (*stories, *calls_by(cases - len(STORIES), playable, offers, districts, rng, first=len(STORIES)))


def calls_by(
    cases: int,
    plans: list[Plan],
    offers: Sequence[Offer],
    districts: Sequence[District],
    rng: random.Random,
    first: int = 0,
) -> Iterator[Call]:
    """Yield so many calls, each with a plan, from this index on; of the services that fit it, the one used least."""
    dealt = _deal(cases, plans)
    rng.shuffle(dealt)
    where = rng.sample(list(districts), len(districts))
    used: Counter[str] = Counter()
    for index, plan in enumerate(dealt, start=first):
        suited = rng.sample([offer for offer in offers if plan.suits(offer)], k=sum(map(plan.suits, offers)))
        offer = min(suited, key=lambda offer: used[offer.code])
        used[offer.code] += 1
        # The service would link a call of the incident's scope by itself; those of the plans are linked by people.
        covered = (offer, where[index % len(where)]) == _scope(offers, districts)
        yield _call(index, plan, offer, offers, where[(index + covered) % len(where)], rng)


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
) -> Call:
    pick = rng.randrange(10_000)
    hour = rng.choices(range(len(CALLS_BY_HOUR)), CALLS_BY_HOUR)[0]
    starts = (hour + rng.random()) / len(CALLS_BY_HOUR) * (LATEST_MISS if plan.takes_time else 1)
    channel = CHANNELS[pick % len(CHANNELS)]
    intake = taken_down(offer, district, rng.choice(words(offer.code).said), phone(index), pick) | {"channel": channel}
    facts = facts_of(index, offer, offers)
    return Call(index, plan, offer, intake, facts, starts, reported=channel == "phone")


def _story(index: int, story: Mapping[str, Any], offers: Sequence[Offer], districts: Sequence[District]) -> Call:
    """Return a story, in its own service and district if the catalogue has them."""
    plan = plan_of(story["plan"])
    able = [offer for offer in offers if plan.suits(offer)] or list(offers)
    offer = next((offer for offer in able if offer.code == story["service_code"]), able[0])
    district = next((district for district in districts if district.code == story["district"]), districts[0])
    intake = taken_down(offer, district, story["description"], story.get("phone", phone(index)), 0)
    intake["caller"]["name"], intake["location"]["address"] = story["caller"], story["address"]
    intake |= {"priority": story["priority"]} if "priority" in story else {}
    facts, title = facts_of(index, offer, offers), story.get("title", "")
    return Call(index, plan, offer, intake, facts, story["starts"], title=title, reported=True)
