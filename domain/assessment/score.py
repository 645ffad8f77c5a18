"""Values of figures, points, score and grade of one subject (得分). Pure: counts in, values out."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from pydantic import Field

from domain.catalogue.figures import CASES_FIGURE, FIGURES, EntryKind, Figure, FigureUnit, Standard, Subject, Weight
from domain.shared.value import Immutable, half_up, omit_default, ratio

HUNDRED = Decimal(100)


class Tally(NamedTuple):
    """Entries of one kind of one subject: counted, in its favour, left out; and the sum of the amounts counted.

    `objected` are those that an accepted objection left out, among the `excluded`.
    """

    entries: int = 0
    favourable: int = 0
    excluded: int = 0
    objected: int = 0
    amount: int = 0


class FigureValue(Immutable):
    """Value of a figure: a count, a rate from 0 to 1, an amount or points; None without data.

    `weight` is the share of the score, rescaled to what has data; `points` is what the value earns of it.
    """

    value: Decimal | None
    numerator: int | None = None
    denominator: int | None = None
    excluded: int = Field(0, description="Entries that an exclusion or an accepted objection left out.")
    weight: Decimal | None = None
    points: Decimal | None = None
    left_out: str | None = omit_default(None, "Why a figure with a weight has none: `no_data` or `objection`.")


class Item(Immutable):
    """Result of one subject; score and grade are None if it gets none."""

    by: Subject
    subject: str
    figures: dict[str, FigureValue]
    score: Decimal | None = None
    grade: str | None = None


def assess(
    standard: Standard,
    by: Subject,
    subject: str,
    tallies: Mapping[EntryKind, Tally],
    given: Mapping[str, FigureValue],
    left_out: frozenset[str] = frozenset(),
) -> Item:
    """Score one subject.

    `given` are values that no entry tells (calls, points from outside), by the name of the figure; `left_out` are
    figures that an accepted objection takes out of the score.
    """
    figures = {figure.name: _value(figure, by, tallies) for figure in FIGURES if figure.kinds}
    shown = {name: value for name, value in {**figures, **given}.items() if value.value is not None or value.excluded}
    weights = {weight.figure: weight for weight in standard.weights_of(by)}
    for name in weights:
        shown.setdefault(name, figures.get(name, FigureValue(value=None)))
    scored, score = _scored(shown, weights, left_out)
    order = [*(figure.name for figure in FIGURES), *(each.code for each in standard.given)]
    in_order = {name: scored[name] for name in order if name in scored}
    grade = None if score is None else standard.grade_of(score)
    return Item(by=by, subject=subject, figures=in_order, score=score, grade=grade)


def _value(figure: Figure, by: Subject, tallies: Mapping[EntryKind, Tally]) -> FigureValue:
    kind = figure.kind_for(by)
    tally = tallies.get(kind, Tally()) if kind else Tally()
    part: int = tally.favourable
    whole: int | None = tally.entries
    value: Decimal | None
    match figure.unit:
        case FigureUnit.COUNT:
            # Excluded cases are work as well; they stand outside the rates alone.
            part, whole = tally.entries + tally.excluded - tally.objected, None
            value = Decimal(part)
        case FigureUnit.MONEY:
            part, whole = tally.entries, None
            value = half_up(tally.amount / HUNDRED) if tally.entries else None
        case FigureUnit.POINTS:
            part = tally.amount // 100
            value = half_up(tally.amount / HUNDRED, tally.entries) if tally.entries else None
        case FigureUnit.RATE:
            cases = tallies.get(CASES_FIGURE.kind_for(by) or EntryKind.REGISTERED, Tally())
            part, whole = (tally.entries, cases.entries) if figure.per_case else (part, tally.entries)
            value = ratio(part, whole)
    return FigureValue(value=value, numerator=part, denominator=whole, excluded=tally.excluded)


def _scored(
    figures: Mapping[str, FigureValue], weights: Mapping[str, Weight], left_out: frozenset[str]
) -> tuple[dict[str, FigureValue], Decimal | None]:
    """Figures with their points, and the score; the weights of those with data are rescaled to 100."""
    counting = {name for name in weights.keys() - left_out if figures[name].value is not None}
    whole = sum(weights[name].weight for name in counting)
    scored, points = dict(figures), list[Decimal]()
    for name, weight in weights.items():
        figure = figures[name]
        if name in counting:
            share = Decimal(weight.weight) * HUNDRED / whole
            points.append(share * weight.share(figure.value or Decimal(0)))
            found: dict[str, Any] = {"weight": half_up(share), "points": half_up(points[-1])}
        else:
            found = {"left_out": "objection" if name in left_out else "no_data"}
        scored[name] = figure.model_copy(update=found)
    return scored, half_up(sum(points, Decimal(0))) if points else None
