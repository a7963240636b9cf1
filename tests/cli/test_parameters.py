"""Parameters of commands from option records, and the reference page that is made from both."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command

from vidstyle.cli.main import app
from vidstyle.cli.parameters import Given, Take, with_options
from vidstyle.errors import OptionError
from vidstyle.options import FastOptions, OptimizeOptions, ReadOptions, TemporalOptions

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Heard:
    """What a command was called with."""

    values: dict[str, Any]

    def __call__(self, *arguments: str) -> dict[str, Any]:
        self.values.clear()
        get_command(program(self))(list(arguments), standalone_mode=False)
        return self.values


def program(heard: Heard) -> typer.Typer:
    """A command with every kind of parameter."""
    app = typer.Typer()

    @app.command()
    @with_options
    def command(
        name: Annotated[str, typer.Argument()],
        *,
        fast: FastOptions,
        temporal: Annotated[TemporalOptions, Take(TemporalOptions(flow="fast"))],
        read: Annotated[ReadOptions, Take(ReadOptions(), only=("start", "bit_depth"))],
        losses: Annotated[Given, Take(OptimizeOptions(), flags={"iterations": "--steps"})],
    ) -> None:
        heard.values.update(name=name, fast=fast, temporal=temporal, read=read, losses=losses)

    return app


@pytest.fixture
def call() -> Heard:
    return Heard({})


def test_records_come_with_their_defaults(call: Heard) -> None:
    assert call("a") == {
        "name": "a",
        "fast": FastOptions(),
        "temporal": TemporalOptions(flow="fast"),
        "read": ReadOptions(),
        "losses": {},
    }


def test_what_is_given_is_in_them(call: Heard) -> None:
    given = ("--strength", "0.5", "--start", "0:01", "--bit-depth", "10", "--flow", "medium")
    values = call("a", *given, "--stroke-size", "2")
    assert values["fast"] == FastOptions(0.5, stroke_size=2.0)
    assert values["read"] == ReadOptions(start=1.0, bit_depth=10)
    assert values["temporal"] == TemporalOptions()


def test_given_holds_that_alone_even_a_default(call: Heard) -> None:
    losses = call("a", "--style-layers", "conv1_1", "--steps", "80")["losses"]
    assert losses == {"style_layers": (("relu1_1", 1.0),), "iterations": 80}
    assert losses.flags == ("--style-layers", "--steps")


def test_a_flag_of_two_records_goes_to_both(call: Heard) -> None:
    values = call("a", "--device", "cpu")
    assert values["fast"] == FastOptions(device="cpu") and values["losses"] == {"device": "cpu"}


def test_what_a_command_leaves_out_it_has_not(call: Heard) -> None:
    with pytest.raises(typer.exceptions.TyperException, match="--end"):
        call("a", "--end", "2")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--strength", "2"), "^--strength must be from 0 to 1, not 2$"),
        (("--start", "soon"), "^--start: 'soon' is not a time; use seconds or hh:mm:ss$"),
        (("--steps", "0"), "^--steps must be at least 1, not 0$"),
    ],
)
def test_refusals_name_the_flag(call: Heard, given: tuple[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        call("a", *given)


# -- all commands -----------------------------------------------------------------------------


def commands(command: Any = None) -> Iterator[Any]:
    command = command or get_command(app)
    yield command
    if hasattr(command, "list_commands"):
        for child in command.list_commands(None):
            yield from commands(command.get_command(None, child))


def test_a_name_means_the_same_in_all_commands() -> None:
    meanings: dict[str, set[str]] = {}
    for command in commands():
        for parameter in getattr(command.callback, "options", {}).values():
            meanings.setdefault(parameter.flags[0], set()).add(parameter.field.name)
    assert meanings["--quality"] == {"quality"}
    assert {flag: names for flag, names in meanings.items() if len(names) > 1} == {}


def test_every_option_is_in_a_panel_that_is_known() -> None:
    page = reference().page()
    for command in commands():
        for param in command.params:
            if param.param_type_name == "option" and param.name != "help":
                assert f"`{param.opts[0]}`" in page


def test_the_ten_first_options_of_run() -> None:
    run = get_command(app).get_command(None, "run")  # type: ignore[attr-defined]
    first = [p.opts[0] for p in run.params if p.rich_help_panel == "Options"]
    assert len(first) == 10
    assert {"--output", "--style", "--strength", "--quality", "--temporal"} <= set(first)


def reference() -> ModuleType:
    """``docs/options.py``, which lies outside any package."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "options.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_page_is_up_to_date() -> None:
    written = reference()
    assert written.PAGE.read_text(encoding="utf-8") == written.page(), "python docs/options.py"
