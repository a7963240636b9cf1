"""Photographs as styles: only light and colours change."""

from dataclasses import dataclass
from pathlib import Path

from vidstyle.errors import OptionError
from vidstyle.options.base import OPTIMIZATION, STYLE, Options


@dataclass(frozen=True)
class PhotorealismOptions(Options):
    """How a photo takes its look from another one (Luan, Paris, Shechtman, Bala 2017, "Deep Photo
    Style Transfer").

    The optimization engine's loss gets another term, ``photorealism_weight · Σ_c V_cᵀ L V_c / N``
    for a picture with channels V_c of N pixels, colours in [0, 1], and the photo's matting
    Laplacian L. It is 0 where colours are locally an affine map of the photo's.
    """

    photorealistic: bool = STYLE.option(
        False,
        "Give a photo the light and the colours of another one, which is the style. Nothing is "
        "drawn, and no shape changes.",
    )
    regions: tuple[Path, Path] | None = STYLE.option(
        None,
        "Label pictures of the photo and of the style, or folders of mattes: each region takes its "
        "look from the one of the same colour or name.",
        metavar="CONTENT STYLE",
    )
    auto_regions: int | None = STYLE.option(
        None,
        "Find up to N regions in the photo and in the style. Of a still picture, they are written "
        "beside it, to be edited and given as --regions.",
        metavar="N",
        min=2,
        max=8,
    )
    photorealism_weight: float = OPTIMIZATION.option(1e4, "Weight of the photorealism loss.", min=0)
    key_interval: float = OPTIMIZATION.option(
        2.0,
        "In photorealistic videos, seconds from one frame that the look is learned from to the "
        "next; each shot has at least one.",
        above=0,
        unit="second",
    )

    def check(self) -> None:
        if self.regions is not None and self.auto_regions is not None:
            raise OptionError("regions are either given or found; leave out one of the options")
