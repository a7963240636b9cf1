"""Which engine draws, and which options the other one has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from vidstyle.cli.parameters import Given
from vidstyle.errors import OptionError
from vidstyle.options import PHOTOGRAPHS, OptimizeOptions
from vidstyle.options.commands import EngineName

SHARED = {"--engine", "--color", "--device", "--precision"}
NEUTRAL = SHARED | {"--vgg"}
"""Options that say nothing about which engine is meant."""


def chosen_engine(style: str, engines: Given, *others: Given) -> EngineName:
    """The engine that was asked for, by name or by options that only optimization has.

    Without either it is the fast one, which learns pictures at once.
    """
    from vidstyle.styles import has_pictures

    if "engine" in engines:
        return engines["engine"]
    asked = any(
        flag not in NEUTRAL or given.get("color") == "histogram"
        for given in (engines, *others)
        for flag in given.flags
    )
    return "optimize" if asked and has_pictures(style) else "fast"


def reject_fast(*given: Given) -> None:
    """Raises OptionError when options were given that only the fast engine has."""
    _reject("fast", SHARED, given)


def check_fast(fast: Given) -> None:
    """Raises OptionError when only the other engine can do it."""
    if fast.get("color") == "histogram":
        raise OptionError("--color histogram works only with --engine optimize")


def reject_optimization(style: str, *given: Given) -> None:
    """Raises OptionError when options of optimization were given for the fast engine.

    Learning a picture needs VGG19, too.
    """
    from vidstyle.styles import has_pictures

    _reject("optimize", NEUTRAL if has_pictures(style) else SHARED, given)


def _reject(engine: EngineName, allowed: set[str], given: Iterable[Given]) -> None:
    for record in given:
        for flag in record.flags:
            if flag not in allowed:
                raise OptionError(f"{flag} works only with --engine {engine}")


def optimize_options(recipe: str | None, losses: Given, **defaults: Any) -> OptimizeOptions:
    """The options of a recipe, changed by ``defaults`` and by what was given.

    ``init`` may be ``fast``, which is for the caller to see to.

    Raises:
        OptionError: something does not go together.
    """
    from vidstyle.stylizers import find_recipe

    changes = {**defaults, **losses}
    if changes.get("init") == "fast":
        if "scales" in changes:
            raise OptionError("--init fast starts at full size; leave --scales out")
        del changes["init"]
    return replace(find_recipe(recipe or "default").options, **changes)


def check_photorealism(engines: Given, photo: Given) -> bool:
    """Whether the result is to be photorealistic.

    Raises:
        OptionError: options were given that are only for such results, or not for them.
    """
    if not photo.get("photorealistic"):
        for flag in photo.flags:
            raise OptionError(f"{flag} works only with --photorealistic")
        return False
    if engines.get("engine") == "fast" or engines.get("recipe"):
        raise OptionError("--photorealistic is a recipe of --engine optimize; leave out the other")
    return True


def photograph_options(losses: Given) -> OptimizeOptions:
    """The options of photorealistic results, changed by what was given.

    Raises:
        OptionError: something does not go together.
    """
    for name in ("color", "init"):
        if name in losses:
            raise OptionError(
                f"--photorealistic starts from the photo and takes the style's colours; leave out "
                f"--{name}"
            )
    return replace(PHOTOGRAPHS, **losses)
