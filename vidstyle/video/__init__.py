"""Video files in and out, through PyAV."""

from vidstyle.video.decode import ReadOptions, VideoReader
from vidstyle.video.encode import VideoWriter, WriteOptions, partial_path
from vidstyle.video.growing import growing_path
from vidstyle.video.prefetch import BackgroundSink, Prefetch
from vidstyle.video.resumable import ResumableWriter

__all__ = [
    "BackgroundSink",
    "Prefetch",
    "ReadOptions",
    "ResumableWriter",
    "VideoReader",
    "VideoWriter",
    "WriteOptions",
    "growing_path",
    "partial_path",
]
