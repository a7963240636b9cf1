"""Commands' parameters from option records, so that an option is written once.

A command asks for a record by the type of a parameter, and gets it ready and checked::

    @with_options
    def frames(source: …, *, fast: FastOptions, temporal: TemporalOptions) -> None:

``Take`` says more: other defaults, other spellings, fewer fields. Who asks for ``Given`` gets what
was given on the command line only. A flag that several records have is one parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from fractions import Fraction
from keyword import iskeyword
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
import typer.models

from vidstyle.errors import OptionError
from vidstyle.options.base import (
    BASIC,
    PANELS,
    Option,
    Options,
    about,
    check_range,
    choices,
    flags_of,
    plain_type,
    written,
)


class Given(dict[str, Any]):
    """The fields of a record that were given on the command line, with their values.

    Attributes:
        flags: how they are spelled.
    """

    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Take:
    """Which fields of a record a command has; stands in the annotation of a parameter.

    Attributes:
        base: holds the defaults.
        without: fields that the command has not.
        only: the fields that it has; all unless given.
        flags: spellings other than the record's, by field.
    """

    base: Options
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)

    def parameters(self) -> Iterator[Parameter]:
        """One for each field."""
        for one in fields(self.base):  # type: ignore[arg-type]
            wanted = one.name in self.only if self.only else about(one).panel is not None
            if wanted and one.name not in self.without:
                flags = (self.flags[one.name],) if one.name in self.flags else flags_of(one)
                yield Parameter(one, flags, getattr(self.base, one.name))


@dataclass(frozen=True)
class Parameter:
    """A field of a record on the command line.

    Attributes:
        flags: as typer takes them, ``--resume/--no-resume`` among them.
    """

    field: Field
    flags: tuple[str, ...]
    default: Any

    @property
    def details(self) -> Option:
        return about(self.field)

    @property
    def name(self) -> str:
        """What the command's parameter is called."""
        name = self.flags[0].split("/")[0].lstrip("-").replace("-", "_")
        return f"{name}_" if iskeyword(name) else name

    @property
    def choices(self) -> tuple[str, ...]:
        """What can be written; nothing where that is open."""
        return () if self.details.parse else tuple(map(str, choices(self.field.type)))

    @property
    def type(self) -> Any:
        """What typer makes of the text."""
        kind = plain_type(self.field.type)
        if self.details.parse or kind in (str, str | Path):
            return str
        if self.choices:
            return Literal[self.choices]
        if Fraction in get_args(kind):
            return float
        if get_origin(kind) is tuple:
            # Several values after one flag, or a flag that is repeated.
            return kind if Ellipsis not in get_args(kind) else list[str]
        return kind

    @property
    def typer_default(self) -> Any:
        """The default before it is made a value of the field; None where nothing is to be shown."""
        if self.default in (None, (), ""):
            return None
        if get_origin(self.type) is list:
            return list(self.default)
        return self.default if self.type in (bool, int, float) else written(self.default)

    def value(self, given: Any) -> Any:
        """The field's value from what typer has made of the text.

        Raises:
            OptionError: it makes no sense.
        """
        if self.choices:
            return next((v for v in choices(self.field.type) if str(v) == given), given)
        value = tuple(given) if isinstance(given, list) else given
        if self.details.parse:
            try:
                value = self.details.parse(given)
            except OptionError as error:
                raise OptionError(f"{self.flags[0]}: {error}") from error
        check_range(self.flags[0], self.details, value)
        return value


# ---- the decorator ------------------------------------------------------------------------


def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command that asks for records be one that typer understands."""
    signature = inspect.signature(command, eval_str=True)
    taken = {
        name: (take, whole)
        for name, parameter in signature.parameters.items()
        for take, whole in takes(parameter.annotation)
    }
    shared: dict[str, list[Parameter]] = {}
    for take, _ in taken.values():
        for parameter in take.parameters():
            shared.setdefault(parameter.name, []).append(parameter)
    own = [p for name, p in signature.parameters.items() if name not in taken]
    records = [typer_parameter(name, alike) for name, alike in shared.items()]
    context_name = "typer_context"

    def call(**values: Any) -> Any:
        context = values.pop(context_name)
        given = {n for n in shared if context.get_parameter_source(n).name == "COMMANDLINE"}
        ready = {
            name: build(take, {n: values[n] for n in given}, whole)
            for name, (take, whole) in taken.items()
        }
        return command(**{p.name: values[p.name] for p in own}, **ready)

    kind = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter(context_name, kind, annotation=typer.Context)
    call.__name__, call.__doc__ = command.__name__, command.__doc__
    call.__annotations__ = {}
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [context, *sorted([p.replace(kind=kind) for p in own] + records, key=panel_number)]
    )
    call.options = {name: alike[0] for name, alike in shared.items()}  # type: ignore[attr-defined]
    return call


def takes(annotation: Any) -> Iterator[tuple[Take, bool]]:
    """What a parameter takes, if it takes a record, and whether whole."""
    kind, *notes = get_args(annotation) if get_origin(annotation) is Annotated else [annotation]
    if isinstance(kind, type) and issubclass(kind, Options | Given):
        take = next((note for note in notes if isinstance(note, Take)), None)
        yield take or Take(kind()), kind is not Given  # type: ignore[arg-type]


def build(take: Take, values: Mapping[str, Any], whole: bool) -> Options | Given:
    """A record, or what was given of it.

    Raises:
        OptionError: a value makes no sense.
    """
    given = Given()
    for parameter in take.parameters():
        if parameter.name in values:
            given[parameter.field.name] = parameter.value(values[parameter.name])
            given.flags += parameter.flags[:1]
    return replace(take.base, **given) if whole else given  # type: ignore[type-var]


def typer_parameter(name: str, alike: Sequence[Parameter]) -> inspect.Parameter:
    """One parameter of a command for a flag that one or more records have."""
    # The record that knows most values has the help for them.
    leading = max(alike, key=lambda parameter: len(parameter.choices))
    details, kind = leading.details, leading.type
    agreed = all(parameter.default == leading.default for parameter in alike)
    default = leading.typer_default if agreed else None
    info = typer.Option(
        *leading.flags,
        help=details.help,
        metavar=details.metavar or details.limits,
        show_default=details.unset or default is not None if kind is not bool else False,
        rich_help_panel=details.panel.title if details.panel else None,
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


def panel_number(parameter: inspect.Parameter) -> int:
    """Sorts by panel: arguments, the options that everybody needs, and the others."""
    titles = [panel.title for panel in PANELS]
    for note in get_args(parameter.annotation)[1:]:
        if isinstance(note, typer.models.OptionInfo):
            return titles.index(note.rich_help_panel or BASIC.title)
    return -1
