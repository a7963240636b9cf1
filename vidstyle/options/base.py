"""What an option is: a field of a frozen dataclass that says everything about itself.

Its type, default, range, help and command-line spelling are written once, in a record derived from
``Options``. Checks, the command line (``cli/parameters``), the settings that a resumed run is
compared by (``settings``) and the reference page (``docs/options.md``) are made from it. Nothing
here imports anything heavy, so that ``--help`` is quick. The modules with the records have no
postponed annotations, as the fields' types are read at run time.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from numbers import Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from vidstyle.errors import OptionError


@dataclass(frozen=True)
class Option:
    """What a record says of one field besides its type and default.

    Attributes:
        help: one or two sentences.
        panel: the group that ``--help`` shows it in; None for options that only Python has.
        flags: how the command line spells it; ``--name`` unless given.
        metavar: what stands for the value in ``--help``.
        min, max, above: the least, the greatest, and the greatest forbidden value.
        finite: whether infinity is refused.
        unit: of the value, for messages.
        unset: what None means, for ``--help``.
        results: whether results depend on it, so that a resumed run needs the same value.
        parse: makes the value from the command line's text; raises OptionError.
    """

    help: str
    panel: Panel | None = None
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    min: float | None = None
    max: float | None = None
    above: float | None = None
    finite: bool = True
    unit: str = ""
    unset: str = ""
    results: bool = True
    parse: Callable[[str], Any] | None = None

    @property
    def limits(self) -> str | None:
        """``0..1``, where there are both."""
        both = self.min is not None and self.max is not None
        return f"{self.min:g}..{self.max:g}" if both else None

    @property
    def range(self) -> str:
        """``from 0 to 1``, ``at least 1 pixel``, ``more than 0``, or nothing."""
        unit = f" {self.unit}" if self.unit else ""
        if self.min is not None and self.max is not None:
            return f"from {self.min:g} to {self.max:g}{unit}"
        if self.above is not None:
            return f"more than {self.above:g}{unit}"
        if self.min is None:
            return ""
        return f"at least {self.min:g}{unit}" if self.min else f"0{unit} or more"

    def admits(self, value: float) -> bool:
        """Whether a number is in the range. NaN never is."""
        return (
            (self.min is None or value >= self.min)
            and (self.max is None or value <= self.max)
            and (self.above is None or value > self.above)
            and not math.isnan(value)
            and (math.isfinite(value) or not self.finite)
        )


def option(default: Any, help: str, **details: Any) -> Any:
    """A field of a record; ``details`` are those of ``Option``."""
    return field(default=default, metadata={"option": Option(help, **details)})


@dataclass(frozen=True)
class Panel:
    """A group of options in ``--help`` and on the reference page."""

    title: str

    def option(self, default: Any, help: str, **details: Any) -> Any:
        """A field of a record that is shown in this panel; see ``option``."""
        return option(default, help, panel=self, **details)


BASIC = Panel("Options")
STYLE = Panel("Style")
MOTION = Panel("Motion")
INPUT = Panel("Input")
SIZE = Panel("Size")
SEQUENCES = Panel("Image sequences")
OUTPUT = Panel("Output")
SPEED = Panel("Speed")
OPTIMIZATION = Panel("Optimization engine")
LOGGING = Panel("Progress and summary")
LIVE = Panel("Live")
ABOUT = Panel("About the painting")
TRAINING = Panel("Training")
LOSSES = Panel("Losses")
LIMITS = Panel("Limits")

PANELS = (
    BASIC,
    STYLE,
    MOTION,
    INPUT,
    SIZE,
    SEQUENCES,
    LIVE,
    ABOUT,
    TRAINING,
    LOSSES,
    LIMITS,
    OUTPUT,
    SPEED,
    OPTIMIZATION,
    LOGGING,
)
"""In their order."""


class Options:
    """Base of the records: checks each field against its type's choices and its range.

    Raises:
        OptionError: a value makes no sense, alone or beside another one. Names it.
    """

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]
            check_value(one, getattr(self, one.name))
        self.check()

    def check(self) -> None:
        """Raises OptionError when fields do not go together."""


def about(one: dataclasses.Field) -> Option:
    """What a field says of itself."""
    return one.metadata["option"]


def flags_of(one: dataclasses.Field) -> tuple[str, ...]:
    """How the command line spells a field."""
    return about(one).flags or (f"--{one.name.replace('_', '-')}",)


def written(value: Any) -> str:
    """A value as one would write it, layers with their weights among them."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    if not isinstance(value, tuple):
        return str(value)
    if value and not isinstance(value[0], tuple):
        return ",".join(map(written, value))
    return ",".join(name if weight == 1 else f"{name}:{weight:g}" for name, weight in value)


def words(name: str) -> str:
    """A field's name as messages write it: ``max_side`` is ``max side``."""
    return name.replace("_", " ")


def choices(kind: Any) -> tuple[Any, ...]:
    """The values of a Literal, also beside None; nothing for all other types."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    if get_origin(kind) in (UnionType, Union):
        return sum((choices(part) for part in get_args(kind)), ())
    return ()


def plain_type(kind: Any) -> Any:
    """The type without None."""
    if get_origin(kind) not in (UnionType, Union):
        return kind
    kinds = [part for part in get_args(kind) if part is not NoneType]
    return kinds[0] if len(kinds) == 1 else kind


def alternatives(values: Sequence[Any]) -> str:
    """``draft, standard or fine``."""
    *most, last = map(str, values)
    return f"{', '.join(most)} or {last}" if most else last


def check_value(one: dataclasses.Field, value: Any) -> None:
    """Raises OptionError when a field cannot have a value."""
    if value is None and one.default is None:
        return
    known = choices(one.type)
    if known and get_origin(plain_type(one.type)) is Literal:
        if value not in known:
            raise OptionError(f"{words(one.name)} must be {alternatives(known)}, not {value!r}")
    else:
        check_range(words(one.name), about(one), value)


def check_range(name: str, details: Option, value: Any) -> None:
    """Raises OptionError when a number is out of range; ``name`` is what the message calls it."""
    if isinstance(value, Real) and not details.admits(float(value)):
        required = details.range or "a number"
        if math.isinf(float(value)):
            required = f"finite and {required}"
        raise OptionError(f"{name} must be {required}, not {float(value):g}")


def settings_of(*records: Options) -> dict[str, Any]:
    """The fields that results depend on, by the names that messages use."""
    return {
        words(one.name): getattr(record, one.name)
        for record in records
        for one in fields(record)  # type: ignore[arg-type]
        if about(one).results
    }
