"""The tab for photos: every style at a glance, one of them large, by either engine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from vidstyle import image as images
from vidstyle.errors import VidstyleError
from vidstyle.options import FastOptions, OptimizeOptions
from vidstyle.video.stills import frame_at
from vidstyle.web import controls
from vidstyle.web.catalog import check_style, style_titles
from vidstyle.web.gallery import StyleGallery
from vidstyle.web.job_panel import JobPanel
from vidstyle.web.jobs import Job
from vidstyle.web.services import AT_ONCE, PREVIEW_SIDE, QUIET, Services, shown
from vidstyle.web.settings import changed_flags
from vidstyle.web.status import JobView, duration
from vidstyle.web.uploads import open_picture

COLORS = {"style": "The painting's", "keep": "The photo's own"}
ENGINES = [("At once", "fast"), ("By optimization", "optimize")]
SIDES = [320, 480, 640, 960]


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture of a visitor's, RGB uint8 H×W×3, and what it was called where it came from."""

    name: str
    image: np.ndarray


@dataclass(frozen=True, eq=False)
class PaintedPhoto:
    """A photo as a painting, and the file of it."""

    photo: Photo
    image: np.ndarray
    output: Path
    words: str


@dataclass(frozen=True)
class PictureSettings:
    """How a photo is to be painted.

    Attributes:
        painting: the picture of a painting, for the optimization engine, in place of the style's.
    """

    style: str
    engine: str
    fast: FastOptions
    optimize: OptimizeOptions
    side: int
    painting: Path | None

    @classmethod
    def of(
        cls,
        style: str,
        strength: float,
        color: str,
        engine: str,
        side: int,
        iterations: float,
        painting: str | None,
    ) -> PictureSettings:
        """From the controls of the page. Raises StyleError, OptionError."""
        check_style(style)
        fast = FastOptions(strength=strength, color=color)  # type: ignore[arg-type]
        optimize = OptimizeOptions(color=color, iterations=round(iterations))  # type: ignore[arg-type]
        path = Path(painting) if painting and engine == "optimize" else None
        return cls(style, engine, fast, optimize, side, path)

    @property
    def label(self) -> str:
        """What stands in the name of the result."""
        return self.painting.stem if self.painting else self.style

    def command(self, source: str) -> str:
        """The command line that does the same."""
        style = self.painting.name if self.painting else self.style
        words = ["vidstyle", "image", source, "--style", style]
        if self.engine == "fast":
            return shlex.join([*words, *changed_flags(self.fast)])
        words += [] if self.painting else ["--engine", "optimize"]
        return shlex.join([*words, "--max-side", str(self.side), *changed_flags(self.optimize)])


class PictureTab:
    """Builds itself inside the page that is being built."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.photo = gr.State(None)
        with gr.Row(elem_classes="vs-columns"):
            with gr.Column(scale=3, min_width=320, elem_classes="vs-stage"):
                self._build_stage()
            with gr.Column(scale=1, min_width=300, elem_classes="vs-panel"):
                self._build_panel()
        self._connect()

    def _build_stage(self) -> None:
        with gr.Column(elem_id="picture-choosing", elem_classes="vs-flat") as choosing:
            self.preview = controls.before_and_after("picture-preview")
        self.job_panel = JobPanel(
            self.services, "picture", choosing, lambda view: view, "Stop, and keep the picture"
        )
        self.job_panel.connect(PhotoStage())
        self.gallery = StyleGallery("picture-styles")

    def _build_panel(self) -> None:
        self.upload = controls.picture_upload("Your photo", "picture-upload")
        self.strength = controls.slider(FastOptions, "strength", "Strength")
        self.color = controls.radio(FastOptions, "color", COLORS, "Colours")
        self.engine = gr.Radio(ENGINES, value="fast", label="Engine", elem_id="picture-engine")
        with gr.Column(visible=False, elem_classes="vs-flat") as self.slow:
            self.painting = controls.picture_upload("A painting of your own", "picture-painting")
            self.side = gr.Dropdown(SIDES, value=480, label="Longer side, in pixels")
            self.iterations = gr.Slider(
                10, 200, OptimizeOptions.iterations, step=10, label="Steps per size", buttons=[]
            )
        self.go = gr.Button("Paint the photo", variant="primary", elem_id="picture-start")
        self.command = controls.command_line("picture-command")

    @property
    def chosen(self) -> list[Any]:
        """The controls, in the order of ``PictureSettings.of``."""
        fast = [self.gallery.style, self.strength, self.color, self.engine]
        return [*fast, self.side, self.iterations, self.painting]

    @property
    def _drawn(self) -> list[Any]:
        """The controls that the fast engine's drawing shows."""
        return [self.gallery.style, self.strength, self.color]

    def _connect(self) -> None:
        taken = [self.photo, self.preview, *self.gallery.parts]
        self.taken = taken
        upload = [self.upload, *self._drawn]
        self.job_panel.leave(self.upload.upload(self._take, upload, taken, **QUIET))
        changes = [control.change for control in self._drawn]
        gr.on(changes, self._preview, [self.photo, *self._drawn], self.preview, **AT_ONCE)
        changes = [control.change for control in (self.photo, *self.chosen)]
        gr.on(changes, self._command, [self.photo, *self.chosen], self.command, **AT_ONCE)
        self.engine.change(
            lambda engine: [shown(engine == "optimize"), shown(engine == "fast")],
            self.engine,
            [self.slow, self.strength],
            **QUIET,
        )
        self.job_panel.begin(self.go, self._start, [self.photo, *self.chosen])

    def load(self, page: gr.Blocks, tab: gr.Tab) -> None:
        """Show the sample, when the tab is first looked at."""
        shown = [self.photo, self.gallery.names, *self._drawn]
        tab.select(self._look, shown, self.taken, **QUIET)
        self.job_panel.resume(page)

    # -- choosing -----------------------------------------------------------------------------

    def _look(self, photo: Photo | None, names: list[str], *drawn: Any) -> list[Any]:
        """The sample, if there is no photo yet, and the photo in every style there is."""
        if photo is None:
            sample = Photo("sample.jpg", frame_at(self.services.sample.path, 0))
            return self._show(sample, self.services.sample_sheet, *drawn)
        if names == list(style_titles()):
            return [gr.skip()] * len(self.taken)
        return self._show(photo, self.services.previews.sheet(photo.image), *drawn)

    def _take(self, upload: str | None, *drawn: Any) -> list[Any]:
        if upload is None:
            return [gr.skip()] * len(self.taken)
        with self.services.errors_shown():
            photo = Photo(Path(upload).name, open_picture(Path(upload), self.services.options))
            return self._show(photo, self.services.previews.sheet(photo.image), *drawn)

    def _show(
        self, photo: Photo, sheet: dict[str, np.ndarray], style: str, *drawn: Any
    ) -> list[Any]:
        pair = self._preview(photo, style, *drawn)
        return [photo, pair, *self.gallery.filled(sheet, style)]

    def _preview(self, photo: Photo | None, style: str, strength: float, color: Any) -> Any:
        if photo is None:
            return gr.skip()
        with self.services.errors_shown():
            small = images.fit(photo.image, PREVIEW_SIDE)
            fast = FastOptions(strength=strength, color=color)
            return small, self.services.previews.paint(small, style, fast)

    def _command(self, photo: Photo | None, *chosen: Any) -> Any:
        if photo is None:
            return gr.skip()
        try:
            return PictureSettings.of(*chosen).command(photo.name)
        except VidstyleError as error:
            return str(error)

    def _start(self, photo: Photo | None, *chosen: Any) -> str:
        if photo is None:
            raise gr.Error("Bring a photo first.", title="No photo yet")
        with self.services.errors_shown():
            settings = PictureSettings.of(*chosen)
            painting = None
            if settings.painting:
                painting = open_picture(settings.painting, self.services.options)
            folder = self.services.workspace.folder()
            work = partial(draw, photo, settings, painting, folder)
            return self.services.jobs.submit(work, {folder}).id


class PhotoStage:
    """The part of the tab for a drawing that is done."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="picture-done", elem_classes="vs-flat") as stage:
            told = gr.Markdown(elem_classes="vs-told")
            pair = controls.before_and_after("picture-pair")
            with gr.Row():
                download = gr.DownloadButton(
                    "Download the painting", variant="primary", elem_id="picture-download"
                )
                self.again = gr.Button("Paint another", elem_id="picture-again")
        self.parts = [stage, told, pair, download]

    def show(self, result: PaintedPhoto) -> list[Any]:
        """The drawing beside its photo."""
        small = images.fit(result.image, PREVIEW_SIDE)
        before = images.resize(result.photo.image, *small.shape[1::-1])
        return [shown(True), result.words, (before, small), result.output]


def draw(
    photo: Photo, settings: PictureSettings, painting: np.ndarray | None, folder: Path, job: Job
) -> PaintedPhoto:
    """The work of a job. Raises VidstyleError, and KeyboardInterrupt when nothing was drawn yet."""
    suffix = Path(photo.name).suffix.lower()
    suffix = suffix if suffix in (".jpg", ".jpeg") else ".png"
    output = folder / f"{Path(photo.name).stem}.{settings.label}{suffix}"
    if settings.engine == "fast":
        from vidstyle.stylizers import FastStylizer

        image, words = FastStylizer(settings.style, settings.fast)(photo.image), "Done."
    else:
        image, words = optimize_photo(photo, settings, painting, job)
    images.write_image(output, image)
    return PaintedPhoto(photo, image, output, words)


def optimize_photo(
    photo: Photo, settings: PictureSettings, painting: np.ndarray | None, job: Job
) -> tuple[np.ndarray, str]:
    """Optimize step by step, and show each.

    Returns:
        The picture, or the one of the last step when the job was stopped; and a word about it.
    """
    from vidstyle.models.vgg import load_vgg19
    from vidstyle.styles import load_paintings
    from vidstyle.stylizers import OptimizeStylizer, Step

    paintings = (
        [(painting, 1.0)] if painting is not None else load_paintings(settings.style).weighted
    )
    picture = images.fit(photo.image, settings.side)
    stylizer = OptimizeStylizer(
        paintings, settings.optimize, load_vgg19(last=settings.optimize.deepest_layer)
    )
    losses: list[float] = []
    last: list[np.ndarray] = []

    def listen(step: Step) -> None:
        losses.append(step.losses.total)
        last[:] = [images.resize(step.picture(), *picture.shape[1::-1])]
        left = duration(step.seconds / step.iteration * (step.total - step.iteration))
        words = f"Step {step.iteration} of {step.total} · loss {losses[-1]:.3g} · {left} left"
        job.listen(JobView(words, step.iteration / step.total, last[0], tuple(losses)))

    try:
        return stylizer(picture, listener=listen), f"{len(losses)} steps, loss {losses[-1]:.3g}"
    except KeyboardInterrupt:
        if not last:
            raise
        return last[0], f"Stopped after {len(losses)} steps, loss {losses[-1]:.3g}"
