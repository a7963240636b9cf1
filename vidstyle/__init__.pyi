from .batch import (
    BatchSummary,
    FileProgress,
    Outcome,
    stylize_videos,
)
from .consistency import (
    TemporalMemory,
)
from .errors import (
    CutShortError,
    DeviceError,
    InputError,
    Interrupted,
    OptimizationError,
    OptionError,
    OutputError,
    StyleError,
    TrainingError,
    VidstyleError,
    WeightsError,
)
from .export import (
    Export,
    ExportOptions,
    export_style,
)
from .frame import (
    ColorTags,
    Frame,
    VideoInfo,
)
from .live import (
    AudioPacket,
    LiveControls,
    LiveFrame,
    LiveSource,
    LiveStylizer,
    SourceOptions,
    StreamNotice,
    StreamOptions,
    StreamStatus,
    StreamSummary,
    open_live,
    stream,
)
from .optimized import (
    VideoOptions,
    optimize_video,
)
from .pipeline import (
    stylize_video,
)
from .sequences.clip import (
    ClipOptions,
)
from .sequences.run import (
    FrameOptions,
    stylize_frames,
)
from .styles import (
    Style,
    StyleEntry,
    StyleInfo,
    available_styles,
    load_style,
)
from .stylizers import (
    Anchor,
    FastOptions,
    FastStylizer,
    Losses,
    OptimizeOptions,
    OptimizeStylizer,
    Recipe,
    Step,
    find_recipe,
    reconstruct,
    synthesize_texture,
)
from .summary import (
    Progress,
    Summary,
)
from .temporal import (
    Motion,
    MotionTracker,
    TemporalOptions,
)
from .video import (
    ReadOptions,
    VideoReader,
    VideoWriter,
    WriteOptions,
)

__all__ = [
    "Anchor",
    "AudioPacket",
    "BatchSummary",
    "ClipOptions",
    "ColorTags",
    "CutShortError",
    "DeviceError",
    "Export",
    "ExportOptions",
    "FastOptions",
    "FastStylizer",
    "FileProgress",
    "Frame",
    "FrameOptions",
    "InputError",
    "Interrupted",
    "LiveControls",
    "LiveFrame",
    "LiveSource",
    "LiveStylizer",
    "Losses",
    "Motion",
    "MotionTracker",
    "OptimizationError",
    "OptimizeOptions",
    "OptimizeStylizer",
    "OptionError",
    "Outcome",
    "OutputError",
    "Progress",
    "ReadOptions",
    "Recipe",
    "SourceOptions",
    "Step",
    "StreamNotice",
    "StreamOptions",
    "StreamStatus",
    "StreamSummary",
    "Style",
    "StyleEntry",
    "StyleError",
    "StyleInfo",
    "Summary",
    "TemporalMemory",
    "TemporalOptions",
    "TrainingError",
    "VideoInfo",
    "VideoOptions",
    "VideoReader",
    "VideoWriter",
    "VidstyleError",
    "WeightsError",
    "WriteOptions",
    "available_styles",
    "export_style",
    "find_recipe",
    "load_style",
    "open_live",
    "optimize_video",
    "reconstruct",
    "stream",
    "stylize_frames",
    "stylize_video",
    "stylize_videos",
    "synthesize_texture",
]
__version__: str
