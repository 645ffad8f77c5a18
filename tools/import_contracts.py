"""Import contracts that import-linter lacks: layers with `worker.py` in them, and a list of allowed libraries."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.contracts.layers import LayersContract

WORKER = "worker"
"""Module at the root. Import-linter finds the imports of packages only."""


class LayersWithWorker(LayersContract):
    """Layers, one of which is the module `worker`."""

    type_name = "layers_with_worker"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Add the imports of `worker.py` to the graph, then check the layers."""
        # So far the graph has it as something outside the packages, which imports nothing.
        importers = graph.find_modules_that_directly_import(WORKER)
        graph.remove_module(WORKER)
        graph.add_module(WORKER)
        for importer in importers:
            graph.add_import(importer=importer, imported=WORKER)
        for imported, line in _imports(ast.parse(Path(f"{WORKER}.py").read_text(encoding="utf-8")), graph.modules):
            graph.add_import(importer=WORKER, imported=imported, line_number=line, line_contents=imported)
        return super().check(graph, verbose)


def _imports(tree: ast.Module, modules: set[str]) -> Iterator[tuple[str, int]]:
    """Yield the known modules that a program imports, each with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            package = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names = {f"{package}{alias.name}" for alias in node.names} | {package.rstrip(".")}
            yield from ((name, node.lineno) for name in names & modules)


class OnlyExternals(Contract):
    """Third-party packages that `source_package` may import: those in `allowed`."""

    type_name = "only_externals"

    source_package = fields.StringField()
    allowed = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - import-linter's signature
        """Find direct imports of other top-level modules; chains start with one of them."""
        package = str(self.source_package)
        permitted = {package, *sys.stdlib_module_names, *self._allowed()}
        found = [
            (importer, imported)
            for importer in sorted({package, *graph.find_descendants(package)})
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported.partition(".")[0] not in permitted
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line per import that is not allowed."""
        pairs: list[tuple[str, str]] = check.metadata["found"]
        for importer, imported in pairs:
            output.print_error(f"{importer} imports {imported}; allowed are: {', '.join(self._allowed())}")

    def _allowed(self) -> list[str]:
        # The declared fields are descriptors that hold the parsed values at run time.
        allowed: Any = self.allowed
        return list(allowed)
