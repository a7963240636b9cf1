"""A video that names other files or URLs does not get them opened."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

import av
import pytest

from tests.clips import Sound, write_clip
from vidstyle.errors import InputError, VidstyleError
from vidstyle.evaluate.audio import read_sound
from vidstyle.live.source import open_live
from vidstyle.options import SourceOptions
from vidstyle.video import VideoReader


class Server(ThreadingHTTPServer):
    """Offers the files of a folder, and remembers what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                content = (folder / self.path.strip("/")).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class Witness:
    """A file that knows whether it has been opened: a FIFO, whose writer waits for a reader."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        self.path.open("wb").close()  # returns when someone else opens it for reading

    @property
    def opened(self) -> bool:
        self._thread.join(0.2)
        return not self._thread.is_alive()

    def close(self) -> None:
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self._thread.join()
        os.close(reader)


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Witness]:
    witness = Witness(tmp_path / "secret.ts")
    yield witness
    witness.close()


def hls(name: str) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{name}\n#EXT-X-ENDLIST\n"


def dash(name: str) -> str:
    return f"""<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"
 profiles="urn:mpeg:dash:profile:isoff-main:2011"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="0" bandwidth="1000"><BaseURL>{name}</BaseURL>
<SegmentList duration="1"><SegmentURL media="{name}"/></SegmentList>
</Representation></AdaptationSet></Period></MPD>
"""


def sdp(name: str) -> str:
    return (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"a=control:{name}\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )


PLAYLISTS: dict[str, Callable[[str], str]] = {
    "HLS": hls,
    "HLS after a byte order mark": lambda name: "\ufeff" + hls(name),
    "HLS master": lambda name: f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{name}\n",
    "HLS key": lambda name: hls("a.ts").replace(
        "#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{name}"\n#EXTINF'
    ),
    "HLS map": lambda name: hls("a.ts").replace("#EXTINF", f'#EXT-X-MAP:URI="{name}"\n#EXTINF'),
    "concat": lambda name: f"ffconcat version 1.0\nfile '{name}'\n",
    "DASH": dash,
    "SDP": sdp,
    "vobsub": lambda name: f"# VobSub index file, v7\nid: {name}, index: 0\n",
    "SAMI": lambda name: f"<SAMI><BODY><SYNC Start=0>{name}</SYNC></BODY></SAMI>\n",
    "IMF": lambda name: f"<?xml version='1.0'?><CompositionPlaylist>{name}</CompositionPlaylist>",
    "SVG": lambda name: (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'><image href='{name}'/></svg>"
    ),
}


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ts", ".mpd", ".idx"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_what_a_local_playlist_names_is_not_opened(
    tmp_path: Path, server: Server, secret: Witness, kind: str, suffix: str
) -> None:
    names = [f"{server.url}/seen.ts", secret.path.name, str(secret.path), f"file:{secret.path}"]
    for number, name in enumerate([*names, f"crypto+{server.url}/seen.ts", f"concat:{names[1]}"]):
        path = tmp_path / f"{number}{suffix}"
        path.write_text(PLAYLISTS[kind](name))
        with pytest.raises(InputError, match=r"playlist|not a video|format") as caught:
            VideoReader(path)
        assert str(caught.value).startswith(f"{path}: ")
        with pytest.raises(InputError):
            read_sound(path)
        with pytest.raises(InputError):
            open_live(str(path), SourceOptions(reconnect=0))
    assert server.asked == []
    assert not secret.opened


def test_the_witnesses_would_have_seen_it(tmp_path: Path, server: Server, secret: Witness) -> None:
    """FFmpeg without our options opens all of this, so that the tests above can fail."""
    write_clip(tmp_path / "seen.ts")
    path = tmp_path / "a.m3u8"
    path.write_text(hls(f"{server.url}/seen.ts"))
    with av.open(
        str(path), options={"allowed_extensions": "ALL", "protocol_whitelist": "file,http,tcp"}
    ):
        pass
    assert server.asked
    path.write_text(f"ffconcat version 1.0\nfile {secret.path.name}\n")
    with pytest.raises(av.FFmpegError):
        av.open(str(path))
    assert secret.opened


def test_a_pattern_does_not_stand_for_other_pictures(tmp_path: Path, secret: Witness) -> None:
    path = tmp_path / "a%d.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "a1.png").symlink_to(secret.path)
    with pytest.raises(InputError):
        VideoReader(path)
    assert not secret.opened


def references(kind: bytes, name: bytes) -> bytes:
    """A ``dref`` box that says that the samples are in another file."""
    if kind == b"url ":
        entry = struct.pack(">I4sI", 13 + len(name), kind, 0) + name + b"\0"
    else:
        # An alias record of Mac OS: volume, folder, and a path from the root as its item 18.
        record = bytearray(150)
        struct.pack_into(">4sHH", record, 0, bytes(4), 150, 2)
        item = struct.pack(">HH", 18, len(name)) + name + bytes(len(name) % 2)
        record += item + struct.pack(">HH", 0xFFFF, 0)
        struct.pack_into(">H", record, 4, len(record))
        entry = struct.pack(">I4sI", 12 + len(record), kind, 0) + bytes(record)
    return struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry


@pytest.mark.parametrize("kind", [b"url ", b"alis"])
@pytest.mark.parametrize("name", ["url", "path"])
def test_samples_in_another_file_are_not_fetched(
    tmp_path: Path, server: Server, secret: Witness, kind: bytes, name: str
) -> None:
    data = write_clip(
        tmp_path / "good.mov", container_options={"movflags": "faststart"}
    ).read_bytes()
    target = f"{server.url}/secret.ts" if name == "url" else str(secret.path)
    old = data.index(b"dref") - 4
    (length,) = struct.unpack_from(">I", data, old)
    box = references(kind, target.encode())
    changed = bytearray(data[:old] + box + data[old + length :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        place = changed.rindex(parent, 0, old) - 4
        (size,) = struct.unpack_from(">I", changed, place)
        struct.pack_into(">I", changed, place, size + len(box) - length)
    path = tmp_path / "refers.mov"
    path.write_bytes(changed)
    try:
        with VideoReader(path) as reader:
            for _ in reader:
                pass
    except VidstyleError:
        pass
    assert server.asked == []
    assert not secret.opened


def test_a_playlist_of_the_network_does_not_read_the_disk(
    tmp_path: Path, server: Server, secret: Witness
) -> None:
    names = [f"file://{secret.path}", str(secret.path), f"file:{secret.path}"]
    for number, name in enumerate([*names, f"concat:{secret.path}", f"crypto+file:{secret.path}"]):
        for kind in ("HLS", "HLS key", "HLS map", "concat", "DASH"):
            playlist = tmp_path / f"{number}-{kind.replace(' ', '-')}.m3u8"
            playlist.write_text(PLAYLISTS[kind](name))
            options = SourceOptions(reconnect=0, open_timeout=3, read_timeout=1)
            with pytest.raises(InputError):
                open_live(f"{server.url}/{playlist.name}", options)
            assert f"/{playlist.name}" in server.asked
    assert not secret.opened


def test_what_the_network_sends_in_pieces_is_still_played(tmp_path: Path, server: Server) -> None:
    write_clip(tmp_path / "piece.ts", sounds=[Sound()])
    (tmp_path / "all.m3u8").write_text(hls("piece.ts"))
    began = monotonic()
    with open_live(f"{server.url}/all.m3u8", SourceOptions(reconnect=0)) as live:
        assert len(list(live)) == 24
    assert "/piece.ts" in server.asked
    assert monotonic() - began < 60


def test_standard_input_is_no_playlist_either() -> None:
    from vidstyle.live.address import resolve

    options = resolve("-").options
    assert options["protocol_whitelist"] == "pipe"
    assert "hls" not in options["format_whitelist"].split(",")
