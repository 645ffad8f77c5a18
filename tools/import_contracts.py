"""An import contract that import-linter lacks: third-party imports by a list of what is allowed."""

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyExternals(Contract):
    """The package `source_package` imports nothing third-party but what `allowed` lists."""

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
