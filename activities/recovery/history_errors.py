"""Errors for histories from which nothing can be written to SQL."""


class UnreadableError(Exception):
    """Error for a history that this release cannot read."""


class ForeignError(UnreadableError):
    """Error for the history of a workflow that the service has not started."""


class UnopenedError(UnreadableError):
    """Error for a history that is sealed with a key that this process does not have."""
