"""A setting's declaration: what it is called, which values it takes, and what may be seen of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter

from .errors import UserError

HIDDEN = "••••••••"  # what is shown in place of a secret


@dataclass(frozen=True)
class Setting:
    """One setting. Its type is that of `default`; `ge` and `le` bound numbers; `restart`: needs a new start. `secret`:
    its value is kept but never shown again.
    """

    name: str
    default: Any
    label: str
    help: str = ""
    section: str = "General"
    ge: float | None = None
    le: float | None = None
    choices: tuple[str, ...] | str | None = None
    restart: bool = False
    pixels: bool = False
    owner: str = ""
    secret: bool = False

    def shown(self, value: Any) -> Any:
        """What may be seen of `value`."""
        return HIDDEN if self.secret and value else value

    def checked(self, value: Any) -> Any:
        """`value` in the setting's type. Raises UserError when it does not fit."""
        kind = type(self.default)
        try:
            value = _READERS[kind](value)
        except (TypeError, ValueError) as error:
            raise UserError(f"{self.label} is {str(value)[:60]!r}, but must be {_WORDS[kind]}.") from error
        if self.ge is not None and value < self.ge:
            raise UserError(f"{self.label} is {value}, but must be at least {self.ge}.")
        if self.le is not None and value > self.le:
            raise UserError(f"{self.label} is {value}, but must be at most {self.le}.")
        if isinstance(self.choices, tuple) and value not in self.choices:
            raise UserError(f"{self.label} is {value[:60]!r}, but must be one of {', '.join(self.choices)}.")
        return value


def _writable(text: str) -> str:
    """Raises ValueError for half of a character pair, which no file can hold, and for zero bytes, which no path can."""
    text.encode()
    if "\0" in text:
        raise ValueError("it holds a zero byte")
    return text


# pydantic reads what a file, a form or the environment holds without guessing: "3" and 3.0 are 3, 3.7 is not.
_READERS = {
    bool: TypeAdapter(bool).validate_python,
    int: TypeAdapter(int).validate_python,
    float: TypeAdapter(Annotated[float, Field(allow_inf_nan=False)]).validate_python,
    str: TypeAdapter(Annotated[str, AfterValidator(_writable)]).validate_python,
}
_WORDS = {bool: "on or off", int: "a whole number", float: "a number", str: "text"}


class SettingDeclarations:
    """All settings there are, by name, in the order in which the page shows them."""

    def __init__(self, declared: tuple[Setting, ...] = ()) -> None:
        self._settings = {setting.name: setting for setting in declared}

    def add(self, setting: Setting) -> None:
        if setting.name in self._settings:
            raise ValueError(f"The setting {setting.name!r} is already declared.")
        if type(setting.default) not in _READERS:
            raise ValueError(f"The setting {setting.name!r} must be on or off, a number or text.")
        self._settings[setting.name] = setting

    def remove(self, name: str) -> None:
        del self._settings[name]

    def get(self, name: str) -> Setting:
        """Raises UserError when no setting has that name."""
        if name not in self._settings:
            raise UserError(f"There is no setting called {name!r}.")
        return self._settings[name]

    def __iter__(self) -> Iterator[Setting]:
        return iter(tuple(self._settings.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._settings
