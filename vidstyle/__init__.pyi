from .batch import (
    BatchSummary,
    FileProgress,
    Outcome,
    stylize_videos,
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
    StreamNotice,
    StreamStatus,
    StreamSummary,
    open_live,
    stream,
)
from .options import (
    ClipOptions,
    ExportOptions,
    FastOptions,
    FrameOptions,
    LearnOptions,
    OptimizeOptions,
    PhotorealismOptions,
    ReadOptions,
    SourceOptions,
    StreamOptions,
    TemporalOptions,
    VideoOptions,
    WriteOptions,
)
from .pipeline.frames import (
    stylize_frames,
)
from .pipeline.optimized import (
    optimize_video,
)
from .pipeline.photorealistic import (
    photorealistic_video,
)
from .pipeline.summary import (
    Progress,
    Summary,
)
from .pipeline.video import (
    stylize_video,
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
    FastStylizer,
    Losses,
    OptimizeStylizer,
    Photorealism,
    Recipe,
    Step,
    find_recipe,
    reconstruct,
    synthesize_texture,
)
from .temporal.consistency import (
    TemporalMemory,
)
from .temporal.motion import (
    Motion,
    MotionTracker,
)
from .train.painting import (
    PaintingLearner,
)
from .video import (
    VideoReader,
    VideoWriter,
    plan_output,
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
    "LearnOptions",
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
    "PaintingLearner",
    "Photorealism",
    "PhotorealismOptions",
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
    "photorealistic_video",
    "plan_output",
    "reconstruct",
    "stream",
    "stylize_frames",
    "stylize_video",
    "stylize_videos",
    "synthesize_texture",
]
__version__: str
