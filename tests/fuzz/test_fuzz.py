"""Four thousand hostile files: every one is read or refused, in bounded time and memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.campaign import Failure, Worker, run_campaign
from tests.fuzz.cases import choose_reader, make_case, random_of
from tests.fuzz.readers import READERS
from tests.fuzz.seeds import write_seeds

CASES, SEED = 4000, 6


@pytest.mark.slow
def test_every_file_is_read_or_refused() -> None:
    tally = run_campaign(SEED, range(CASES))
    again = "python -m tests.fuzz --seed {} --only {}"
    lines = [f"{again.format(SEED, f.number)}\n{f.what}" for f in tally.failures]
    assert not lines, "\n\n".join(lines)
    assert tally.cases == CASES
    # Neither all refused, which would try the first lines of each reader only, nor all harmless.
    assert {name for name, outcome in tally.outcomes if outcome == "refused"} >= set(READERS) - {
        "checkpoint"
    }
    assert {name for name, outcome in tally.outcomes if outcome == "read"} == set(READERS)


@pytest.mark.slow
@pytest.mark.data
def test_real_clips_too(data: Path) -> None:
    clips = [path for path in sorted((data / "clips").iterdir()) if path.stat().st_size < 2**19]
    assert len(clips) > 3
    numbers = [n for n in range(500) if reader_of(n) in ("video", "window", "sound")][:40]
    tally = run_campaign(SEED, numbers, videos=clips)
    assert not tally.failures, "\n\n".join(f"{f.number}: {f.what}" for f in tally.failures)
    assert tally.cases == len(numbers)


def reader_of(number: int) -> str:
    """What reads a case; it does not depend on the corpus."""
    return choose_reader(random_of(SEED, number))


@pytest.mark.slow
def test_what_goes_wrong_is_a_failure_that_names_the_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog itself: a process that never answers, and one that dies."""
    write_seeds(tmp_path / "corpus")
    worker = Worker(SEED, tmp_path / "corpus")
    try:
        with monkeypatch.context() as impatient:
            impatient.setattr("tests.fuzz.campaign._PATIENCE", 1.5)
            assert worker._answer() is None  # nothing was asked, so that nothing will come
    finally:
        worker.close()
    worker = Worker(SEED, tmp_path / "corpus")
    worker._process.kill()
    worker._process.wait()
    failure = worker.ask(8)
    worker.close()
    assert isinstance(failure, Failure)
    assert "died (-9)" in failure.what


def test_cases_follow_from_their_numbers(tmp_path: Path) -> None:
    first, second = write_seeds(tmp_path / "a"), write_seeds(tmp_path / "b")
    for kind, files in first.items():
        assert [path.name for path in files] == [path.name for path in second[kind]]
    for number in range(50):
        case, again = (make_case(SEED, number, first) for _ in range(2))
        assert case == again
        assert case.reader in READERS
    assert make_case(SEED, 1, first).data != make_case(SEED + 1, 1, first).data
