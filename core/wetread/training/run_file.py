"""One readable YAML file for one run, read into frozen dataclasses and refused in one line where it does not fit.

The refusal says which key, in which line of which file, what was found and what is allowed. `1e-6`, which YAML 1.1
reads as a word, is taken as the number that everybody means.
"""

from __future__ import annotations

import math
import types
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import yaml

T = TypeVar("T")


def read_run_file(path: Path, kind: type[T]) -> T:
    """Read a YAML file as a dataclass; relative folders in it count from the working directory.

    Args:
        path: of the file.
        kind: a dataclass whose fields are numbers, words, `Literal`, `Path`, tuples, dicts of numbers, dataclasses or
            unions with None.

    Raises:
        RefusedInput: unreadable, an unknown or missing key, or a value that does not fit.
    """
    import yaml

    try:
        text = Path(path).read_text(encoding="utf-8")
        tree, raw = yaml.compose(text), yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise RefusedInput("not a text file", path, "give a YAML file") from error
    except OSError as error:
        raise RefusedInput(f"unreadable file ({error.strerror})", path, "give a YAML file") from error
    except yaml.YAMLError as error:
        raise RefusedInput("not YAML: " + " ".join(str(error).split()), path, "mend the line that is named") from error
    return _Reader(path, _lines(tree)).take(raw, kind, "")


def at_least(part: object, **least: float) -> None:
    """Check fields of a dataclass that was read.

    Args:
        part: the dataclass.
        least: field -> its lowest value.

    Raises:
        ValueError: not a finite number (a whole one where the field is an int), or below its lowest.
    """
    hints = get_type_hints(type(part))
    for name, low in least.items():
        value, whole = getattr(part, name), hints[name] is int
        fits = isinstance(value, int) if whole else isinstance(value, int | float)
        if isinstance(value, bool) or not fits or not low <= value < math.inf:
            kind = "whole number" if whole else "number"
            raise ValueError(f"{name} is a {kind} of {low:g} or more, found {value!r}")


def _lines(node: yaml.Node | None, prefix: str = "") -> dict[str, int]:
    """Key path -> line, counted from 1."""
    import yaml

    found: dict[str, int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{prefix}.{key.value}" if prefix else str(key.value)
            found[name] = key.start_mark.line + 1
            found |= _lines(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            name = f"{prefix}[{number}]"
            found[name] = value.start_mark.line + 1
            found |= _lines(value, name)
    return found


class _Reader:
    def __init__(self, path: Path, lines: dict[str, int]) -> None:
        self._path, self._known = path, lines

    def take(self, value: Any, kind: Any, key: str) -> Any:
        """The value as `kind`, or a refusal."""
        origin = get_origin(kind)
        if origin is Union or origin is types.UnionType:
            options = [option for option in get_args(kind) if option is not type(None)]
            if value is None and len(options) < len(get_args(kind)):
                return None
            return self.take(value, options[0], key)
        if origin is Literal:
            if value not in get_args(kind) or isinstance(value, bool):
                self._refuse(key, value, "one of " + ", ".join(str(option) for option in get_args(kind)))
            return value
        if is_dataclass(kind):
            return self._mapping(value, kind, key)
        if origin is tuple:
            if not isinstance(value, list):
                self._refuse(key, value, "a list")
            return tuple(self.take(item, get_args(kind)[0], f"{key}[{n}]") for n, item in enumerate(value))
        if origin is dict:
            if not isinstance(value, dict):
                self._refuse(key, value, "a mapping")
            return {str(name): self.take(item, get_args(kind)[1], f"{key}.{name}") for name, item in value.items()}
        return self._plain(value, kind, key)

    def _mapping(self, value: Any, kind: Any, key: str) -> Any:
        if not isinstance(value, dict):
            self._refuse(key or "the file", value, "a mapping of keys")
        hints, known = get_type_hints(kind), {field.name: field for field in fields(kind)}
        for name in value:
            if name not in known:
                where = f"{key}.{name}" if key else str(name)
                raise RefusedInput(f"unknown key {where!r}{self._line(where)}", self._path,
                                   f"allowed here: {', '.join(sorted(known))}")  # fmt: skip
        missing = [name for name, field in known.items()
                   if name not in value and field.default is MISSING and field.default_factory is MISSING]  # fmt: skip
        if missing:
            raise RefusedInput(f"missing key {missing[0]!r} in {key or 'the file'}{self._line(key)}", self._path,
                               f"needed here: {', '.join(missing)}")  # fmt: skip
        made = {name: self.take(item, hints[name], f"{key}.{name}" if key else name) for name, item in value.items()}
        try:
            return kind(**made)
        except ValueError as error:  # what a dataclass checks itself
            raise RefusedInput(f"{key or 'the file'}{self._line(key)}: {error}", self._path, "mend it") from error

    def _plain(self, value: Any, kind: Any, key: str) -> Any:
        if kind is float:
            if isinstance(value, str):
                try:
                    value = float(value)
                except ValueError:
                    self._refuse(key, value, "a number")
            if isinstance(value, bool) or not isinstance(value, int | float):
                self._refuse(key, value, "a number")
            return float(value)
        if kind is int:
            if isinstance(value, bool) or not isinstance(value, int):
                self._refuse(key, value, "a whole number")
            return value
        if kind is bool:
            if not isinstance(value, bool):
                self._refuse(key, value, "true or false")
            return value
        if not isinstance(value, str):
            self._refuse(key, value, "a path" if kind is Path else "a word")
        return kind(value)

    def _refuse(self, key: str, value: Any, wanted: str) -> None:
        raise RefusedInput(f"{key}{self._line(key)} is {value!r}", self._path, f"wanted: {wanted}")

    def _line(self, key: str) -> str:
        return f" in line {self._known[key]}" if key in self._known else ""
