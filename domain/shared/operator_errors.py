"""Errors that end a command or a process with a message for the operator."""

from collections.abc import Iterable


class OperatorError(Exception):
    """Error that the operator can correct; its text says how."""


class FileError(OperatorError):
    """Error of an operator's file. `problems` names for each mistake the place and what is accepted."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
