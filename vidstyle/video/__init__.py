"""Video files in and out, through PyAV."""

from vidstyle.video.encoders import WriteOptions
from vidstyle.video.output import OutputPlan, partial_path
from vidstyle.video.planning import plan_output
from vidstyle.video.prefetch import BackgroundSink, Prefetch
from vidstyle.video.reader import ReadOptions, VideoReader
from vidstyle.video.resumable import ResumableWriter
from vidstyle.video.writer import VideoWriter

__all__ = [
    "BackgroundSink",
    "OutputPlan",
    "Prefetch",
    "ReadOptions",
    "ResumableWriter",
    "VideoReader",
    "VideoWriter",
    "WriteOptions",
    "partial_path",
    "plan_output",
]
