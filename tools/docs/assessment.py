"""Tables of the norms of the monthly assessment, as the default catalogue has them."""

from collections.abc import Iterable

from domain.catalogue.catalogue import Catalogue
from domain.catalogue.figures import AssessmentNorms
from tools.docs.markdown import table


def norms(catalogue: Catalogue) -> str:
    """Return times, weights, grades, grounds and form of the monthly assessment."""
    found = catalogue.assessment
    if found is None:
        return "None."
    parts = [
        table(("norm", "value", "source"), _times(found)),
        table(
            ("subjects", "figure", "weight", "nothing at", "all at", "source"),
            (
                (w.by.value, f"`{w.figure}`", str(w.weight), f"{w.zero_at:g}", f"{w.full_at:g}", ", ".join(w.source))
                for w in found.weights
            ),
        ),
        table(
            ("grade", "中文", "code", "from", "source"),
            ((g.name, g.name_zh, f"`{g.code}`", str(g.least), ", ".join(g.source)) for g in found.grades),
        ),
        table(
            ("ground of exclusion", "中文", "code", "evidence", "source"),
            (
                (g.name, g.name_zh, f"`{g.code}`", "needed" if g.needs_evidence else "-", ", ".join(g.source))
                for g in found.grounds
            ),
        ),
        table(
            ("criterion of inspection", "中文", "code", "points", "source"),
            ((c.name, c.name_zh, f"`{c.code}`", str(c.points), ", ".join(c.source)) for c in found.form),
        ),
        table(
            ("points from outside", "中文", "code", "subjects", "source"),
            ((g.name, g.name_zh, f"`{g.code}`", ", ".join(g.by), ", ".join(g.source)) for g in found.given),
        ),
    ]
    return "\n".join(["[The rules](assessment.md) tell what each figure counts.\n", *parts])


def _times(found: AssessmentNorms) -> Iterable[tuple[str, str, str]]:
    for name in ("inspections", "objections", "decisions"):
        norm = getattr(found, name)
        yield f"`{name}`", f"{norm.working_days} working d", ", ".join(norm.source)
    yield "`sample_per_agent`", str(found.sample_per_agent.count), ", ".join(found.sample_per_agent.source)
