"""Training styles from paintings and drafts from a backbone. Needs neither PyAV nor typer."""

from vidstyle.train.draft import Distiller, DistilOptions
from vidstyle.train.loop import TrainEvent
from vidstyle.train.photos import find_photos
from vidstyle.train.predictor import PredictorTrainer, held_out
from vidstyle.train.styles import Painting, Trainer, TrainOptions, read_painting

__all__ = [
    "DistilOptions",
    "Distiller",
    "Painting",
    "PredictorTrainer",
    "TrainEvent",
    "TrainOptions",
    "Trainer",
    "find_photos",
    "held_out",
    "read_painting",
]
