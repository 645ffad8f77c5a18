"""The recorded histories walk every line and every branch of the workflows; `pytest -rP` shows the table."""

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests.replay.test_replay import FILES, HISTORIES, load, replayer

WORKFLOWS = Path(__file__).parents[2] / "workflows"
DETAILS = ("*/words.py", "complaint/details.py", "complaint/reasons.py")
NEVER_ENTERED = {
    "queries are in no history": {
        "complaint/workflow.ComplaintWorkflow.details",
        "assessment/workflow.AssessmentWorkflow.details",
        "incident/workflow.IncidentWorkflow.details",
        "assessment/messages.details",
        "assessment/messages._decision",
        "assessment/messages._objections",
        "assessment/messages._scores",
        "incident/messages.details",
        "incident/messages._waiting",
        "bulk.CatalogueRolloutWorkflow.progress",
        "kit/entity.EntityWorkflow.done",
        "bulk.HandoverWorkflow.progress",
        "incident/workflow.IncidentWorkflow.incident",
    },
    "a replay does not look at what Temporal shows of a start": {
        "kit/entity._began_otherwise",
    },
    "a replay has no interceptor of a worker": {
        "kit/interceptor.EntityInterceptor.__init__",
        "kit/interceptor.EntityInterceptor.workflow_interceptor_class",
        "kit/interceptor._EntityInbound.execute_workflow",
        "kit/interceptor._EntityInbound.handle_query",
        "kit/interceptor._EntityInbound.handle_signal",
        "kit/interceptor._EntityInbound.handle_update_handler",
        "kit/interceptor._note_action",
    },
    "a history holds what validators have accepted, and replay does not ask them again": {
        "complaint/workflow.ComplaintWorkflow.check_recognise",
        "complaint/workflow.ComplaintWorkflow.check_undelivered",
        "complaint/workflow.ComplaintWorkflow.check_catalogue_change",
        "complaint/workflow.ComplaintWorkflow.check_settle",
        "kit/entity.EntityWorkflow._check_acknowledged",
        "kit/entity.EntityWorkflow._version_refusal",
        "kit/entity.EntityWorkflow._refusal",
        "kit/entity.EntityWorkflow.check",
        "incident/workflow.IncidentWorkflow.check_absorb",
        "kit/entity._update.check",
    },
    "a start that is refused makes no case, and no history of one": {
        "singletons.UnknownWorkflow.run",
    },
    "API and worker compute it before they start a workflow": {
        "bulk.HandoverStart.of",
        "incident/messages.scope_in_words",
        "complaint/messages.summary",
        "complaint/messages.start_from",
        "kit/search_attributes.typed",
    },
    "handlers of updates and search attributes are made when the modules are loaded": {
        "kit/entity._update",
        "kit/entity.describe",
        "kit/entity.EntityWorkflow.__init_subclass__",
    },
}
"""Functions, by the reason for which no replay enters them. All others are walked whole."""

Functions = Mapping[str, Any]
"""Reports of coverage.py on each function, by module and name."""


async def walked(histories: Iterable[Path], folder: Path) -> Functions:
    """Replay the histories, and report what they walked."""
    measured = coverage.Coverage(
        data_file=None,
        config_file=False,
        branch=True,
        source=[str(WORKFLOWS)],
        # Clients run in no workflow, and details are made for queries, which no history holds.
        omit=[str(WORKFLOWS / path) for path in ("clients/*", *DETAILS)],
    )
    with measured.collect():
        for path in histories:
            await replayer(sandbox=False).replay_workflow(load(path))
    measured.json_report(outfile=str(folder / "coverage.json"))
    files = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))["files"]
    return {
        f"{Path(file).relative_to(WORKFLOWS.name).with_suffix('').as_posix()}.{name}": function
        for file, report in files.items()
        for name, function in report["functions"].items()
        if name and function["summary"]["num_statements"]
    }


def partly(functions: Functions) -> dict[str, str]:
    """The lines, and the branches as `from→to`, that were not walked in functions that were entered."""
    return {name: missing for name, each in functions.items() if each["executed_lines"] and (missing := _missing(each))}


def _missing(function: Mapping[str, Any]) -> str:
    lines = function["missing_lines"]
    if not function["executed_lines"]:
        return "-".join(map(str, sorted({lines[0], lines[-1]})))
    # A branch to the end of the function is reported as one to a line below zero.
    branches = [f"{begin}→{end if end > 0 else 'end'}" for begin, end in function["missing_branches"]]
    return ", ".join(map(str, [*lines, *branches]))


def table(functions: Functions) -> str:
    """The lines in functions of each module, how many were walked, and which were not."""
    rows = [f"{'module':26}{'lines':>6}{'walked':>8}  not walked"]
    for module, names in groupby(functions, lambda name: name.partition(".")[0]):
        reports = [functions[name] for name in names]
        lines, covered = (sum(each["summary"][of] for each in reports) for of in ("num_statements", "covered_lines"))
        rows.append(f"{module:26}{lines:6}{covered:8}  {', '.join(filter(None, map(_missing, reports)))}")
    return "\n".join(rows)


@pytest.mark.slow
async def test_the_histories_walk_every_line_and_every_branch(tmp_path: Path) -> None:
    functions = await walked(FILES, tmp_path)
    print(table(functions))  # noqa: T201 - pytest shows it
    assert partly(functions) == {}
    never = {name for name, each in functions.items() if not each["executed_lines"]}
    assert never == set().union(*NEVER_ENTERED.values())


async def test_what_no_history_walks_is_found(tmp_path: Path) -> None:
    """The check would be worth nothing if it passed whatever is replayed."""
    functions = await walked([HISTORIES / "straight.json"], tmp_path)
    assert "→" in partly(functions)["complaint/workflow.ComplaintWorkflow._signal_incident"]
    assert not functions["incident/workflow.IncidentWorkflow.run"]["executed_lines"]
