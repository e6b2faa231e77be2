"""The studio's timeline: thumbnails, shots and the small film that plays."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE_S, make_film, make_texture, run_ffmpeg

from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.sound.analysis import analyse_sound
from dreamflow.media.sound.spectrum import VALUES_PER_S
from dreamflow.media.stills.read import read_picture_size
from dreamflow.media.stills.write import write_picture
from dreamflow.studio.strip.document import read_strip
from dreamflow.studio.strip.keeper import StripKeeper


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots of 12 frames each."""
    tmp_path = tmp_path_factory.mktemp("strip")
    make_film(tmp_path / "first.mp4", frames=12, size="128x96")
    write_picture(tmp_path / "other.png", make_texture(96, 128, seed=3))
    still = ("-loop", "1", "-framerate", "24", "-t", "0.5", "-i", tmp_path / "other.png")
    run_ffmpeg(*still, "-pix_fmt", "yuv420p", tmp_path / "second.mp4")
    joined = "[0:v][1:v]concat=n=2:v=1[v]"
    inputs = ("-i", tmp_path / "first.mp4", "-i", tmp_path / "second.mp4")
    run_ffmpeg(*inputs, "-filter_complex", joined, "-map", "[v]", tmp_path / "film.mp4")
    return tmp_path / "film.mp4"


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_strip_has_shots_thumbnails_and_a_film_and_is_made_again_where_damaged(
    film: Path, tmp_path: Path
) -> None:
    told: list[int] = []
    keeper = StripKeeper(tmp_path / "strips", lambda: told.append(1))
    keeper.open(film)
    wait_until(lambda: keeper.strip.is_done)
    key, strip = keeper.key, keeper.strip
    assert strip.cuts == [12]
    assert strip.damage == []
    assert strip.frames == 24
    assert told
    small = keeper.find(key, "film.mp4")
    assert small is not None
    assert len(open_clip(small)) == 24
    for number in strip.thumbnails:
        picture = keeper.find(key, f"{number}.jpg")
        assert picture is not None
        assert read_picture_size(picture) == (128, 96)
    for name in ("strip.json", "../strip.json", "999.jpg", str(film)):
        assert keeper.find(key, name) is None
    assert keeper.find("../strips", "film.mp4") is None
    assert not strip.has_sound
    assert keeper.find(key, "sound.m4a") is None
    keeper.close()
    keeper.open(film)
    assert keeper.strip == strip, "what is there is not made again"
    keeper.close()
    (tmp_path / "strips" / key / "strip.json").write_text('{"frames": "many"}')  # it is damaged
    keeper.open(film)
    assert not keeper.strip.is_done
    wait_until(lambda: keeper.strip.is_done)
    assert keeper.strip == strip
    keeper.close()


def test_a_strip_is_made_without_pytorch(film: Path, tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from dreamflow.studio.strip.make import make_strip\n"
        "make_strip(*sys.argv[1:])\n"
    )
    subprocess.run([sys.executable, "-c", script, film, tmp_path], check=True)
    strip = read_strip(tmp_path)
    assert strip is not None
    assert strip.is_done
    assert strip.cuts == [12]


def test_the_sound_begins_with_the_first_frame(film: Path, tmp_path: Path) -> None:
    # A click half a second after the first frame, whose sound begins a quarter of a second before.
    samples = np.zeros(44100)
    samples[33075 : 33075 + 900] = 0.9 * np.sin(np.arange(900) * 2 * np.pi * 440 / 44100)
    raw = tmp_path / "click.s16"
    raw.write_bytes((samples * 32767).astype("<i2").tobytes())
    sound = ("-f", "s16le", "-ar", "44100", "-ac", "1", "-i", raw)
    late = tmp_path / "late.mkv"
    run_ffmpeg("-itsoffset", "0.25", "-i", film, *sound, "-c:v", "copy", "-c:a", "pcm_s16le", late)
    keeper = StripKeeper(tmp_path / "strips", lambda: None)
    keeper.open(late)
    wait_until(lambda: keeper.strip.is_done)
    assert keeper.strip.has_sound
    small = keeper.find(keeper.key, "sound.m4a")
    assert small is not None
    levels = analyse_sound(small).peaks
    assert np.argmax(levels) / VALUES_PER_S == pytest.approx(0.5, abs=0.06)
    keeper.close()


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("no film")
    keeper = StripKeeper(tmp_path / "strips", lambda: None)
    keeper.open(tmp_path / "film.mp4")
    wait_until(lambda: bool(keeper.strip.failure))
    assert not keeper.strip.is_done
    keeper.close()


def test_damage_that_only_decoding_finds_is_said(film: Path, tmp_path: Path) -> None:
    content = bytearray(film.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xff" * 2000
    (tmp_path / "damaged.mp4").write_bytes(content)
    keeper = StripKeeper(tmp_path / "strips", lambda: None)
    keeper.open(tmp_path / "damaged.mp4")
    wait_until(lambda: keeper.strip.is_done)
    assert keeper.strip.damage
    keeper.close()
