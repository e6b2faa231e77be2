"""An output lasts as long as its source: the last frame's hold, uneven times, fast animations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import SHARED_DIR, CommandResult, make_film, make_texture, run_ffmpeg
from job_rendering import Rendering
from PIL import Image, ImageSequence

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.core.frames import Frame
from dreamflow.jobs.listing import finish_job
from dreamflow.jobs.output_writer import write_video
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.records.embedded_settings import RECORD_VERSION_KEY, read_embedded_comment

FAULTS = SHARED_DIR / "faults"
HOLD_S = 2.0
SIZE = 48
RATE = Fraction(10)
FILMS = (
    *(("out.mp4", codec) for codec in ("h264", "h265", "av1", "vp9")),
    *(("out.mov", codec) for codec in ("h264", "h265", "prores")),
    *(("out.mkv", codec) for codec in ("h264", "h265", "ffv1")),
    *(("out.webm", codec) for codec in ("vp9", "av1")),
    *(("out.gif", "auto"), ("out.webp", "auto")),
)


def shown_length(path: Path) -> float:
    """Return the seconds that a film or an animated picture shows pictures, by its own times."""
    if path.suffix in (".gif", ".webp"):
        return sum(frame_delays(path)) / 1000
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if stream.duration:
            return float(stream.duration * (stream.time_base or 0))
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")  # Matroska's statistics
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def frame_delays(path: Path) -> list[int]:
    """Return the milliseconds that each frame of an animated picture is shown, by Pillow."""
    return [delay for delay, _ in read_animation(path)]


def read_animation(path: Path) -> list[tuple[int, np.ndarray]]:
    """Return each frame's milliseconds and picture, by Pillow."""
    with Image.open(path) as image:
        pictures = ((f, np.asarray(f.convert("RGB"))) for f in ImageSequence.Iterator(image))
        return [(frame.info["duration"], picture) for frame, picture in pictures]


def write_times(out: Path, times: list[float], length: float, codec: str = "auto") -> Path:
    """Write frames that are shown at these times, over a length."""
    starts = [Fraction(time).limit_denominator(100_000) for time in times]
    end = Fraction(length).limit_denominator(100_000)
    spec = OutputSpec(SIZE, SIZE, len(times) / end, len(times), end, constant_rate=False)
    frames = [Frame(n, t, make_texture(SIZE, SIZE, n)) for n, t in enumerate(starts)]
    write_video(out, frames, spec, codec=codec)
    return out


@pytest.fixture(scope="module")
def held_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames at 10 a second, of which the last one is shown for HOLD_S, with a tone."""
    folder = tmp_path_factory.mktemp("held")
    film = make_film(folder / "plain.mp4", frames=10, rate="10", options=("-bf", "0"))
    hold = f"setts=pts=PTS:dts=DTS:duration=if(eq(N\\,9)\\,{HOLD_S}/TB\\,DURATION)"
    run_ffmpeg(
        *("-i", film, "-f", "lavfi", "-i", f"sine=duration={0.9 + HOLD_S}", "-c:v", "copy"),
        *("-bsf:v", hold, "-c:a", "aac", folder / "held.mp4"),
    )
    assert shown_length(folder / "held.mp4") == pytest.approx(0.9 + HOLD_S)
    return folder / "held.mp4"


@pytest.mark.parametrize(("name", "codec"), FILMS)
@pytest.mark.filterwarnings("ignore:.*(has no sound|cannot hold aac|more than 8 bits)")
def test_the_last_frame_is_held_as_long_as_in_the_source(
    tmp_path: Path, held_film: Path, name: str, codec: str
) -> None:
    clip, out = open_clip(held_film), tmp_path / name
    assert write_video(out, clip, clip, codec=codec) == 10
    assert shown_length(out) == pytest.approx(0.9 + HOLD_S, abs=0.02)
    copy = open_clip(out)
    assert len(copy) == 10, "nothing is missing"
    assert float(copy.length) == pytest.approx(0.9 + HOLD_S, abs=0.02)
    if copy.info.sound_codecs:
        with av.open(str(out)) as container:
            assert (container.duration or 0) / 1e6 == pytest.approx(0.9 + HOLD_S, abs=0.05)


@pytest.mark.clips
@pytest.mark.parametrize(
    ("source", "length"),
    [("pause.gif", 2.9), ("pause.webp", 2.9), ("lastlong.mp4", 4), ("one_picture_song.mp4", 5)],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
@pytest.mark.filterwarnings("ignore:.*has no sound")
def test_given_films_with_a_held_frame_keep_their_length(
    tmp_path: Path, source: str, length: float, suffix: str
) -> None:
    clip, out = open_clip(FAULTS / source, size=str(SIZE)), tmp_path / f"out{suffix}"
    write_video(out, clip, clip)
    assert shown_length(out) == pytest.approx(length, abs=0.02)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif", ".webp"])
def test_a_hold_after_uneven_times(tmp_path: Path, suffix: str) -> None:
    times = [0, 0.1, 0.35, 0.4, 1.0]
    assert shown_length(write_times(tmp_path / f"out{suffix}", times, 4)) == pytest.approx(4)


def test_a_hold_becomes_repeated_frames_where_the_rate_is_asked_for(
    tmp_path: Path, held_film: Path
) -> None:
    clip = open_clip(held_film, fps=5)
    write_video(tmp_path / "pictures", clip, clip)
    files = sorted((tmp_path / "pictures").glob("*.png"))
    assert len(files) == 15
    last = np.asarray(Image.open(files[-1]))
    assert all(np.array_equal(np.asarray(Image.open(file)), last) for file in files[5:])


def test_a_folder_of_pictures_that_loses_a_hold_or_uneven_times_says_so(
    tmp_path: Path, held_film: Path
) -> None:
    clip = open_clip(held_film)
    with pytest.warns(DreamFlowWarning):
        write_video(tmp_path / "held", clip, clip)
    with pytest.warns(DreamFlowWarning):
        write_times(tmp_path / "uneven", [0, 0.1, 0.5], 0.6)
    plain = open_clip(held_film, end="5")
    write_video(tmp_path / "plain", plain, plain)


def test_a_resumed_render_keeps_the_hold(
    tmp_path: Path, held_film: Path, render: Rendering
) -> None:
    whole = render("whole.mp4", source=held_film)
    render.interrupt("resumed.mp4", at=7, source=held_film)
    resumed = render("resumed.mp4", source=held_film)
    assert shown_length(whole) == shown_length(resumed) == pytest.approx(0.9 + HOLD_S)


# --- parts of films with uneven times


@pytest.fixture(scope="module")
def uneven_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 30 frames a second, then two at 10."""
    times = [*(n / 30 for n in range(60)), *(2 + n / 10 for n in range(20))]
    return write_times(tmp_path_factory.mktemp("uneven") / "in.mp4", times, 4)


def test_a_part_is_reported_as_long_as_it_is(
    tmp_path: Path, uneven_film: Path, cli: Callable[..., CommandResult]
) -> None:
    out = tmp_path / "out.mp4"
    still = ("--iterations", "0", "--no-carry", "--size", "32", "--threads", "1")
    result = cli("video", uneven_film, out, "--end", "3s", *still)
    assert result.code == 0, result.err
    reported = re.search(r"(\d+\.\d+) s of", result.out)
    assert reported
    assert float(reported[1]) == pytest.approx(shown_length(out), abs=0.01) == 3


def test_an_unfinished_film_lasts_as_long_as_its_frames(tmp_path: Path, uneven_film: Path) -> None:
    clip = open_clip(uneven_film)

    def stop_after_70() -> Iterator[Frame]:
        yield from islice(clip, 70)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_video(tmp_path / "out.mp4", stop_after_70(), clip)
    out = tmp_path / "out.mp4"
    finish_job(job_folder_path(out))
    assert len(open_clip(out)) == 70
    assert shown_length(out) == pytest.approx(float(clip.info.frame_time(69) + 1 / clip.rate))


# --- animated pictures that browsers play at their pace

SHORTEST_DELAY_MS = {".gif": 20, ".webp": 11}
"""Browsers show a frame of 10 ms or less for 100 ms; a GIF counts in 10 ms."""


def fast_clip(folder: Path, fps: int, frames: int) -> Clip:
    return open_clip(make_film(folder / "fast.mp4", frames=frames, rate=str(fps), size="32x32"))


@pytest.mark.parametrize("fps", [50, 60, 90, 120, 240])
@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_no_frame_of_an_animated_picture_is_shorter_than_browsers_keep(
    tmp_path: Path, suffix: str, fps: int
) -> None:
    clip, out = fast_clip(tmp_path, fps, fps // 2), tmp_path / f"out{suffix}"
    shortest = SHORTEST_DELAY_MS[suffix]
    if fps * shortest > 1000:
        with pytest.warns(DreamFlowWarning) as said:
            write_video(out, clip, clip)
        assert len(said) == 1
    else:
        write_video(out, clip, clip)
    delays = frame_delays(out)
    assert min(delays) >= shortest
    assert sum(delays) == pytest.approx(500, abs=shortest)
    assert max(delays) - min(delays) <= shortest, "evenly dropped"


@pytest.mark.clips
def test_sixty_frames_a_second_become_fifty_in_a_gif(tmp_path: Path) -> None:
    clip = open_clip(FAULTS / "fps60.mp4", size=str(SIZE))
    with pytest.warns(DreamFlowWarning):
        write_video(tmp_path / "out.gif", clip, clip)
    assert frame_delays(tmp_path / "out.gif") == [20] * 100


def test_frames_of_a_fast_animation_stay_at_their_times(tmp_path: Path) -> None:
    """A grey ramp: at each time the level is that of the source, one frame apart at most."""
    fps, count = 60, 60
    spec = OutputSpec.at_constant_rate(16, 16, Fraction(fps), count)
    pictures = (np.full((16, 16, 3), 4 * n, np.uint8) for n in range(count))
    frames = (Frame(n, Fraction(n, fps), picture) for n, picture in enumerate(pictures))
    with pytest.warns(DreamFlowWarning):
        write_video(tmp_path / "out.gif", frames, spec)
    begin = 0
    for delay, picture in read_animation(tmp_path / "out.gif"):
        assert picture.mean() == pytest.approx(4 * begin / 1000 * fps, abs=4.5)
        begin += delay
    assert begin == 1000


def test_uneven_times_that_come_too_soon_for_a_gif(tmp_path: Path) -> None:
    times = [0, 0.1, 0.105, 0.11, 0.2, 0.203, 0.3]
    with pytest.warns(DreamFlowWarning):
        write_times(tmp_path / "out.gif", times, 0.4)
    delays = frame_delays(tmp_path / "out.gif")
    assert min(delays) >= 20
    assert sum(delays) == 400


def test_an_animated_picture_of_one_frame_keeps_its_record(tmp_path: Path) -> None:
    spec = OutputSpec.at_constant_rate(16, 20, Fraction(1), 1)
    frame = Frame(0, Fraction(0), make_texture(20, 16))
    for suffix in (".gif", ".webp"):
        out = tmp_path / f"out{suffix}"
        write_video(out, [frame], spec, record={RECORD_VERSION_KEY: "1"})
        assert RECORD_VERSION_KEY in read_embedded_comment(out)
        with Image.open(out) as image:
            assert image.convert("RGB").size == (16, 20)
