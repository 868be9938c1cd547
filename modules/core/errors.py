"""The one exception that people see."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend. `message` says what was seen and what was expected; `hint` says what to do.

    Raised anywhere, shown as it is at the three borders: a job, an extension's call, an HTTP route.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple:
        return type(self), (self.message, self.hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Stopped(Exception):
    """Raised inside a generation when its stop token says so. Not a failure: what is done is kept."""
