"""Nothing that people set, call or read goes undocumented, and nothing is documented that is gone."""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
import typer.main
from starlette.routing import Route
from temporalio.common import SearchAttributeKey

from activities.notifications.channels import CONFIGS
from activities.notifications.texts import Templates
from api.complaints.caller_words import STATE_FOR_CALLERS
from api.complaints.cases import NewComplaint
from api.documents import Documents
from api.edge.middleware import Metrics
from api.edge.problems import PROBLEM_KINDS, URN
from api.parameters import Flag, Listing
from api.temporal_ui.pages import VIEWS
from bench.__main__ import NAMES as PARTS_OF_BENCHMARK
from domain.case.actions import ACTIONS, TABLE
from domain.case.actions.correct import CONTACT_CHANGED
from domain.case.actions.link_incident import KEPT, OVER, OWN_CAUSE, SETTLED
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.unsubscribe import UNSUBSCRIBED
from domain.case.clocks import ClockStatus
from domain.case.intake import Caller, IntakeFlag, Location
from domain.case.lifecycle import PartState, State
from domain.case.state import CREDIT_WAITS, EXTENSION_WAITS
from domain.catalogue.terms import CLOCKS, Recipient
from domain.incident.incident import INCIDENT_KINDS
from domain.incident.state import IncidentState
from domain.kit.event import CANCELLATION
from domain.shared.actors import Role
from domain.shared.errors import FileError
from hotline.cli import main as cli
from hotline.settings import VARIABLE_PREFIX as SETTING
from hotline.settings import Settings, variable
from readmodel.migrate import metadata
from tests.support.pages import ALL, ROOT, TEXTS, examples, listed, names, page, section
from tools.docs.interface import application
from tools.docs.openapi import RIGHT
from workflows.kit import search_attributes
from workflows.kit.search_attributes import COLUMNS, REGISTRY

GLOSSARY = page("docs/glossary.md")
SLA = {"on_time", "at_risk", "missed", "paused"}


def glossary(title: str) -> list[str]:
    """The code names of a section of the glossary: each follows its Chinese term."""
    return re.findall(r"(?m)(?:^|- |, )[^ `]+ `(\w+)`", section(GLOSSARY, title))


def test_every_setting_is_documented_and_no_other() -> None:
    known = {variable(field) for field in Settings.model_fields}
    assert set(listed(section(page("docs/reference.md"), "Settings"))) == known
    assert set(re.findall(rf"\b{SETTING}[A-Z_]*[A-Z]\b", ALL)) == known


def test_every_file_of_the_data_folder_is_documented_and_in_the_backup() -> None:
    how_run, folder = page("docs/how-run.md"), Path("a-data-folder").absolute()
    settings = Settings(data_dir=folder)
    files = {
        p.name
        for name in Settings.model_fields
        if isinstance(p := getattr(settings, name), Path) and p.parent == folder
    }
    files |= {Path(settings.database_url).name, "temporal.db"}
    folder_items = section(how_run, "What is in the data folder")
    to_back_up, others = folder_items.split("The others", 1)
    kept = {name.rstrip("/") for name in listed(to_back_up)}
    assert kept | {name.rstrip("/") for name in listed(others)} >= files
    (script,) = [e.text for e in examples(page("docs/backup.md")) if "sqlite3" in e.text]
    assert set(re.findall(r"data/([a-z.]+)", script)) == kept
    # SQL may be behind Temporal, never ahead of it.
    assert re.findall(r"sqlite3 data/(\S+)", script) == ["hotline.db", "temporal.db"]
    dies = section(page("docs/when-something-is-wrong.md"), "When something dies")
    (lost,) = [line for line in dies.splitlines() if line.startswith("- **the disk**")]
    assert {name.rstrip("/") for name in names(lost)} == kept - {name for name in kept if name.endswith(".db")}


def test_every_state_is_in_the_glossary_and_no_other() -> None:
    assert glossary("States") == [state.value for state in State]
    assert listed(section(page("docs/what.md"), "The life of a case")) == [state.value for state in State]


def test_what_callers_read_of_a_state_is_in_the_glossary() -> None:
    told = re.findall(r"(?m)^- \S+ `\w+`: (.+)$", section(GLOSSARY, "States"))
    assert told == [" · ".join(STATE_FOR_CALLERS[state]) for state in State]


def test_every_state_of_a_part_is_in_the_glossary_and_no_other() -> None:
    states = [state.value for state in PartState]
    assert glossary("Parts") == states
    assert listed(section(page("docs/what.md"), "Parts of a case")) == states


def test_every_action_is_in_the_glossary_and_no_other() -> None:
    by_itself = [
        "escalate",
        "notice",
        "criticise",
        "undelivered",
        "recognise",
        "cancellation_requested",
        "catalogue_change",
        "credit",
        "left_out",
    ]
    assert glossary("Actions") == [*TABLE, *by_itself]


def test_every_word_of_incidents_is_in_the_glossary() -> None:
    words = ({*IncidentState, *INCIDENT_KINDS, SETTLED, KEPT, OVER}) - {CANCELLATION}
    assert names(section(GLOSSARY, "Incidents")) == words | {"incident", "surge-watch"}


def test_every_role_is_in_the_glossary_and_no_other() -> None:
    documented = names(section(GLOSSARY, "People"))
    assert {role.value for role in Role} <= documented
    assert documented <= {*(role.value for role in Role), *get_args(Recipient)}


def test_every_clock_and_status_is_documented() -> None:
    documented = names(section(GLOSSARY, "Time"))
    assert {*CLOCKS, *(status.value for status in ClockStatus), *SLA} <= documented
    assert listed(section(page("docs/what.md"), "Clocks")) == list(CLOCKS)
    assert {status.value for status in ClockStatus} <= names(section(page("docs/what.md"), "Clocks"))


def test_every_kind_of_approval_is_in_the_glossary() -> None:
    kinds = next(part for part in get_args(RequestApproval.model_fields["kind"].annotation) if part is not NoneType)
    assert {*get_args(kinds), "approvers", "deputy"} <= names(section(GLOSSARY, "Approvals"))


def test_every_flag_is_in_the_glossary_and_no_other() -> None:
    code = "".join(module.read_text(encoding="utf-8") for module in (ROOT / "domain").rglob("*.py"))
    raised = {
        flag
        for line in code.splitlines()
        if "add_flags" in line or line.lstrip().startswith(("FLAG = ", "flags=("))
        for flag in re.findall(r'"([a-z_]+)"', line)
    }
    known = raised | set(IntakeFlag) | {CONTACT_CHANGED, CREDIT_WAITS, EXTENSION_WAITS, OWN_CAUSE, UNSUBSCRIBED}
    assert names(section(GLOSSARY, "Flags")) == known, "docs/glossary.md, Flags, has a line for each flag"
    assert set(get_args(Flag)) == known, "api/parameters.py, Flag, has every flag"


def test_every_search_attribute_has_a_meaning() -> None:
    keys = {name for name, value in vars(search_attributes).items() if isinstance(value, SearchAttributeKey)}
    named = {name for name in keys if getattr(search_attributes, name) in REGISTRY}
    assert keys == named, f"add {keys - named} to REGISTRY in workflows/kit/search_attributes.py"


def test_every_search_attribute_is_documented_and_no_other() -> None:
    known = [key.name for key in REGISTRY]
    assert listed(section(page("docs/temporal-ui.md"), "The list")) == known


def test_every_search_attribute_keeps_its_column() -> None:
    """Clusters that are set up have it there: a new one goes behind the others of its type, and at the end here."""
    keywords = ["State", "Service", "District", "Department", "Owner", "Priority", "Sla", "Incident", "Headline"]
    others = {
        "Datetime01": "NextDueAt",
        "Datetime02": "ChangedAt",
        "KeywordList01": "Involved",
        "KeywordList02": "Flags",
    }
    assert others | {f"Keyword{place:02}": name for place, name in enumerate(keywords, start=1)} == COLUMNS


@pytest.mark.parametrize(
    "query", [view.query for view in VIEWS] + listed(section(page("docs/temporal-ui.md"), "Queries by hand"))
)
def test_documented_queries_use_attributes_that_exist(query: str) -> None:
    used = set(re.findall(r"\b([A-Z][a-z][A-Za-z]+)\b(?= *(?:[=<>!]|IN |IS ))", re.sub(r'"[^"]*"', '""', query)))
    assert used
    assert used <= {"WorkflowType", "ExecutionStatus", *(key.name for key in REGISTRY)}


def test_every_kind_of_channel_is_documented_with_its_keys_and_no_other() -> None:
    kinds = section(page("docs/channels.md"), "Kinds of channel")
    assert listed(kinds) == list(CONFIGS), "docs/channels.md, Kinds of channel, has a line for each kind"
    for kind, config in CONFIGS.items():
        missing = {*config.model_fields} - {"kind", *names(kinds)}
        assert not missing, f"keys of the channel {kind} are missing in docs/channels.md"


def test_every_problem_type_is_documented_and_no_other() -> None:
    _, _, types = section(page("docs/api.md"), "Problems").partition("<!-- generated: problems -->")
    assert names(types) == set(PROBLEM_KINDS)
    assert set(re.findall(r"urn:hotline:problem:[a-z-]+", ALL)) <= {URN + slug for slug in PROBLEM_KINDS}


def test_every_metric_is_documented_and_no_other() -> None:
    exposed = re.findall(r"^# TYPE (\S+)", Metrics(lambda: 0.0).text().decode(), re.MULTILINE)
    # The library adds when each series began, which nobody needs to be told.
    known = {name for name in exposed if not name.endswith("_created")}
    assert set(listed(section(page("docs/how-run.md"), "Looking at it"))) == known


def commands(group: Any, prefix: str = "hotline") -> set[str]:
    """Every command of a group and of the groups in it."""
    if not hasattr(group, "commands"):
        return {prefix}
    return set().union(*(commands(command, f"{prefix} {name}") for name, command in group.commands.items()))


def test_every_command_is_documented_and_no_other() -> None:
    documented = set[str]()
    for item in re.findall(r"^- (`.+?`):", section(page("docs/how-run.md"), "Commands"), re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", item)
        documented |= {first, *(f"{first.rpartition(' ')[0]} {name}" for name in others)}
    assert documented == commands(typer.main.get_command(cli.app))


def test_every_make_target_is_documented_and_no_other() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {f"make {target}" for target in re.findall(r"^([a-z-]+):[^#\n]*## ", makefile, re.MULTILINE)}
    documented = listed(page("docs/development.md").split("## ", 1)[0])
    assert set(documented) == targets
    mentioned = {f"make {target}" for target in re.findall(r"`make ([a-z-]+)", ALL)}
    assert mentioned <= targets


def test_every_part_of_the_benchmark_has_a_figure_and_no_other() -> None:
    figures = section(page("docs/development.md"), "Figures")
    assert sorted(re.findall("^- `([a-z-]+)`", figures, re.MULTILINE)) == sorted(PARTS_OF_BENCHMARK)


@pytest.mark.parametrize(("prove", "name"), [(Templates, "staff/default.zh.txt"), (Documents, "documents/notice.html")])
def test_every_field_of_a_template_is_documented(prove: Callable[[Path], object], name: str, tmp_path: Path) -> None:
    """They are what a template with an unknown field is told."""
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("{{ nonsense }}", encoding="utf-8")
    with pytest.raises(FileError) as refused:
        prove(tmp_path)
    (told,) = (problem for problem in refused.value.problems if "nonsense" in problem)
    fields = set(told.partition("accepted: ")[2].split(", "))
    assert len(fields) > 1
    assert fields <= names(section(page("docs/channels.md"), "Templates"))


def test_every_file_that_is_named_exists() -> None:
    # A service that ran here has left its `data`.
    tops = {path.name for path in ROOT.iterdir()} - {"data"}
    missing = sorted(
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in TEXTS.items()
        for name in names(text)
        if re.fullmatch(r"[\w./-]+", name) and name.split("/")[0] in tops and not (ROOT / name).exists()
    )
    assert not missing


def test_every_table_of_the_read_model_is_documented_and_no_other() -> None:
    items = re.findall(r"^- (`.+?`)(?::|$)", section(page("docs/how-built.md"), "Data model"), re.MULTILINE)
    documented = [name for item in items for name in re.findall(r"`([a-z_]+)`", item)]
    assert sorted(documented) == sorted(metadata.tables)


def test_every_class_and_method_that_is_named_exists() -> None:
    modules = [
        path for top in ("activities", "api", "domain", "readmodel", "workflows") for path in (ROOT / top).rglob("*.py")
    ]
    code = "\n".join(module.read_text(encoding="utf-8") for module in modules)
    named = {
        name for text in ("docs/how-built.md", "docs/patterns.md", "CONTRIBUTING.md") for name in names(page(text))
    }
    attributes = {key.name for key in REGISTRY}
    words = {word for name in named for word in re.findall(r"^([A-Z][a-z]\w+)(?:\.|$)", name)} - attributes
    methods = {method for name in named for method in re.findall(r"^[A-Z]\w+\.(\w+)$", name)}
    assert sorted(word for word in words if not re.search(rf"^(?:class {word}\b|{word}\b)", code, re.MULTILINE)) == []
    assert sorted(method for method in methods if not re.search(rf"\bdef {method}\b", code)) == []


def test_every_module_that_is_run_exists() -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", ALL))
    assert modules
    assert [name for name in sorted(modules) if importlib.util.find_spec(name) is None] == []


def served() -> set[str]:
    """Every route of the service, as it describes them itself; actions count as one."""
    app = application()
    described = {
        f"{method.upper()} {re.sub(r'/actions/[a-z_]+$', '/actions/{action}', path)}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    # What the page at /docs is made of is no interface.
    routes = [route for route in app.routes if isinstance(route, Route) and not route.path.startswith("/swagger/")]
    apart = {f"GET {route.path}" for route in routes if not route.include_in_schema and "GET" in (route.methods or ())}
    return described | apart


def test_every_route_is_documented_and_no_other() -> None:
    routes = served()
    pages = section(page("docs/api.md"), "Routes"), section(page("docs/desk.md"), "Pages")
    assert {route for text in pages for route in listed(text)} == routes
    mentioned = {f"{method} {path.split('?')[0]}" for method, path in re.findall(r"`(GET|POST) (/[\w/{}?=&.-]*)`", ALL)}
    assert mentioned <= routes


def test_the_right_of_every_route_is_documented() -> None:
    documented = dict(re.findall(r"^- `([^`]+)` \(([^)]+)\)", section(page("docs/api.md"), "Routes"), re.MULTILINE))
    taken = {
        f"{method.upper()} {path}": f"`{operation[RIGHT]}`"
        for path, methods in application().openapi()["paths"].items()
        for method, operation in methods.items()
        if RIGHT in operation and "/actions/" not in path
    }
    assert {route: right for route, right in documented.items() if route in taken} == taken


def test_every_action_has_its_body_documented() -> None:
    assert listed(section(page("docs/api.md"), "Acting")) == [action.name for action in ACTIONS][1:]


def test_every_filter_of_the_list_is_documented() -> None:
    known = set(Listing.model_fields)
    missing = known - {name.rstrip("?") for name in names(section(page("docs/api.md"), "Lists"))}
    assert not missing, f"docs/api.md, Lists, does not name the filters {missing}"


def test_every_field_of_a_registration_is_documented_and_no_other() -> None:
    documented = {name.rstrip("?") for name in listed(section(page("docs/api.md"), "Registering"))}
    assert documented == set(NewComplaint.model_fields)
    missing = {*Caller.model_fields, *Location.model_fields} - {*names(section(page("docs/api.md"), "Registering"))}
    assert not missing, f"docs/api.md, Registering, does not name {missing} of caller or location"
