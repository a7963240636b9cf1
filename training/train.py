"""Train the bundled styles: on a GPU for as many minutes as it is lent, or on a CPU for days.

    python training/train.py --data .train --output run/pictures.safetensors --minutes 7 \\
        --device cuda --batch-size 16 --from training/pictures.safetensors
    python training/train.py --data ../shared --output run/pictures.safetensors --steps 45000 \\
        --resume

``--data`` is the shared data, or what ``pack.py`` made of it. Options that are not given are those
of ``vidstyle train``, but for crops and the vectors' learning rate. Needs neither PyAV nor typer.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

from vidstyle.errors import VidstyleError
from vidstyle.image import SUFFIXES
from vidstyle.styles import read_style_file
from vidstyle.train import (
    Painting,
    PredictorTrainer,
    Trainer,
    TrainEvent,
    TrainOptions,
    held_out,
    read_painting,
)

JUDGED = 15
"""Paintings that no predictor is trained on."""
HERE = Path(__file__).parent
CATALOG = HERE.parent / "vidstyle/styles/bundled.toml"
VGG_FILES = ("vgg.safetensors", "vgg19/vgg19-imagenet-oxford-features.safetensors")


def paintings(data: Path, only: list[str] | None) -> list[Painting]:
    """The catalogue's, each from the shared data or from a packed folder."""
    files = tomllib.loads((HERE / "paintings.toml").read_text(encoding="utf-8"))
    catalog = tomllib.loads(CATALOG.read_text(encoding="utf-8"))
    found = []
    for name, file in files.items():
        if only and name not in only:
            continue
        places = (data / "paintings" / f"{name}.jpg", data / "paintings" / file)
        path = next(place for place in places if place.is_file())
        found.append(read_painting(path, name, **catalog.get(name, {})))
    return found


def pictures(data: Path) -> list[Path]:
    """All paintings but those to judge a predictor by, which are among the ones of no style."""
    folder = data / "paintings"
    bundled = tomllib.loads((HERE / "paintings.toml").read_text(encoding="utf-8")).values()
    found = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES]
    free = [p for p in found if str(p.relative_to(folder)) not in bundled]
    judged = held_out(free, JUDGED)[1]
    return [p for p in found if p not in judged]


def report(event: TrainEvent) -> None:
    figures = {**event.losses, **event.styles}
    cells = " ".join(f"{name[:9]} {value:.3f}" for name, value in figures.items())
    print(f"{event.step} {event.progress:.1%} {event.seconds:.0f} s  {cells}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--from", dest="base", type=Path, help="the style file to start from")
    parser.add_argument("--only", nargs="*", help="names of styles")
    parser.add_argument("--vectors", action="store_true", help="leave the backbone as it is")
    parser.add_argument("--predictor", action="store_true", help="train the predictor of vectors")
    parser.add_argument("--resume", action="store_true")
    for name, kind in (
        ("minutes", float), ("steps", int), ("batch-size", int), ("crop", int),
        ("early-crop", int), ("early-part", float), ("learning-rate", float),
        ("style-rate", float), ("style-weight", float), ("content-weight", float),
        ("similarity-weight", float), ("edge-weight", float), ("tone-weight", float),
        ("coarse-weight", float), ("halo-weight", float), ("stability-weight", float),
        ("stability-every", int),
        ("device", str), ("precision", str), ("log-every", int), ("seed", int),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind)
    parser.set_defaults(crop=400, early_crop=256, early_part=0.67, style_rate=2.5e-3)
    given = vars(parser.parse_args())
    fixed = {
        key: given.pop(key)
        for key in ("data", "output", "base", "only", "vectors", "predictor", "resume")
    }
    full = not (fixed["vectors"] or fixed["predictor"])
    options = TrainOptions(full=full, **{k: v for k, v in given.items() if v is not None})
    fixed["output"].parent.mkdir(parents=True, exist_ok=True)
    vgg = next(fixed["data"] / name for name in VGG_FILES if (fixed["data"] / name).is_file())
    base = read_style_file(fixed["base"]) if fixed["base"] else None
    common = (fixed["data"] / "photos", fixed["output"], options)
    trainer = (
        PredictorTrainer(pictures(fixed["data"]), *common, base=base, vgg=vgg)
        if fixed["predictor"]
        else Trainer(paintings(fixed["data"], fixed["only"]), *common, base=base, vgg=vgg)
    )
    if fixed["resume"]:
        trainer.resume()
    trainer.train(report)


if __name__ == "__main__":
    try:
        main()
    except VidstyleError as error:
        sys.exit(str(error))
