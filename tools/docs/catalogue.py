"""Page of the default catalogue and of the second one's credits."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from domain.catalogue.catalogue import Catalogue
from domain.catalogue.figures import AssessmentNorms
from domain.catalogue.norms import ClockNorm, CreditNorm, Duration, SurgeNorm
from domain.catalogue.terms import CLOCKS, ClockName
from domain.shared.codes import Coded
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from tools.docs.markdown import WRITTEN_BY, table, wrapped

_HEAD = f"""{WRITTEN_BY}

# The default catalogue

It is `hotline/catalogues/zhongshan.toml`; [how to change it](how-run.md#the-catalogue).

Letters in brackets are the [sources](#sources) of the figures. **I** means *inferred*: the catalogue's authors chose
the figure, and no company has promised it. Replace such figures with your own.
"""
_SERVICES = """
Times run round the clock, unless they are in working days or marked *working time*. A dash means that the clock is not
promised.
"""
_OWED = """The default catalogue has no credits. England's Guaranteed Standards
(`hotline/catalogues/england.toml`) have credits for missed promises and for findings of a department that completes the
case. The amounts are in pounds. Each credit needs an approval. *Unknown* is a gap of the catalogue: the amount was not
found, and nothing is credited."""
_UNITS = {"seconds": "s", "minutes": "min", "hours": "h", "days": "d", "working_days": "working d"}
_OFTEN: ClockName = "follow_up"
"""The clock that most services promise alike."""


def catalogue_page() -> str:
    """Return the catalogue page: the default catalogue and the credits of the second one."""
    catalogue = load_catalogue(DEFAULT_CATALOGUE)
    sections = {
        "Services": _services(catalogue),
        "The ladder": _sourced(
            (f"{step.percent} %: {', '.join(step.notify)}", step.source) for step in catalogue.ladder
        ),
        "Rules of the chain": _process(catalogue),
        "Approvers": "They decide in turn. Amounts that were approved on the case before count towards the limits.\n\n"
        + _sourced(
            (f"{norm.post}: up to {norm.up_to:,} CNY, within {_length(norm.within)}", norm.source)
            for norm in catalogue.approvers
        ),
        "Surges": _sourced((_surge(norm), norm.source) for norm in catalogue.surges),
        "The monthly assessment": _assessment(catalogue.assessment) if catalogue.assessment else "None.\n",
        "Findings": "Causes that a department may name with `complete`, for the [reports](reports.md). "
        "Nothing is owed for them.\n\n" + wrapped(map(_term, catalogue.findings)),
        "Departments": wrapped(map(_term, catalogue.departments)),
        "Organisation": _sourced(
            (f"{post.name_zh} {post.name}: {post.recipient} of {_codes(post.departments) or 'all'}", post.source)
            for post in catalogue.organisation
        ),
        "Districts": _districts(catalogue),
        "Sources": wrapped(f"{letter}: {source}" for letter, source in catalogue.sources.items()),
        "Credits of the second catalogue": _owed(load_catalogue(DEFAULT_CATALOGUE.with_name("england.toml"))),
    }
    return "\n".join([_HEAD, *(f"## {title}\n\n{text}" for title, text in sections.items())])


def _term(entry: Coded) -> str:
    """Return the names and the code of an entry; without the English name if the code says the same."""
    same = entry.name.lower().replace(" ", "_") == entry.code
    return f"{entry.name_zh} `{entry.code}`" if same else f"{entry.name_zh} {entry.name} `{entry.code}`"


def _codes(codes: Iterable[str]) -> str:
    return ", ".join(f"`{code}`" for code in codes)


def _sourced(rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Return a list with the sources of each row, which are said once if they are the same."""
    lettered = [(text, ", ".join(source)) for text, source in rows]
    if len(lettered) > 1 and len({letters for _, letters in lettered}) == 1:
        return f"{wrapped(text for text, _ in lettered)}\nSource of all: {lettered[0][1]}.\n"
    return wrapped(f"{text} ({letters})" for text, letters in lettered)


def _surge(norm: SurgeNorm) -> str:
    cases = f"more than {norm.more_than} cases of one district within {_length(norm.within)}"
    return f"{_codes(norm.services)}: {cases}; {norm.follow_up_percent} % are followed up"


def _services(catalogue: Catalogue) -> str:
    """Return the table of services, and what most of them have alike."""
    clocks = [clock for clock in CLOCKS if clock != _OFTEN]
    shown = table(
        ("service", "priority", "department", *(f"`{clock}`" for clock in clocks)),
        (
            (
                _term(service),
                service.priority,
                f"`{service.department}`",
                *(_clock_norm(service.norm_of(clock)) for clock in clocks),
            )
            for service in catalogue.services
        ),
    )
    often = {service.code: _clock_norm(service.norm_of(_OFTEN)) for service in catalogue.services}
    [(usual, _)] = Counter(often.values()).most_common(1)
    without = _codes(code for code, norm in often.items() if norm == _clock_norm(None))
    others = "".join(f"; `{code}` {norm}" for code, norm in often.items() if norm not in (usual, _clock_norm(None)))
    approved = _codes(service.code for service in catalogue.services if service.needs_approval)
    alike = (
        f"`{_OFTEN}` of all{f' but {without}' * bool(without)}: {usual}{others}",
        f"Completed only after management's decision (报批): {approved or 'none'}",
    )
    return f"{_SERVICES.lstrip()}\n{shown}\n{wrapped(alike)}"


def _clock_norm(norm: ClockNorm | None) -> str:
    if norm is None:
        return "-"
    letters = ", ".join(norm.source)
    if norm.in_call:
        return f"in the call ({letters})"
    words = _length(norm)
    if norm.outskirts_minutes is not None:
        words += f", outskirts {norm.outskirts_minutes:g} min"
    if norm.calendar_kind() == "working" and norm.working_days is None:
        words += ", *working time*"
    if norm.starts == "decision":
        words += " from the decision"
    return f"{words} ({letters})"


def _length(duration: Duration) -> str:
    return " ".join(f"{value:g} {_UNITS[unit]}" for unit, value in duration.units().items())


def _process(catalogue: Catalogue) -> str:
    rows = []
    for name in type(catalogue.process).model_fields:
        norm = getattr(catalogue.process, name)
        value = _length(norm) if isinstance(norm, Duration) else str(getattr(norm, "count", None) or norm.working_days)
        if hasattr(norm, "working_days") and not isinstance(norm, Duration):
            value += " working d"
        rows.append((f"`{name}`: {value}", norm.source))
    return _sourced(rows)


def _districts(catalogue: Catalogue) -> str:
    zones = dict[str, list[str]]()
    for district in catalogue.districts:
        zones.setdefault(district.zone, []).append(_term(district))
    return wrapped(f"{zone}: {', '.join(terms)}" for zone, terms in zones.items())


def _assessment(norms: AssessmentNorms) -> str:
    """Return times, weights, grades, grounds and form of the monthly assessment."""
    times = (
        (f"`{name}`: {norm.working_days} working d", norm.source)
        for name, norm in (
            ("inspections", norms.inspections),
            ("objections", norms.objections),
            ("decisions", norms.decisions),
        )
    )
    sample = norms.sample_per_agent
    parts = {
        "[The rules](assessment.md) tell what each figure counts.": _sourced(
            (*times, (f"`sample_per_agent`: {sample.count}", sample.source))
        ),
        "Weights, with the values for no and for all points:": _weights(norms),
        "Grades (等级), with the least score:": _sourced((f"{_term(g)}: {g.least}", g.source) for g in norms.grades),
        "Grounds of exclusion (剔除理由):": _sourced(
            (f"{_term(g)}{', with evidence' if g.needs_evidence else ''}", g.source) for g in norms.grounds
        ),
        "Criteria of inspection (质检), with their points:": _sourced(
            (f"{_term(c)}: {c.points}", c.source) for c in norms.form
        ),
        "Points from outside:": _sourced((f"{_term(g)}: {', '.join(g.by)}", g.source) for g in norms.given),
    }
    return "\n".join(f"{title}\n\n{text}" for title, text in parts.items())


def _weights(norms: AssessmentNorms) -> str:
    lines = list[str]()
    for subject, weights in groupby(norms.weights, lambda weight: weight.by.value):
        lines.append(f"- {subject}")
        lines += (f"  - `{w.figure}`: {w.weight}, {w.zero_at:g}–{w.full_at:g} ({', '.join(w.source)})" for w in weights)
    return "\n".join(lines) + "\n"


def _owed(catalogue: Catalogue) -> str:
    """Return the second catalogue's credits: for missed promises, then by finding; and the exemptions."""
    findings = {finding.code: _term(finding) for finding in catalogue.findings}
    missed = [credit for credit in catalogue.credits if credit.clock]
    found = [credit for credit in catalogue.credits if credit.finding]
    letters = {letter for credit in catalogue.credits for letter in credit.source}
    payers = {credit.paid_by for credit in catalogue.credits}
    paid = f"All are paid by {_codes(filter(None, payers))}." if len(payers) == 1 else ""
    parts = {
        f"{_OWED} {paid}\n\nFor a missed promise:": _sourced(
            (
                f"{credit.name_zh} {credit.name} (`{credit.clock}` of `{credit.service}`): {_amount(credit)}",
                credit.source,
            )
            for credit in missed
        ),
        "For a finding (查实事项):": _sourced(
            (f"{findings[credit.finding or '']}: {_amount(credit)}", credit.source) for credit in found
        ),
        "Exemptions (免责情形):": wrapped(map(_term, catalogue.exemptions)),
        "Sources:": wrapped(f"{letter}: {catalogue.sources[letter]}" for letter in sorted(letters)),
    }
    return "\n".join(f"{title}\n\n{text}" for title, text in parts.items())


def _amount(credit: CreditNorm) -> str:
    """Return what is owed, with the note to the approver."""
    words = str(credit.amount or "*unknown*")
    if credit.business:
        words += f", to a business {credit.business}"
    if further := credit.each_further:
        words += f", {further.amount} for each further {_length(further)}"
    if credit.at_most:
        words += f", at most {credit.at_most}"
    if credit.at_most_in:
        words += f" for one account in {_length(credit.at_most_in)}"
    return f"{words}. {credit.note}" if credit.note else words
