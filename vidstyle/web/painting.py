"""The tab for a painting of one's own: learned as a style, named, kept, and used in other tabs."""

from __future__ import annotations

import html
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from vidstyle.disk import complete_file
from vidstyle.errors import OptionError, OutputError
from vidstyle.image import write_image
from vidstyle.pipeline.photos import sample_photos
from vidstyle.styles import available_styles
from vidstyle.styles.header import StyleInfo
from vidstyle.styles.registry import SUFFIX, SWATCHES, user_styles_dir
from vidstyle.web import controls
from vidstyle.web.job_panel import JobPanel
from vidstyle.web.jobs import Job
from vidstyle.web.services import QUIET, Services, shown
from vidstyle.web.status import JobView, duration
from vidstyle.web.uploads import open_picture
from vidstyle.web.workspace import safe_name

SHEET_SECONDS = 20.0
"""Between two sheets of samples while a style is learned."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A style that was learned, in a file beside which lies the painting's swatch."""

    name: str
    file: Path
    swatch: Path
    sheet: np.ndarray
    words: str


class PaintingTab:
    """Builds itself inside the page that is being built."""

    def __init__(self, services: Services) -> None:
        self.services = services
        with gr.Row(elem_classes="vs-columns"):
            with gr.Column(scale=3, min_width=320, elem_classes="vs-stage"):
                with gr.Column(elem_id="painting-choosing", elem_classes="vs-flat") as choosing:
                    self.painting = controls.picture_upload("Your painting", "painting-upload", 440)
                self.job_panel = JobPanel(
                    services, "painting", choosing, lambda view: view, "Enough: keep it as it is"
                )
                self.job_panel.connect(LearnedStage(services, self.job_panel.job))
            with gr.Column(scale=1, min_width=300, elem_classes="vs-panel"):
                self._build_panel()
        chosen = [self.painting, self.photos, self.name, self.title, self.artist, self.minutes]
        self.job_panel.begin(self.go, self._start, chosen)

    def _build_panel(self) -> None:
        own = self.services.options.photos is not None
        self.name = gr.Textbox(label="Name of the style", placeholder="sunflowers", max_length=40)
        self.title = gr.Textbox(label="Title of the painting", max_length=80)
        self.artist = gr.Textbox(label="Artist", max_length=80)
        self.minutes = gr.Slider(0.5, 60, 1, step=0.5, label="Minutes to learn", buttons=[])
        self.photos = gr.File(
            label="Photos to practise on, if you like",
            file_count="multiple",
            file_types=["image"],
            height=150,
            buttons=[],
            visible=not own,
            elem_id="painting-photos",
            elem_classes="vs-drop",
        )
        self.go = gr.Button("Learn the style", variant="primary", elem_id="painting-start")

    def load(self, page: gr.Blocks) -> None:
        """Go on where a visitor was."""
        self.job_panel.resume(page)

    def _start(
        self,
        painting: str | None,
        photos: Sequence[str] | None,
        name: str,
        title: str,
        artist: str,
        minutes: float,
    ) -> str:
        if painting is None:
            raise gr.Error("Bring a painting first.", title="No painting yet")
        with self.services.errors_shown():
            check_name(name)
            picture = open_picture(Path(painting), self.services.options)
            folder = self.services.workspace.folder()
            source = self._photos(photos or (), folder)
            about = StyleInfo(name, title.strip(), artist.strip())
            work = partial(learn, picture, about, minutes, source, folder)
            return self.services.jobs.submit(work, {folder}).id

    def _photos(self, uploads: Sequence[str], folder: Path) -> Path:
        """The folder of photos: the server's, the visitor's, or frames of the sample clip."""
        if self.services.options.photos is not None:
            return self.services.options.photos
        photos = folder / "photos"
        photos.mkdir()
        if not uploads:
            for number, image in enumerate(sample_photos()):
                write_image(photos / f"{number:04d}.jpg", image)
        for number, path in enumerate(map(Path, uploads)):
            open_picture(path, self.services.options)
            shutil.copyfile(path, photos / f"{number:04d}{safe_name(path.name)[-5:]}")
        return photos


class LearnedStage:
    """The part of the tab for a style that was learned."""

    def __init__(self, services: Services, job: gr.BrowserState) -> None:
        self.services = services
        with gr.Column(visible=False, elem_id="painting-done", elem_classes="vs-flat") as stage:
            told = gr.HTML()
            sheet = gr.Image(
                show_label=False, interactive=False, buttons=[], container=False, format="jpeg"
            )
            keep = gr.Button("Keep it, for all tabs", variant="primary", elem_id="painting-keep")
            with gr.Row():
                download = gr.DownloadButton("Download", elem_id="painting-download")
                self.again = gr.Button("Learn another", elem_id="painting-again")
        self.parts = [stage, told, sheet, download, keep]
        keep.click(self._keep, job, [told, keep], **QUIET)

    def show(self, result: Learned) -> list[Any]:
        """The sheet of samples."""
        words = f'<p class="vs-told">{html.escape(result.words)}</p>'
        keep = gr.Button(interactive=True)
        return [shown(True), words, result.sheet, result.file, keep]

    def _keep(self, name: str) -> list[Any]:
        job = self.services.jobs.find(name)
        if job is None or job.result is None:
            raise gr.Error("It is gone by now; learn it again.", title="Sorry")
        with self.services.errors_shown():
            keep_style(job.result)
        words = f"{html.escape(job.result.name)} is kept. It is in the galleries of the other tabs."
        return [f'<p class="vs-told">{words}</p>', gr.Button(interactive=False)]


def check_name(name: str) -> None:
    """Raises OptionError unless a new style can have a name, which is a file's as well."""
    if not name or safe_name(name) != name or "." in name:
        raise OptionError(f"'{name}' cannot be a style's name; use letters, digits, - and _")
    if name in available_styles():
        raise OptionError(f"there is a style '{name}' already; choose another name")


def keep_style(learned: Learned) -> Path:
    """Copy a style to the user's folder, with its swatch.

    Raises:
        OptionError: another style has got its name meanwhile.
        OutputError: the folder cannot be written.
    """
    check_name(learned.name)
    target = user_styles_dir() / f"{learned.name}{SUFFIX}"
    swatch = target.parent / SWATCHES / f"{learned.name}.jpg"
    try:
        swatch.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{swatch.parent}: {error.strerror or error}") from error
    for source, path in ((learned.swatch, swatch), (learned.file, target)):
        with complete_file(path) as temporary:
            shutil.copyfile(source, temporary)
    return target


def learn(
    picture: np.ndarray,
    about: StyleInfo,
    minutes: float,
    photos: Path,
    folder: Path,
    job: Job,
) -> Learned:
    """The work of a job: a style vector, predicted and refined. A stop keeps what was learned.

    Raises:
        VidstyleError: VGG19's weights are not to be had, or as ``Trainer``.
    """
    from vidstyle.models.losses import STYLE_LAYERS
    from vidstyle.models.vgg import load_vgg19
    from vidstyle.train import TrainEvent
    from vidstyle.train.painting import painting_trainer, predicted

    job.listen(JobView("Looking at the painting…"))
    painting = write_image(folder / f"{about.name}.jpg", picture)
    vgg = load_vgg19(last=STYLE_LAYERS[-1])
    style = predicted(picture, about, vgg)
    output = folder / f"{about.name}{SUFFIX}"
    trainer = painting_trainer(style, painting, photos, output, minutes, vgg)
    losses: list[float] = []
    sheets: list[tuple[float, np.ndarray]] = []

    def listen(event: TrainEvent) -> None:
        if "style" in event.losses:  # a step may have drawn weaker styles only
            losses.append(event.losses["style"])
        if not sheets or event.seconds - sheets[-1][0] > SHEET_SECONDS:
            sheets[:] = [(event.seconds, trainer.sheet(rows=2))]
        left = duration(max(60 * minutes - event.seconds, 0))
        words = f"Step {event.step} · {left} left"
        job.listen(JobView(words, event.progress, sheets[0][1], tuple(smooth(losses))))

    words = "Learned in {}."
    try:
        trainer.train(listen)
    except KeyboardInterrupt:
        words = "Ended after {}."
    took = duration(trainer.seconds)
    return Learned(about.name, trainer.output, painting, trainer.sheet(rows=2), words.format(took))


def smooth(losses: Sequence[float], window: int = 10) -> list[float]:
    """Means over the last few steps, as steps differ in their photos."""
    return [float(np.mean(losses[max(n - window, 0) : n])) for n in range(1, len(losses) + 1)]
