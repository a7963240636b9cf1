"""Options that only the command line has: names of files, what is shown, and which engine draws."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vidstyle.options.base import (
    ABOUT,
    BASIC,
    LOGGING,
    OPTIMIZATION,
    OUTPUT,
    SPEED,
    STYLE,
    TRAINING,
    Options,
    option,
)

EngineName = Literal["fast", "optimize"]
ProgressKind = Literal["bar", "json", "none"]
RecipeName = Literal["default", "gatys", "keras", "notebook", "lecture", "owl"]
"""As in ``stylizers/recipes``, which says what is in them, and imports torch."""

OUTPUT_FLAGS = ("--output", "-o")


def style_option(help: str = "A style's name or file, or a blend: scream:0.7,wave:0.3.") -> Any:
    """The style, the same in all commands."""
    return option("scream", help, panel=BASIC, flags=("--style", "-s"))


@dataclass(frozen=True)
class ProgressOptions(Options):
    """What is shown on the way, and how it ends."""

    progress: ProgressKind = option(
        "bar", "A progress bar, JSON events (one object per line), or nothing.", panel=LOGGING
    )
    json: bool = option(False, "Print the summary as one JSON object.", panel=LOGGING)


@dataclass(frozen=True)
class EngineOptions(Options):
    """Which engine draws, and what the optimization engine starts with."""

    engine: EngineName | None = option(
        None,
        "fast draws learned styles; optimize imitates any painting, slowly.",
        panel=STYLE,
        unset="fast, or optimize where a picture is the style",
    )
    recipe: RecipeName | None = option(
        None,
        "Losses and optimizer to start from; single options change it.",
        panel=OPTIMIZATION,
        unset="default",
    )
    vgg: Path | None = option(
        None,
        "File with the weights of VGG19.",
        panel=OPTIMIZATION,
        metavar="FILE",
        unset="VIDSTYLE_VGG19, or torchvision's download",
    )


@dataclass(frozen=True)
class RunOptions(Options):
    """Options of ``vidstyle run`` alone."""

    output: str | None = option(
        None,
        "Output file; DIR/ writes into that directory, and a pattern (out/%04d.png) an image "
        "sequence.",
        panel=BASIC,
        flags=OUTPUT_FLAGS,
        metavar="PATH",
        unset="INPUT.<style>.mp4",
    )
    style: str = style_option(
        "A style's name or file, the picture of a painting, or a blend: scream:0.7,wave:0.3."
    )
    resume: bool = option(
        False, "Continue what an earlier run of the same command has finished.", panel=BASIC
    )
    compare: bool = option(False, "Write input and output side by side in one video.", panel=OUTPUT)
    jobs: int = option(
        1,
        "Process N inputs in parallel, taking turns on all GPUs.",
        panel=SPEED,
        metavar="N",
        min=1,
    )


@dataclass(frozen=True)
class PictureOutput(Options):
    """Where a picture that is optimized goes, and what of the way to it is kept."""

    output: Path | None = option(
        None,
        "Output file.",
        panel=BASIC,
        flags=OUTPUT_FLAGS,
        metavar="FILE",
        unset="beside the input",
    )
    save_every: int | None = option(
        None,
        "Keep every Nth step as OUTPUT.0050.png and so on.",
        panel=OUTPUT,
        metavar="N",
        min=1,
        unit="step",
    )
    plot: Path | None = option(
        None, "Plot the losses of all steps.", panel=OUTPUT, metavar="FILE.png"
    )


@dataclass(frozen=True)
class StyleOptions(Options):
    """The style alone."""

    style: str = style_option(
        "A style's name or file, the picture of a painting, or several: a.jpg:2,scream."
    )


@dataclass(frozen=True)
class LiveStyleOptions(Options):
    """The style that a stream begins with."""

    style: str = style_option()


@dataclass(frozen=True)
class FrameStyleOptions(Options):
    """The styles of a sequence, one for each matte."""

    style: tuple[str, ...] = option(
        ("scream",),
        "A style's name or file, or a blend: scream:0.7,wave:0.3; repeat for each --matte.",
        panel=BASIC,
        flags=("--style", "-s"),
    )


@dataclass(frozen=True)
class SinkOptions(Options):
    """Where a stream goes."""

    to: tuple[str, ...] = option(
        ("window",),
        "window, camera[:DEVICE], a URL, - (stdout), or a file to record to; repeat for more.",
        panel=BASIC,
        metavar="SINK",
    )


@dataclass(frozen=True)
class TextureOptions(Options):
    """Options of ``vidstyle texture`` alone."""

    size: str = option("512x512", "Size in pixels.", panel=BASIC, metavar="WxH")


@dataclass(frozen=True)
class FeatureOptions(Options):
    """Options of ``vidstyle features`` alone."""

    layers: str = option(
        "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1",
        "Layers of VGG19; relu3_1, conv3_1 and block3_conv1 are the same.",
        panel=BASIC,
    )
    maps: int = option(16, "The most active channels of each layer to show.", panel=BASIC)
    side: int = option(128, "Longer side of each channel, in pixels.", panel=BASIC)
    grey: bool = option(False, "Draw in shades of grey.", panel=BASIC)


@dataclass(frozen=True)
class PreviewOptions(Options):
    """Options of ``vidstyle styles preview`` alone."""

    output: Path = option(
        Path("sheet.png"), "Output file.", panel=BASIC, flags=OUTPUT_FLAGS, metavar="FILE"
    )
    at: float = option(0.0, "Seconds into a video.", panel=BASIC, min=0)
    side: int = option(480, "Longer side of each picture, in pixels.", panel=BASIC, min=1)
    columns: int = option(3, "Pictures per row.", panel=BASIC, min=1)


@dataclass(frozen=True)
class EvaluateOptions(Options):
    """Options of ``vidstyle evaluate`` alone."""

    per_frame: Path | None = option(
        None,
        "The same style without temporal processing, to compare with.",
        panel=BASIC,
        metavar="FILE",
    )
    plot: Path | None = option(
        None, "Plot the warping error over time.", panel=BASIC, metavar="FILE.png"
    )
    progress: Literal["bar", "none"] = option("bar", "A progress bar, or nothing.", panel=LOGGING)


@dataclass(frozen=True)
class PaintingOptions(Options):
    """What is known of the paintings that are learned."""

    name: str | None = option(
        None, "The style's name.", panel=BASIC, unset="the painting's file name"
    )
    title: str = option("", "Title of the painting.", panel=ABOUT)
    artist: str = option("", "Artist of the painting.", panel=ABOUT)
    year: str = option("", "Year of the painting.", panel=ABOUT)
    catalog: Path | None = option(
        None,
        "TOML file with title, artist, year, weight and share of each painting.",
        panel=ABOUT,
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

    base: Path | None = option(
        None,
        "The style file to build on.",
        panel=BASIC,
        flags=("--from",),
        metavar="FILE",
        unset="the bundled one, or none with --full",
    )
    vgg: Path | None = option(
        None,
        "File with the weights of VGG19.",
        panel=TRAINING,
        metavar="FILE",
        unset="VIDSTYLE_VGG19, or torchvision's download",
    )
    resume: bool = option(False, "Continue from the checkpoint.", panel=BASIC)
