"""Writes ``docs/options.md``, the reference of all commands, from the records of their options.

    python docs/options.py

A test fails while the page differs from what this writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from vidstyle.cli.main import app
from vidstyle.options.base import BASIC, PANELS

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# Options

<!-- Written by docs/options.py; change the records in vidstyle/options instead. -->

All commands with all their options, as `--help` shows them. A name means the same in every command.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, *section("vidstyle", get_command(app))]
    return "\n".join(parts).rstrip() + "\n"


def section(name: str, command: Any) -> Iterator[str]:
    """A command, panel by panel, and its subcommands."""
    yield f"## {name}\n"
    yield paragraphs(command.help or "")
    options = [param for param in command.params if param.param_type_name == "option"]
    for argument in command.params:
        if argument.param_type_name == "argument":
            yield f"`{argument.metavar or argument.name}`: {argument.help}\n"
    for panel in PANELS:
        rows = [row(command, one) for one in options if panel_of(one) == panel.title]
        if rows:
            if panel is not BASIC:
                yield f"### {panel.title}\n"
            yield "| option | values | default | |\n|---|---|---|---|"
            yield "\n".join(rows) + "\n"
    if hasattr(command, "list_commands"):
        for child in command.list_commands(None):
            yield from section(f"{name} {child}", command.get_command(None, child))


def row(command: Any, param: Any) -> str:
    """One option as a line of the table."""
    flags = ", ".join(f"`{flag}`" for flag in (*param.opts, *param.secondary_opts))
    cells = (flags, values(command, param), default(param), param.help)
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


def escaped(cell: str) -> str:
    """Text that neither ends a cell nor begins a tag of HTML."""
    return cell.replace("|", "\\|").replace("<", "\\<")


def panel_of(param: Any) -> str:
    """The title of the panel that an option is in."""
    return param.rich_help_panel or BASIC.title


def values(command: Any, param: Any) -> str:
    """What can be written: choices, or what stands for the value, and its range."""
    if known := param.type_descriptor.choices:
        return f"`{'|'.join(map(str, known))}`"
    parameter = getattr(command.callback, "options", {}).get(param.name)
    metavar = parameter.details.metavar if parameter else param.metavar
    parts = [f"`{metavar}`" if metavar else "", parameter.details.range if parameter else ""]
    return ", ".join(part for part in parts if part)


def default(param: Any) -> str:
    """The default, or what holds where none is given."""
    if param.required:
        return "required"
    if isinstance(param.show_default, str):
        return param.show_default
    if param.default is None or param.is_flag:
        return ""
    value = param.default
    return f"`{' '.join(map(str, value)) if isinstance(value, list) else value}`"


def paragraphs(text: str) -> str:
    """A docstring with each paragraph on a line of its own."""
    return "\n\n".join(re.sub(r"\s+", " ", part) for part in text.split("\n\n")) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
