"""Training styles from paintings: vectors on a frozen backbone, or the backbone with them.

Uses perceptual losses after Johnson, Alahi, Fei-Fei 2016; ``docs/training.md`` has the recipe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vidstyle import image as images
from vidstyle.errors import TrainingError
from vidstyle.models.pixels import as_image, as_tensor
from vidstyle.models.transformer import TransformerNet
from vidstyle.models.vgg import VGG19
from vidstyle.options import TrainOptions
from vidstyle.styles.file import StyleFile, backbone_hash, write_style_file
from vidstyle.styles.header import IDENTITY, StyleInfo
from vidstyle.train.drawing import DrawingLoop, Sample, Target


@dataclass(frozen=True)
class Painting:
    """A style to train.

    Attributes:
        weight: factor of the style weight; a lower one keeps more of the photo.
        share: number of samples for each sample of a style whose share is 1.
    """

    info: StyleInfo
    path: Path
    weight: float = 1.0
    share: int = 1


class Trainer(DrawingLoop):
    """Trains style vectors and, with ``options.full``, the backbone.

    Args:
        base: the style file to build on. With ``full`` it is the starting point, and may be
            omitted; otherwise its backbone stays unchanged.
        output: the style file to write at every checkpoint, with a sheet of samples beside it.

    Raises:
        TrainingError: no paintings, photos or backbone, two styles with the same name, or no folder
            for the output.
    """

    checkpoint_format = "vidstyle-checkpoint"

    def __init__(
        self,
        paintings: Sequence[Painting],
        photos: str | Path,
        output: str | Path,
        options: TrainOptions,
        *,
        base: StyleFile | None = None,
        vgg: VGG19 | str | Path | None = None,
    ) -> None:
        if not paintings:
            raise TrainingError("no paintings to train on")
        if not options.full and base is None:
            raise TrainingError("training only style vectors needs a backbone; pass base")
        self.names = [painting.info.name for painting in paintings]
        taken = {name for name in self.names if self.names.count(name) > 1 or name == IDENTITY}
        if taken:
            raise TrainingError(f"two styles would be named '{min(taken)}'; rename one painting")
        shares = [painting.share for painting in paintings]
        super().__init__(shares, photos, output, options, base=base, vgg=vgg)
        self.paintings = list(paintings)
        self.vectors = self._first_vectors(self.names).to(self.device).requires_grad_()
        trained = self.network.named_parameters() if options.full else ()
        self._learn_weights(
            ({"vectors": self.vectors}, options.style_rate),
            ({f"network.{name}": weight for name, weight in trained}, options.learning_rate),
        )
        self.grams, self.coarse_grams = self._painting_grams()
        self.style_weights = torch.tensor([p.weight for p in paintings], device=self.device)

    def _first_vectors(self, names: Sequence[str]) -> Tensor:
        """Styles in the base start from their vectors there, others from the mean of them."""
        if self.base is None:
            return self.network.new_style().repeat(len(names), 1)
        known = {name: v.float() for name, v in self.base.vectors.items() if name != IDENTITY}
        mean = torch.stack(list(known.values())).mean(0)
        return torch.stack([known.get(name, mean) for name in names])

    def _painting_grams(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Gram matrices of all paintings at full and at half size: S×C×C per layer."""
        fine, coarse = [], []
        for painting in self.paintings:
            picture = images.resize_short_side(
                images.read_image(painting.path), self.options.style_size
            )
            whole, half = self._style_grams(as_tensor(picture).to(self.device))
            fine.append(whole)
            coarse.append(half)
        return _stacked(fine), _stacked(coarse)

    def _target(self, part: Sample) -> Target:
        order = part.order
        return Target(
            self.vectors[order],
            {layer: grams[order] for layer, grams in self.grams.items()},
            {layer: grams[order] for layer, grams in self.coarse_grams.items()},
            self.style_weights[order],
            [self.names[n] for n in order.tolist()],
        )

    def style_file(self) -> StyleFile:
        """The styles in their current state."""
        vectors = dict(zip(self.names, self.average["vectors"].cpu(), strict=True))
        recipe = asdict(self.options) | {"step": self.step, "seconds": round(self.seconds)}
        for name in ("device", "log_every", "checkpoint_minutes"):
            del recipe[name]
        infos = {
            p.info.name: replace(
                p.info, training=recipe | {"weight": p.weight, "painting": p.path.name}
            )
            for p in self.paintings
        }
        if not self.options.full:
            assert self.base is not None
            return StyleFile(
                self.output, self.base.architecture, self.base.backbone_id, None, vectors, infos
            )
        backbone = self._backbone()
        vectors[IDENTITY] = self.identity.cpu()
        infos[IDENTITY] = StyleInfo(IDENTITY, "The photo itself", "", "", recipe)
        return StyleFile(
            self.output,
            self.network.architecture,
            backbone_hash(backbone),
            backbone,
            vectors,
            infos,
        )

    def _write(self) -> None:
        write_style_file(self.style_file(), self.output)

    def _write_samples(self) -> None:
        images.write_image(self.output.with_suffix(".sheet.png"), self.sheet())

    def _subject(self) -> dict[str, object]:
        return {"styles": self.names, "backbone_id": self._frozen_id()}

    def _check_subject(self, subject: Mapping[str, object]) -> None:
        path, own = self.checkpoint_path, self._subject()
        if subject["styles"] != own["styles"]:
            styles = ", ".join(map(str, subject["styles"]))  # type: ignore[call-overload]
            raise TrainingError(f"{path}: belongs to the styles {styles}")
        if subject["backbone_id"] != own["backbone_id"]:
            raise TrainingError(f"{path}: belongs to another backbone")

    def sheet(self, rows: int = 3, side: int = 256) -> np.ndarray:
        """A picture of held-out photos in all styles: one photo per row, the original first."""
        network = TransformerNet(self.network.architecture).to(self.device)
        network.load_state_dict({k: v.to(self.device) for k, v in self._backbone().items()})
        pictures = []
        for path in (self.held_out or self.photos)[:rows]:
            photo = images.resize_short_side(images.read_image(path), side)
            top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
            photo = photo[top : top + side, left : left + side]
            pictures.append(photo)
            for vector in self.average["vectors"]:
                with torch.inference_mode():
                    result = network(as_tensor(photo).to(self.device), vector[None])
                pictures.append(as_image(result))
        return images.contact_sheet(pictures, columns=1 + len(self.paintings))

    def _backbone(self) -> dict[str, Tensor]:
        """The averaged weights of the network."""
        return {
            name: self.average.get(f"network.{name}", weight).cpu()
            for name, weight in self.network.state_dict().items()
        }


def _stacked(grams: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {layer: torch.cat([g[layer] for g in grams]) for layer in grams[0]}


def read_painting(
    path: str | Path,
    name: str | None = None,
    *,
    title: str = "",
    artist: str = "",
    year: str = "",
    weight: float = 1.0,
    share: int = 1,
) -> Painting:
    """Describe a painting in a file; the name defaults to the file's.

    Raises:
        InputError: the file is not a picture.
    """
    path = Path(path)
    images.read_image(path)
    return Painting(StyleInfo(name or path.stem, title, artist, year), path, weight, share)
