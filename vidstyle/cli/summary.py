"""What came of a run, a batch or a stream: as a sentence, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidstyle.batch import Outcome, Task
    from vidstyle.live.status import StreamSummary
    from vidstyle.pipeline.video import Summary
    from vidstyle.stages import StageTime


def batch_line(task: Task, outcome: Outcome | None) -> str:
    """What became of a file of a batch, in one line."""
    if outcome is None:
        return f"not begun: {task.source}"
    if outcome.state == "failed":
        return f"failed: {outcome.reason}"
    if outcome.summary is None:
        kept = f"; what was finished is in {outcome.partial}" if outcome.partial else ""
        return f"interrupted: {task.source}{kept}"
    if outcome.summary.skipped == outcome.summary.frames:
        return f"done before: {outcome.summary.output}"
    return f"done: {sentence(outcome.summary)}" + ("; in part" if outcome.summary.lost else "")


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """The event of a file's end."""
    task = outcome.task
    if outcome.summary is not None:
        return summary_json(outcome.summary, task.source)
    return {
        "event": outcome.state,
        "input": str(task.source),
        "output": str(task.output),
        **({"message": outcome.reason} if outcome.reason else {}),
        **({"partial": str(outcome.partial)} if outcome.partial else {}),
    }


def sentence(summary: Summary) -> str:
    """What came of a run."""
    return (
        f"{summary.output}: {summary.frames} frames in {summary.seconds:.1f} s, "
        f"{summary.rate:.2f} frames/s"
    )


def summary_json(summary: Summary, source: Path | None = None) -> dict[str, Any]:
    """The last event of a run; ``source`` where there are others."""
    first = summary.first_frame
    return {
        "event": "done",
        **({} if source is None else {"input": str(source)}),
        "output": str(summary.output),
        "frames": summary.frames,
        "seconds": round(summary.seconds, 3),
        "fps": round(summary.rate, 3),
        "first_frame": None if first is None else round(first, 3),
        "complete": not summary.lost,
        "warnings": summary.warnings,
        "stages": stages_json(summary.stages),
    }


def stages_json(stages: Mapping[str, StageTime]) -> dict[str, Any]:
    """Where the time went, in seconds to the millisecond."""
    return {
        stage: {name: round(value, 3) for name, value in asdict(time).items()}
        for stage, time in stages.items()
    }


def stream_sentence(summary: StreamSummary) -> str:
    """What came of a stream."""
    return (
        f"{summary.shown} pictures in {summary.seconds:.1f} s, {summary.rate:.1f} pictures/s, "
        f"latency {milliseconds(summary.latency_median)} "
        f"(p95 {milliseconds(summary.latency_p95)}), {summary.dropped} dropped; {summary.reason}"
    )


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def rounded(record: Any) -> dict[str, Any]:
    """A record's values for JSON, with figures to four decimal places."""
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in vars(record).items()
    }
