"""The tab that judges a stylized video: how steady it is, how detailed, and how well in time."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from vidstyle.options import ReadOptions
from vidstyle.web.job_panel import JobPanel
from vidstyle.web.jobs import Job
from vidstyle.web.services import Services, shown
from vidstyle.web.status import progress_view
from vidstyle.web.uploads import Clip, check_length, open_clip


@dataclass(frozen=True)
class EvaluationReport:
    """A report, line by line, and the plot of the warping error."""

    lines: tuple[str, ...]
    plot: Path


class EvaluateTab:
    """Builds itself inside the page that is being built."""

    def __init__(self, services: Services) -> None:
        self.services = services
        with gr.Column(elem_id="evaluate-choosing", elem_classes="vs-flat") as choosing:
            with gr.Row():
                self.original = upload("The original", "evaluate-original")
                self.stylized = upload("The painting, made by any program", "evaluate-stylized")
            go = gr.Button("Evaluate", variant="primary", elem_id="evaluate-start")
        self.job_panel = JobPanel(services, "evaluate", choosing, progress_view, "Cancel")
        self.job_panel.connect(Report(services))
        self.job_panel.begin(go, self._start, [self.original, self.stylized])

    def load(self, page: gr.Blocks) -> None:
        """Go on where a visitor was."""
        self.job_panel.resume(page)

    def _start(self, original: str | None, stylized: str | None) -> str:
        if original is None or stylized is None:
            raise gr.Error("Bring both videos first.", title="Not yet")
        with self.services.errors_shown():
            before, after = self._clip(Path(original)), self._clip(Path(stylized))
            folder = self.services.workspace.folder()
            folders = {folder, before.path.parent, after.path.parent}
            return self.services.jobs.submit(
                partial(evaluate_clips, before, after, folder), folders
            ).id

    def _clip(self, path: Path) -> Clip:
        clip = open_clip(self.services.workspace.adopt(path), path.name, self.services.options)
        check_length(clip, ReadOptions(), self.services.options)
        return clip


class Report:
    """The part of the tab for an evaluation that is done."""

    def __init__(self, services: Services) -> None:
        self.services = services
        with gr.Column(visible=False, elem_id="evaluate-done", elem_classes="vs-flat") as stage:
            lines = gr.HTML(elem_id="evaluate-report")
            plot = gr.Image(
                label="Warping error over time",
                interactive=False,
                buttons=[],
                elem_id="evaluate-plot",
            )
            self.again = gr.Button("Evaluate another")
        self.parts = [stage, lines, plot]

    def show(self, result: EvaluationReport) -> list[Any]:
        """The report and the plot."""
        text = html.escape("\n".join(map(self.services.without_folders, result.lines)))
        return [shown(True), f'<pre class="vs-report">{text}</pre>', result.plot]


def upload(label: str, name: str) -> gr.Video:
    """Where a video is dropped."""
    return gr.Video(
        label=label,
        sources=["upload"],
        height=300,
        buttons=[],
        elem_id=name,
        elem_classes="vs-drop",
    )


def evaluate_clips(original: Clip, stylized: Clip, folder: Path, job: Job) -> EvaluationReport:
    """The work of a job. Raises VidstyleError, and KeyboardInterrupt when it is stopped."""
    from vidstyle.evaluate import evaluate, report, write_plot
    from vidstyle.plots import check_plot

    plot = folder / "warping_error.png"
    check_plot(plot)
    evaluation = evaluate(original.path, stylized.path, listener=job.listen)
    write_plot(plot, evaluation)
    first, *lines = report(evaluation)
    return EvaluationReport((Path(first).name, *lines), plot)
