"""``vidstyle evaluate``: judge a stylized video, made by any program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli.output import print_json
from vidstyle.cli.parameters import Take, with_options
from vidstyle.errors import ExitCode
from vidstyle.options import TemporalOptions
from vidstyle.options.commands import EvaluateOptions, ProgressOptions


@with_options
def evaluate(
    original: Annotated[
        Path, typer.Argument(metavar="ORIGINAL", help="The video that was stylized.")
    ],
    stylized: Annotated[
        Path, typer.Argument(metavar="STYLIZED", help="The result, made by any program.")
    ],
    *,
    options: EvaluateOptions,
    motion: Annotated[TemporalOptions, Take(TemporalOptions(), only=("flow",))],
    shown: Annotated[ProgressOptions, Take(ProgressOptions(), only=("json",))],
) -> None:
    """Measure flicker, warping error, detail, timing and sound against the original."""
    from vidstyle import evaluate as judge
    from vidstyle.cli.progress import Reporter
    from vidstyle.plots import check_plot

    if options.plot is not None:
        check_plot(options.plot)
    with Reporter(ProgressOptions(options.progress)) as reporter:
        evaluation = judge.evaluate(
            original, stylized, options.per_frame, flow=motion.flow, listener=reporter
        )
    if options.plot is not None:
        judge.write_plot(options.plot, evaluation)
    if shown.json:
        print_json(**evaluation.as_dict())
    else:
        for line in judge.report(evaluation):
            typer.echo(line)
    if evaluation.lost:
        raise typer.Exit(ExitCode.partial)
