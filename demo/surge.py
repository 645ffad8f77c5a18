"""Plan of a salt tide (咸潮), made from a seed: the calls of each wave, their subjects, and the ways of their cases."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from demo.calls import Call, facts_of, taken_down
from demo.offers import District, Offer
from demo.plans import TIDE
from demo.texts import Work, phone, words
from hotline.files.formats import read_toml

USUAL_CASES = 2000
LEAST_CASES = 60
MOST_CASES = 10_000
"""Number of telephone numbers that cannot exist."""

WAVES = (1, 2, 3, 4)
BEFORE, AFTER = 0, WAVES[-1] + 1
"""In the quiet before the first wave; and while the cases of the tide are being settled."""
SHARES = {2: 0.35, 3: 0.40, 4: 0.25}
FIRST_SHARE = 0.15
FIRST_LEAST = 16
"""Calls of the first wave: all about the taste, from one district, so that they raise the suspicion."""
EMERGENCIES_IN = (BEFORE, 3, AFTER)

TASTE = "water_quality"
SERVICES = {TASTE: 6, "low_pressure": 2, "no_water": 2}
"""Services of a tide with their shares: the taste; then pressure falls, as works take in less; then no water."""
REACHED = ("tanzhou", "shenwan", "sanxiang", "nanlang")
"""The districts near the mouths of the Pearl River, in the order in which salt water comes up."""
TEXTS = read_toml(Path(__file__).with_name("tide.toml"))


class Kind(StrEnum):
    """Reason of a call."""

    TIDE = "tide"
    ASKED = "asked"
    OWN_CAUSE = "own_cause"
    OTHER = "other"
    EMERGENCY = "emergency"


OF_THE_TIDE = frozenset({Kind.TIDE, Kind.ASKED})
"""`ASKED` is about the tide as well, but no rule can tell: another service, another district. A person links it."""


@dataclass(frozen=True)
class Surge:
    """All calls, and the scope of the incident that explains most of them."""

    calls: tuple[Call, ...]
    services: tuple[str, ...]
    districts: tuple[str, ...]

    def of(self, *kinds: Kind, wave: int | None = None) -> tuple[Call, ...]:
        """Return the calls of these kinds, or of all; of one wave, or of all."""
        return tuple(call for call in self.calls if call.kind in (kinds or Kind) and wave in (None, call.wave))


class _Draft(NamedTuple):
    """A call before it has its place, from which caller and agent follow."""

    wave: int
    kind: Kind
    service: str
    district: District
    said: str


def plan_surge(cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District]) -> Surge:
    """Return the calls in the order of their index; the same for the same arguments.

    Raises ValueError for too few or too many cases, or where the catalogue has no place for a tide.
    """
    if not LEAST_CASES <= cases <= MOST_CASES:
        raise ValueError(f"a surge has {LEAST_CASES} to {MOST_CASES} cases, not {cases}")
    known = {offer.code: offer for offer in offers if "reply" in offer.budgets and not offer.needs_approval}
    if TASTE not in known or len(districts) < 2:  # noqa: PLR2004 - one that it reaches, and one that it does not
        raise ValueError(f"a salt tide needs a catalogue with the service {TASTE} and at least two districts")
    rng = random.Random(seed)  # noqa: S311 - a play that can be repeated, no secret
    by_code = {district.code: district for district in districts}
    near = [by_code[code] for code in REACHED if code in by_code]
    rest = [district for district in districts if district not in near]
    reached = (near + rest)[: min(len(REACHED), len(districts) - 1)]
    services = tuple(code for code in SERVICES if code in known)
    elsewhere = [district for district in districts if district not in reached]
    drafts = [*_drafts(cases, rng, [*known], services, reached, elsewhere)]
    rng.shuffle(drafts)
    drafts.sort(key=lambda draft: draft.wave)
    calls = (_call(index, draft, known, rng) for index, draft in enumerate(drafts))
    return Surge(tuple(calls), services, tuple(district.code for district in reached))


def _drafts(
    cases: int,
    rng: random.Random,
    known: Sequence[str],
    services: Sequence[str],
    reached: Sequence[District],
    elsewhere: Sequence[District],
) -> Iterator[_Draft]:
    """Yield so many calls. Each wave of the tide reaches one district more, and brings one more trouble."""
    others = [code for code in known if code not in (*SERVICES, "burst_main")] or [TASTE]
    inquiry = "inquiry" if "inquiry" in known else TASTE
    burst = "burst_main" if "burst_main" in known else others[0]
    asked, own, other = max(3, cases // 250), max(2, cases // 500), max(8, cases // 160)
    tide = cases - asked - own - other - len(EMERGENCIES_IN)
    sizes = {1: max(FIRST_LEAST, round(FIRST_SHARE * tide))}
    sizes |= {wave: int(share * (tide - sizes[1])) for wave, share in SHARES.items()}
    sizes[WAVES[-1]] += tide - sum(sizes.values())
    for wave, size in sizes.items():
        for code in rng.choices(services[:wave], [SERVICES[code] for code in services[:wave]], k=size):
            yield _Draft(wave, Kind.TIDE, code, rng.choice(reached[:wave]), rng.choice(TEXTS["salty"][code]))
    for turn in range(asked):
        yield _Draft(WAVES[1 + turn % 3], Kind.ASKED, inquiry, rng.choice(elsewhere), rng.choice(TEXTS["asked"]))
    for turn in range(own):
        yield _Draft(WAVES[1 + turn % 3], Kind.OWN_CAUSE, services[:2][-1], reached[0], rng.choice(TEXTS["own"]))
    for turn in range(other):
        code = others[turn % len(others)]
        yield _Draft(WAVES[turn % 4], Kind.OTHER, code, rng.choice(elsewhere), rng.choice(words(code).said))
    for wave in EMERGENCIES_IN:
        yield _Draft(wave, Kind.EMERGENCY, burst, rng.choice(elsewhere), rng.choice(words(burst).said))


def _call(index: int, draft: _Draft, known: dict[str, Offer], rng: random.Random) -> Call:
    """Return the call at its place."""
    offer, kind = known[draft.service], draft.kind
    intake = taken_down(offer, draft.district, draft.said, phone(index), rng.randrange(10_000))
    if kind is Kind.EMERGENCY:
        intake["priority"] = "P1"
    own = TEXTS["again" if kind in OF_THE_TIDE else kind] if kind in (*OF_THE_TIDE, Kind.OWN_CAUSE) else {}
    work = Work(**own["work"]) if own else None
    facts = facts_of(index, offer, [*known.values()], work, own.get("told"))
    plans = TIDE[Kind.TIDE if kind is Kind.ASKED else kind]
    [plan] = rng.choices(plans, [plan.weight for plan in plans])
    return Call(index, plan, offer, intake, facts, wave=draft.wave, kind=kind)
