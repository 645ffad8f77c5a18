"""Rules of a repository that strangers read: what it must not hold, and what it must."""

import ast
import re
import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.temporal_ui import pages
from domain.calendar.work_calendar import USUAL_ZONE
from tests.support.pages import ALL, DOCS, PAGES, ROOT, TEXTS, prose, section

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
SCREEN_LINES, SCREEN_WIDTH = 45, 120
README_LINES, ROW_WIDTH = 80, 150
PAGE_WORDS, ALL_WORDS = 3_000, 40_000
OTHER_WORDS = "house|lane|lanes|letterbox|mailbox|moment|moments|paper|papers|parcel|postman|renewal|reterm"
"""Words that the glossary replaces by a usual one."""
QUESTION = re.compile(
    r'^\s*"""((?:Whether|What|Whatever|Who|Whom|Whose|Which|Where|When|How|Why|If|Is|Those|That)\b.*)', re.MULTILINE
)
"""Beginning of a docstring that asks instead of naming the thing or the action."""
PACKAGES = ("activities", "api", "bench", "demo", "domain", "hotline", "readmodel", "tests", "tools", "workflows")
OUTSIDE_THE_PRODUCT = {"bench", "demo", "tests", "tools"}
MODULE_LINES = 400
LOCKS = sorted([*ROOT.glob("requirements*.txt"), *ROOT.glob("bench/**/requirements.txt")])


@pytest.fixture(scope="module")
def code() -> dict[str, str]:
    """Return the text of every module, by its path."""
    modules = [
        ROOT / "worker.py",
        *(module for package in PACKAGES for module in sorted((ROOT / package).rglob("*.py"))),
    ]
    return {str(module.relative_to(ROOT)): module.read_text(encoding="utf-8") for module in modules}


def on_pages(find: Callable[[Path], list[str]], pages: Iterable[Path] = PAGES) -> dict[str, list[str]]:
    """Return what is found on each page, by its path; pages without a finding are left out."""
    return {str(page.relative_to(ROOT)): found for page in pages if (found := find(page))}


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", changelog, re.MULTILINE)
    assert releases[0] == ("Unreleased", "")
    assert all(date for _, date in releases[1:])
    version = PROJECT["version"]
    assert version in dict(releases) or f"{version} is not released yet" in changelog


def test_sections_of_the_changelog_are_those_of_keep_a_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_license_is_the_one_that_is_declared() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_pages_name_no_machine_of_their_author() -> None:
    folders = "work|root|home|Users|tmp"
    assert on_pages(lambda page: re.findall(rf"(?<![\w.])/(?:{folders})/", TEXTS[page])) == {}


def test_locks_name_no_address() -> None:
    """The person who installs the packages chooses where they come from."""

    def addresses(lock: Path) -> list[str]:
        lines = lock.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if "://" in line or line.startswith("-")]

    assert on_pages(addresses, LOCKS) == {}


def test_locked_packages_have_hashes() -> None:
    assert len(LOCKS) == 3
    for lock in LOCKS:
        pinned = re.findall(r"^([a-z0-9][\w.\[\]-]*==\S+)(.*)$", lock.read_text(encoding="utf-8"), re.MULTILINE)
        assert pinned
        assert [name for name, rest in pinned if not rest.endswith("\\")] == []


def by_hand(page: Path) -> str:
    """Return the part of a page that a person wrote."""
    whole = TEXTS[page].startswith("<!-- Written by")
    return "" if whole else re.sub(r"<!-- generated: .*?<!-- end -->", "", TEXTS[page], flags=re.DOTALL)


def test_the_readme_is_short() -> None:
    assert len(TEXTS[ROOT / "README.md"].splitlines()) <= README_LINES


def test_pages_are_short_and_few() -> None:
    """By `wc -w`; decisions and the changelog grow with time."""
    words = {page.name: len(TEXTS[page].split()) for page in PAGES if page.parent != DOCS / "decisions"}
    del words["CHANGELOG.md"]
    assert {page: count for page, count in words.items() if count > PAGE_WORDS} == {}
    assert sum(words.values()) < ALL_WORDS


def test_a_row_of_a_table_fits_one_line() -> None:
    def too_long(page: Path) -> list[str]:
        return [line for line in by_hand(page).splitlines() if line.startswith("|") and len(line) > ROW_WIDTH]

    assert on_pages(too_long) == {}


def test_pages_use_the_words_of_the_glossary() -> None:
    def other_words(page: Path) -> list[str]:
        written = re.sub(r"`[^`\n]+`", "", prose(by_hand(page)))
        return re.findall(rf"\b(?:{OTHER_WORDS})\b", written, re.IGNORECASE)

    assert on_pages(other_words) == {}


def test_a_decision_has_its_three_parts_and_a_line_in_the_index() -> None:
    index = TEXTS[DOCS / "decisions" / "README.md"]

    def missing(decision: Path) -> list[str]:
        text, number = TEXTS[decision], decision.stem[:4]
        title = text.splitlines()[0].removeprefix("# ")
        row = f"| [{number}]({decision.name}) | {title[5:]} |"
        parts = [part for part in ("Context", "Decision", "Consequences") if not section(text, part).strip()]
        return parts + [row] * (row not in index) + [f"title {number}"] * (not title.startswith(number))

    assert on_pages(missing, DECISIONS) == {}


def test_a_decision_fits_one_screen() -> None:
    def too_much(decision: Path) -> list[str]:
        lines = TEXTS[decision].splitlines()
        return [line for line in lines if len(line) > SCREEN_WIDTH] + lines[SCREEN_LINES:]

    assert on_pages(too_much, DECISIONS) == {}


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(path.stem[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_saved_views_have_names_of_their_own() -> None:
    now = datetime(2026, 8, 3, 4, tzinfo=UTC)
    views = [*pages.personal("chen", "repair"), *pages.of_today(now, USUAL_ZONE), *pages.VIEWS]
    assert len({view.name for view in views}) == len({view.name_zh for view in views}) == len(views)
    assert len(views) <= pages.MOST_VIEWS


def test_nothing_is_left_to_be_written() -> None:
    assert re.findall(r"\b(?:TODO|FIXME|TBD|XXX)\b", ALL) == []


def test_private_names_of_libraries_are_listed(code: dict[str, str]) -> None:
    decision = TEXTS[DOCS / "decisions" / "0035-private-names-of-libraries.md"]
    product = "\n".join(text for module, text in code.items() if module.split("/")[0] not in OUTSIDE_THE_PRODUCT)
    allowed = [line for line in product.splitlines() if "SLF001" in line and "public, by its docs" not in line]
    used = {name for line in allowed for name in re.findall(r"\.(_[A-Za-z]\w+)", line)}
    listed = set(re.findall(r"`(_\w+)`", decision))
    assert used <= listed
    assert [name for name in listed if not re.search(rf"\b{name}\b", product)] == []


def test_no_docstring_begins_with_a_question_word(code: dict[str, str]) -> None:
    assert {module: found for module, text in code.items() if (found := QUESTION.findall(text))} == {}


def test_no_module_is_too_long(code: dict[str, str]) -> None:
    assert [module for module, text in code.items() if len(text.splitlines()) > MODULE_LINES] == []


def test_one_function_builds_workers_with_the_checking_runner(code: dict[str, str]) -> None:
    product = ("worker.py", "activities/", "api/", "domain/", "hotline/", "readmodel/", "workflows/")
    makers = {"Worker", "Replayer"}
    built = [
        (path, ast.unparse(call))
        for path, text in code.items()
        # To parse every module takes seconds.
        if path.startswith(product) and any(name in text for name in makers)
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in makers
    ]
    assert [path for path, _ in built] == ["worker.py"]
    assert "workflow_runner=runner(" in built[0][1]
