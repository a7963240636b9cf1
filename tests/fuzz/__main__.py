"""``python -m tests.fuzz --cases 20000 --seed 7``: more cases than the tests try, and single ones.

python -m tests.fuzz --seed 7 --only 1234          # that case again
python -m tests.fuzz --seed 7 --only 1234 --keep F # its file, without trying it
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.campaign import Tally, run_campaign
from tests.fuzz.cases import make_case
from tests.fuzz.seeds import write_seeds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--keep", type=Path, help="folder for the file of --only")
    parser.add_argument("--corpus", type=Path, help="folder of videos to begin with")
    chosen = parser.parse_args()
    videos = sorted(p for p in chosen.corpus.iterdir() if p.is_file()) if chosen.corpus else []
    if chosen.keep is not None:
        return _keep(chosen.seed, chosen.only, chosen.keep, videos)
    numbers = range(chosen.first, chosen.first + chosen.cases)
    if chosen.only is not None:
        numbers = range(chosen.only, chosen.only + 1)
    shown = 0

    def listener(tally: Tally) -> None:
        nonlocal shown
        for failure in tally.failures[shown:]:
            print(f"--- seed {chosen.seed}, case {failure.number}: {failure.what}", flush=True)
        shown = len(tally.failures)
        if tally.cases % 500 == 0:
            print(f"{tally.cases} cases, {shown} failures", file=sys.stderr, flush=True)

    tally = run_campaign(chosen.seed, numbers, chosen.workers, listener, videos)
    for (reader, outcome), count in sorted(tally.outcomes.items()):
        print(f"{reader:>12} {outcome:>8} {count:6}")
    print(f"{tally.cases} cases, {len(tally.failures)} failures")
    print("slowest: {:.1f} s, case {}".format(*tally.slowest))
    print(f"largest: {tally.largest[0] >> 20} MiB, case {tally.largest[1]}")
    return 1 if tally.failures else 0


def _keep(run: int, number: int, folder: Path, videos: list[Path]) -> int:
    with TemporaryDirectory() as corpus:
        case = make_case(run, number, write_seeds(Path(corpus) / "corpus", videos))
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{case.reader}: {case.write(folder)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
