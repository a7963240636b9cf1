"""All options, each written once. Imports nothing heavy.

One module a topic; ``base`` says what an option is.
"""

from vidstyle.options.base import Option, Options, option, settings_of
from vidstyle.options.drawing import FastOptions, TemporalOptions
from vidstyle.options.export import ExportOptions
from vidstyle.options.live import RecordOptions, SendOptions, SourceOptions, StreamOptions
from vidstyle.options.optimization import FRAMES, PHOTOGRAPHS, OptimizeOptions, VideoOptions
from vidstyle.options.photorealism import PhotorealismOptions
from vidstyle.options.sequences import ClipOptions, FrameOptions, PictureOptions
from vidstyle.options.training import DistilOptions, LearnOptions, LoopOptions, TrainOptions
from vidstyle.options.video import ReadOptions, WriteOptions
from vidstyle.options.web import WebOptions

__all__ = [
    "FRAMES",
    "PHOTOGRAPHS",
    "ClipOptions",
    "DistilOptions",
    "ExportOptions",
    "FastOptions",
    "FrameOptions",
    "LearnOptions",
    "LoopOptions",
    "OptimizeOptions",
    "Option",
    "Options",
    "PhotorealismOptions",
    "PictureOptions",
    "ReadOptions",
    "RecordOptions",
    "SendOptions",
    "SourceOptions",
    "StreamOptions",
    "TemporalOptions",
    "TrainOptions",
    "VideoOptions",
    "WebOptions",
    "WriteOptions",
    "option",
    "settings_of",
]
