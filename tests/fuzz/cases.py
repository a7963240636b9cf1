"""What one case is, and doing it: everything follows from the seed of the run and its number."""

from __future__ import annotations

import random
import traceback
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutations import mutate
from tests.fuzz.readers import READERS
from vidstyle.errors import VidstyleError


@dataclass(frozen=True)
class Case:
    """One hostile file and what reads it.

    Attributes:
        reader: a name among ``READERS``.
        source: the sound file that it is made of.
        data: the hostile bytes.
    """

    reader: str
    source: Path
    data: bytes

    def write(self, folder: Path) -> Path:
        """The hostile file, under the sound one's name."""
        path = folder / self.source.name
        path.write_bytes(self.data)
        return path


def random_of(run: int, number: int) -> random.Random:
    """The generator that decides all of a case."""
    return random.Random(f"{run}/{number}")


def choose_reader(rng: random.Random) -> str:
    """The first decision: a name among ``READERS``."""
    names = list(READERS)
    return rng.choices(names, [READERS[name][2] for name in names])[0]


def make_case(run: int, number: int, seeds: dict[str, list[Path]]) -> Case:
    """The case of a number in the run of a seed."""
    rng = random_of(run, number)
    reader = choose_reader(rng)
    files = seeds[READERS[reader][0]]
    source, other = rng.choice(files), rng.choice(files)
    return Case(reader, source, mutate(source.read_bytes(), rng, other.read_bytes()))


def try_case(case: Case, folder: Path) -> str:
    """``read``, ``refused``, or the traceback of what should not have come."""
    path = case.write(folder)
    try:
        READERS[case.reader][1](path, case.source)
    except VidstyleError as error:
        return "refused" if str(error).isprintable() else f"no line: {str(error)!r}"
    except BaseException:
        return traceback.format_exc()
    finally:
        path.unlink()
    return "read"
