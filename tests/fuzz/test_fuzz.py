"""Four thousand hostile files: every one is read or refused, in bounded time and memory."""

from __future__ import annotations

from pathlib import Path
from signal import SIGSTOP

import pytest

from tests.fuzz.campaign import Failure, Worker, run_campaign
from tests.fuzz.cases import make_case
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
def test_what_goes_wrong_is_a_failure_that_names_the_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog itself: a process that never answers, and one that dies."""
    write_seeds(tmp_path / "corpus")
    worker = Worker(SEED, tmp_path / "corpus")
    try:
        worker._process.send_signal(SIGSTOP)
        with monkeypatch.context() as impatient:
            impatient.setattr("tests.fuzz.campaign._PATIENCE", 0.5)
            failure = worker.ask(7)
        assert isinstance(failure, Failure)
        assert failure.number == 7
        assert "hangs" in failure.what
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
