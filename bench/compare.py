"""The product over HTTP beside the floor, on one server, in turns: machines are noisy, and noise meets both alike."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench import floor, load
from bench.measure import MILLISECONDS, Round, busy_seconds, merged, processor_seconds
from bench.server import Service, answer, child

CONCURRENT = 20
PRODUCT, FLOOR, SMALLER_FLOOR = "product", "floor", "floor of 6"


@dataclass(frozen=True)
class Size:
    """Size of a comparison: turns, cases of a turn at 20 concurrent and one at a time, cases before the first turn."""

    turns: int
    concurrent_cases: int
    single_cases: int
    warm: int


FULL = Size(turns=5, concurrent_cases=120, single_cases=10, warm=60)
QUICK = Size(turns=2, concurrent_cases=40, single_cases=4, warm=20)


@dataclass
class Side:
    """The turns of the product, or of a floor."""

    concurrent: list[Round] = field(default_factory=list)
    single: list[Round] = field(default_factory=list)
    processors: list[Mapping[str, float]] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return complete cases per second at 20 concurrent, the median of the turns."""
        return statistics.median(turn.rate for turn in self.concurrent)

    def milliseconds(self, operation: str, share: float, *, single: bool = False) -> float:
        """Return a quantile of all turns' samples, in milliseconds."""
        return merged(self.single if single else self.concurrent).milliseconds(operation, share)

    def processor_milliseconds(self) -> dict[str, float]:
        """Return the mean processor time of one case at 20 concurrent, by process."""
        cases = sum(turn.cases for turn in self.concurrent)
        names = sorted({name for turn in self.processors for name in turn})
        used = {name: sum(turn.get(name, 0.0) for turn in self.processors) for name in names}
        return {name: MILLISECONDS * seconds / cases for name, seconds in used.items()}

    def strangers(self) -> float:
        """Return the share of other programs in all processor time that was used meanwhile."""
        ours = sum(sum(turn.values()) for turn in self.processors)
        return max(0.0, 1 - ours / sum(self.busy))

    @property
    def waiting(self) -> int:
        """Return the number of answers 202."""
        return merged([*self.concurrent, *self.single]).waiting


class Leg(Protocol):
    """Player of one round."""

    async def __call__(self, *, cases: int, concurrent: int) -> Round:
        """Play `cases` cases, `concurrent` at a time."""


def ratio(one: Side, other: Side) -> float:
    """Return the median of the turns' ratios of cases per second. Both sides of a ratio ran in the same minute."""
    pairs = zip(one.concurrent, other.concurrent, strict=True)
    return statistics.median(mine.rate / theirs.rate for mine, theirs in pairs)


def processor_ratio(one: Side, other: Side) -> float:
    """Return the other's processor time of a case divided by the one's: `ratio` if all processors are busy.

    Neighbours disturb it far less than they do the time on the clock.
    """
    return sum(other.processor_milliseconds().values()) / sum(one.processor_milliseconds().values())


async def measure(service: Service, size: Size) -> dict[str, Side]:
    """Compare both sides, and the floor with as many updates as the product sends to Temporal: a start and six."""
    sides = {PRODUCT: Side(), FLOOR: Side(), SMALLER_FLOOR: Side()}
    with child("bench.floor", "worker", service.temporal_address, ready="ready") as worker:
        legs: dict[str, Leg] = {
            PRODUCT: over_http(service.key, service.url),
            FLOOR: _bare(service, floor.OPERATIONS),
            SMALLER_FLOOR: _bare(service, floor.OPERATIONS - 1),
        }
        processes = {**service.processes(), "floor's worker": worker.pid}
        for leg in legs.values():
            await leg(cases=size.warm, concurrent=CONCURRENT)
        for turn in range(size.turns):
            # Forwards and backwards in turn, so that no side is always the one that comes after the other.
            for name in list(legs)[:: 1 if turn % 2 else -1]:
                sides[name].single.append(await legs[name](cases=size.single_cases, concurrent=1))
                await take_turn(sides[name], legs[name], size.concurrent_cases, processes)
    return sides


async def take_turn(side: Side, leg: Leg, cases: int, processes: Mapping[str, int]) -> None:
    """Play the cases at 20 concurrent; add the round and the processor time of each process to the side."""
    before, busy = processor_seconds(processes), busy_seconds()
    played = await leg(cases=cases, concurrent=CONCURRENT)
    after = processor_seconds(processes)
    side.busy.append(busy_seconds() - busy)
    side.concurrent.append(played)
    used = {name: after[name] - before[name] for name in processes}
    side.processors.append({**used, "load": played.processor_seconds})


def over_http(key: str, *arguments: str) -> Leg:
    """Return a player of complaints over HTTP; the arguments, addresses among them, are for `bench.load`."""

    async def play(*, cases: int, concurrent: int) -> Round:
        options = _options(cases, concurrent)
        return Round(**await answer("bench.load", *arguments, *options, **{load.KEY_VARIABLE: key}))

    return play


def _bare(service: Service, operations: int) -> Leg:
    async def play(*, cases: int, concurrent: int) -> Round:
        more = ("--operations", str(operations))
        arguments: Sequence[str] = ("drive", service.temporal_address, *_options(cases, concurrent), *more)
        return Round(**await answer("bench.floor", *arguments))

    return play


def _options(cases: int, concurrent: int) -> tuple[str, ...]:
    return ("--cases", str(cases), "--concurrent", str(concurrent))
