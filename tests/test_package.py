"""What ``import vidstyle`` offers."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import vidstyle
from vidstyle import errors

STUB = Path(vidstyle.__file__).with_name("__init__.pyi")


def test_every_public_name_is_there() -> None:
    assert {"stylize_video", "load_style", "available_styles", "FastStylizer"} <= set(
        vidstyle.__all__
    )
    for name in vidstyle.__all__:
        thing = getattr(vidstyle, name)
        assert thing.__doc__, f"{name} is not documented"
        assert name in dir(vidstyle)


def test_the_stub_lists_what_it_imports() -> None:
    tree = ast.parse(STUB.read_text())
    imported = {a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    listed = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert set(listed) == imported == set(vidstyle.__all__)
    assert listed == sorted(listed)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="nosuch"):
        _ = vidstyle.nosuch


def test_the_version_is_that_of_the_package() -> None:
    assert vidstyle.__version__ == importlib.metadata.version("vidstyle")


def test_importing_does_not_wait_for_torch() -> None:
    script = "import sys, vidstyle, vidstyle.cli.main; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_a_network_is_built_without_torchs_compiler() -> None:
    script = (
        "import sys; from vidstyle.styles import load_style; load_style('scream')\n"
        "print({'sympy', 'torch._dynamo', 'torch._inductor'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_one_tree_of_errors() -> None:
    ours = [
        e
        for e in vars(errors).values()
        if isinstance(e, type) and issubclass(e, BaseException) and e.__module__ == errors.__name__
    ]
    assert errors.TrainingError in ours
    for error in ours:
        expected = KeyboardInterrupt if error is vidstyle.Interrupted else vidstyle.VidstyleError
        assert issubclass(error, expected)
        assert getattr(vidstyle, error.__name__) is error
    assert issubclass(vidstyle.OptionError, ValueError)
    assert not issubclass(vidstyle.Interrupted, Exception)


def test_the_package_is_typed() -> None:
    assert STUB.with_name("py.typed").is_file()
