"""A painting as a style at once: its vector is predicted, then refined for some seconds.

Vectors are kept in the user's cache, each under the hash of its painting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vidstyle import image as images
from vidstyle.disk import scratch_folder
from vidstyle.errors import OutputError, StyleError, WeightsError
from vidstyle.image import is_picture_name
from vidstyle.models.losses import STYLE_LAYERS
from vidstyle.models.pixels import as_tensor
from vidstyle.models.predictor import STATISTICS, channels, painting_statistics
from vidstyle.models.vgg import VGG19, load_vgg19
from vidstyle.options import LearnOptions, TrainOptions
from vidstyle.styles.file import StyleFile, read_style_file, write_style_file
from vidstyle.styles.header import StyleInfo
from vidstyle.styles.paintings import painting_name
from vidstyle.styles.predictor import BUNDLED_PREDICTOR, read_predictor
from vidstyle.styles.registry import BUNDLED, SUFFIX, parse_blend
from vidstyle.train.loop import TrainEvent
from vidstyle.train.styles import Painting, Trainer

PAINTING_SIDE = 512
"""Short side at which a painting is looked at, as in the training of the predictor."""
RATE = 2e-2
"""Learning rate of the vector; there are only some dozens of steps."""
LONG = 3
"""Minutes from which a lower learning rate ends closer."""
SHEET_MINUTES = 1 / 6
"""Between two sheets of samples."""


class PaintingLearner:
    """Turns pictures of paintings into styles of the fast engine.

    Args:
        photos: gives photos to refine on, RGB uint8 H×W×3; called only when they are needed.
        vgg: a file of VGG19's weights.
        listener: gets a picture and how far its refinement is.
    """

    def __init__(
        self,
        photos: Callable[[], Iterable[np.ndarray]],
        options: LearnOptions = LearnOptions(),
        *,
        vgg: str | Path | None = None,
        listener: Callable[[Path, TrainEvent], None] = lambda picture, event: None,
    ) -> None:
        self.photos = photos
        self.options = options
        self.vgg = vgg
        self.listener = listener

    def style(self, spec: str) -> str:
        """A style whose pictures are replaced by the files of the styles learned from them.

        Args:
            spec: as for ``load_style``, with names of pictures too: ``monet.jpg:0.7,wave:0.3``.

        Raises:
            VidstyleError: as ``learn``.
        """
        parts = [
            (str(self.learn(Path(name))) if is_picture_name(name) else name, weight)
            for name, weight in parse_blend(spec)
        ]
        if len(parts) == 1:
            return parts[0][0]
        return ",".join(f"{name}:{weight:g}" for name, weight in parts)

    def learn(self, picture: Path) -> Path:
        """The style file of a painting: from the cache, or learned now.

        While it is refined, a sheet of samples appears beside the file as ``NAME.sheet.png``.

        Raises:
            InputError: the picture cannot be read.
            OutputError: the cache cannot be written.
            StyleError: the bundled predictor is damaged.
            WeightsError: VGG19's weights are not to be had.
        """
        image = images.read_image(picture)
        target = self.cached(picture, image)
        if target.is_file():
            return target
        vgg = load_vgg19(self.vgg, last=STYLE_LAYERS[-1])
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with scratch_folder(target) as folder, torch.inference_mode(False):
                name = painting_name(picture)
                info = StyleInfo(name, name, training={"painting": picture.name})
                style = predicted(image, info, vgg)
                if self.options.refine:
                    style = self._refined(style, picture, vgg, target, folder)
        except OSError as error:
            raise OutputError(f"{target}: {error.strerror or error}") from error
        return write_style_file(style, target)

    def cached(self, picture: Path, image: np.ndarray) -> Path:
        """Where the style of a painting is kept: by hash of painting, backbone and options."""
        import platformdirs  # bare GPU machines, which train, do not have it

        options = repr((image.shape, self.options)).encode()
        parts = image.tobytes(), BUNDLED.read_bytes(), BUNDLED_PREDICTOR.read_bytes(), options
        hashes = b"".join(hashlib.sha256(part).digest() for part in parts)
        folder = hashlib.sha256(hashes).hexdigest()[:16]
        paintings = platformdirs.user_cache_path("vidstyle") / "paintings"
        return paintings / folder / f"{painting_name(picture)}{SUFFIX}"

    def _refined(
        self, style: StyleFile, picture: Path, vgg: VGG19, target: Path, folder: Path
    ) -> StyleFile:
        """A style trained further for some seconds, from its prediction."""
        for number, photo in enumerate(self.photos()):
            images.write_image(folder / f"{number:04d}.png", photo)
        output, minutes = folder / f"style{SUFFIX}", self.options.refine / 60
        trainer = painting_trainer(style, picture, folder, output, minutes, vgg)

        def listen(event: TrainEvent) -> None:
            if event.checkpoint or event.progress == 1:
                images.write_image(target.with_suffix(".sheet.png"), trainer.sheet(rows=2))
            self.listener(picture, event)

        trainer.train(listen)
        return trainer.style_file()


def with_predictions(base: StyleFile, paintings: Sequence[Painting], vgg: VGG19) -> StyleFile:
    """A style file to train on whose unknown paintings begin where the predictor expects them.

    Other backbones than the bundled one have no predictor, and it knows no pruned VGG19: then the
    file stays as it is.
    """
    if base.backbone_id != read_predictor().backbone_id or 2 * channels(vgg) != STATISTICS:
        return base
    guesses = {
        p.info.name: predicted(images.read_image(p.path), p.info, vgg).vectors[p.info.name]
        for p in paintings
        if p.info.name not in base.vectors
    }
    return replace(base, vectors={**base.vectors, **guesses})


def painting_trainer(
    style: StyleFile, picture: Path, photos: Path, output: Path, minutes: float, vgg: VGG19
) -> Trainer:
    """What trains the only style of a file further, as quickly as the time demands.

    Raises:
        TrainingError: there are no photos.
    """
    options = TrainOptions(
        minutes=minutes,
        batch_size=2,
        crop=256,
        style_rate=RATE if minutes < LONG else RATE / 2,
        blend_share=0,
        style_weight=8,
        checkpoint_minutes=SHEET_MINUTES,
        log_every=1,
    )
    base = read_style_file(BUNDLED)
    base = replace(base, vectors={**base.vectors, **style.vectors})
    (info,) = style.infos.values()
    return Trainer([Painting(info, picture)], photos, output, options, base=base, vgg=vgg)


@torch.no_grad()
def predicted(image: np.ndarray, info: StyleInfo, vgg: VGG19) -> StyleFile:
    """The style that the bundled predictor expects of a painting, RGB uint8 H×W×3.

    Raises:
        StyleError: the predictor's file is damaged, or belongs to another backbone.
        WeightsError: the weights are not those of the published VGG19.
    """
    base, predictor = read_style_file(BUNDLED), read_predictor()
    if predictor.backbone_id != base.backbone_id:
        raise StyleError("the bundled predictor belongs to another backbone")
    if 2 * channels(vgg) != STATISTICS:
        raise WeightsError(
            f"these VGG19 weights have {channels(vgg)} channels up to {STYLE_LAYERS[-1]}, "
            f"not {STATISTICS // 2}; a picture needs the published ones"
        )
    small = as_tensor(images.resize_short_side(image, PAINTING_SIDE))
    vector: Tensor = predictor.network(painting_statistics(vgg(small, STYLE_LAYERS)))[0]
    named = {info.name: vector}, {info.name: info}
    return StyleFile(None, base.architecture, base.backbone_id, None, *named)
