"""Options that only the command line has: names of files, what is shown, and which engine draws."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vidstyle.options.base import (
    ABOUT,
    BASIC,
    INPUT,
    LOGGING,
    OPTIMIZATION,
    OUTPUT,
    SPEED,
    STYLE,
    Options,
)

EngineName = Literal["fast", "optimize"]
ProgressKind = Literal["bar", "json", "none"]
RecipeName = Literal["default", "gatys", "keras", "notebook", "lecture", "owl"]
"""As in ``stylizers/recipes``, which says what is in them, and imports torch."""

OUTPUT_FLAGS = ("--output", "-o")
STYLE_FLAGS = ("--style", "-s")


@dataclass(frozen=True)
class ProgressOptions(Options):
    """What is shown on the way, and how it ends."""

    progress: ProgressKind = LOGGING.option(
        "bar", "A progress bar, JSON events (one object per line), or nothing."
    )
    json: bool = LOGGING.option(False, "Print the summary as one JSON object.")

    @property
    def as_json(self) -> bool:
        """Whether the summary is JSON, as it is the last of JSON events."""
        return self.json or self.progress == "json"


@dataclass(frozen=True)
class EngineOptions(Options):
    """Which engine draws, and what the optimization engine starts with."""

    engine: EngineName | None = STYLE.option(
        None,
        "fast draws learned styles, and learns a picture's at once; optimize imitates any painting "
        "closely, and slowly.",
        unset="fast, or optimize for a picture with options that only it has",
    )
    recipe: RecipeName | None = OPTIMIZATION.option(
        None, "Losses and optimizer to start from; single options change it.", unset="default"
    )
    vgg: Path | None = INPUT.option(
        None,
        "File with the weights of VGG19.",
        metavar="FILE",
        unset="VIDSTYLE_VGG19, or torchvision's download",
    )


@dataclass(frozen=True)
class RunOptions(Options):
    """Options that only ``vidstyle run`` has."""

    output: str | None = BASIC.option(
        None,
        "Output file; DIR/ writes into that directory, and a pattern (out/%04d.png) an image "
        "sequence.",
        flags=OUTPUT_FLAGS,
        metavar="PATH",
        unset="INPUT.<style>.mp4",
    )
    resume: bool = BASIC.option(
        False, "Continue what an earlier run of the same command has finished."
    )
    compare: bool = OUTPUT.option(False, "Write input and output side by side in one video.")
    jobs: int = SPEED.option(
        1, "Process N inputs in parallel, taking turns on all GPUs.", metavar="N", min=1
    )


@dataclass(frozen=True)
class PictureOutput(Options):
    """Where a picture that is optimized goes, and what of the way to it is kept."""

    output: Path | None = BASIC.option(
        None, "Output file.", flags=OUTPUT_FLAGS, metavar="FILE", unset="beside the input"
    )
    save_every: int | None = OUTPUT.option(
        None, "Keep every Nth step as OUTPUT.0050.png and so on.", metavar="N", min=1, unit="step"
    )
    plot: Path | None = OUTPUT.option(None, "Plot the losses of all steps.", metavar="FILE.png")


@dataclass(frozen=True)
class StyleOptions(Options):
    """The style of commands that take one."""

    style: str = BASIC.option(
        "scream",
        "A style's name or file, a blend (scream:0.7,wave:0.3), or the picture of a painting.",
        flags=STYLE_FLAGS,
    )


@dataclass(frozen=True)
class FrameStyleOptions(Options):
    """The styles of a sequence, one for each matte."""

    style: tuple[str, ...] = BASIC.option(
        ("scream",),
        "A style's name or file, a blend (scream:0.7,wave:0.3), or the picture of a painting; "
        "repeat for each --matte.",
        flags=STYLE_FLAGS,
    )


@dataclass(frozen=True)
class SinkOptions(Options):
    """Where a stream goes."""

    to: tuple[str, ...] = BASIC.option(
        ("window",),
        "window, camera[:DEVICE], a URL, - (stdout), or a file to record to; repeat for more.",
        metavar="SINK",
    )


@dataclass(frozen=True)
class TextureOptions(Options):
    """Options that only ``vidstyle texture`` has."""

    size: str = BASIC.option("512x512", "Size in pixels.", metavar="WxH")


@dataclass(frozen=True)
class FeatureOptions(Options):
    """Options that only ``vidstyle features`` has."""

    layers: str = BASIC.option(
        "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1",
        "Layers of VGG19; relu3_1, conv3_1 and block3_conv1 are the same.",
    )
    maps: int = BASIC.option(16, "The most active channels of each layer to show.")
    side: int = BASIC.option(128, "Longer side of each channel, in pixels.")
    grey: bool = BASIC.option(False, "Draw in shades of grey.")


@dataclass(frozen=True)
class PreviewOptions(Options):
    """Options that only ``vidstyle styles preview`` has."""

    output: Path = BASIC.option(
        Path("sheet.png"), "Output file.", flags=OUTPUT_FLAGS, metavar="FILE"
    )
    at: float = BASIC.option(0.0, "Seconds into a video.", min=0)
    side: int = BASIC.option(480, "Longer side of each picture, in pixels.", min=1)
    columns: int = BASIC.option(3, "Pictures per row.", min=1)


@dataclass(frozen=True)
class EvaluateOptions(Options):
    """Options that only ``vidstyle evaluate`` has."""

    per_frame: Path | None = BASIC.option(
        None, "The same style without temporal processing, to compare with.", metavar="FILE"
    )
    plot: Path | None = BASIC.option(None, "Plot the warping error over time.", metavar="FILE.png")
    progress: Literal["bar", "none"] = LOGGING.option("bar", "A progress bar, or nothing.")


@dataclass(frozen=True)
class PaintingOptions(Options):
    """What is known of the paintings that are learned."""

    name: str | None = BASIC.option(None, "The style's name.", unset="the painting's file name")
    title: str = ABOUT.option("", "Title of the painting.")
    artist: str = ABOUT.option("", "Artist of the painting.")
    year: str = ABOUT.option("", "Year of the painting.")
    catalog: Path | None = ABOUT.option(
        None,
        "TOML file with title, artist, year, weight and share of each painting.",
        metavar="FILE",
    )

    @property
    def about(self) -> dict[str, str]:
        """Title, artist and year, where they are given."""
        known = {"title": self.title, "artist": self.artist, "year": self.year}
        return {name: value for name, value in known.items() if value}


@dataclass(frozen=True)
class BuildOptions(Options):
    """What training builds on."""

    base: Path | None = BASIC.option(
        None,
        "The style file to build on.",
        flags=("--from",),
        metavar="FILE",
        unset="the bundled one, or none with --full",
    )
    resume: bool = BASIC.option(False, "Continue from the checkpoint.")
