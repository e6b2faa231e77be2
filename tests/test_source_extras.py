"""Tags, time code, fonts and covers go with the picture, or a line says that they do not."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition
from conftest import SHARED_DIR, make_film, make_texture, run_ffmpeg
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.jobs.output_writer import open_writer, write_video
from dreamflow.media.options import ClipOptions
from dreamflow.media.output_spec import Chapter, OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.records.embedded_settings import RECORD_VERSION_KEY, read_record, sidecar_path
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.media.timecode_track import shift_timecode
from dreamflow.media.write.tracks.extras import list_lost_extras

RECORD = {RECORD_VERSION_KEY: "1.2.3", "settings": {"layer": ["conv2/3x3"]}}
LONG_RECORD = {
    RECORD_VERSION_KEY: "1.2.3",
    "settings": {"step": ", ".join(f"{frame}: {1 + frame % 7 / 8}" for frame in range(30_000))},
}
"""Settings with 30,000 keyframes: longer than an argument of a command line can be."""
TAGS = {
    "title": "A = B; #1 \\ C",
    "artist": "Zoë",
    "date": "2020-01-02",
    "creation_time": "2020-01-02T03:04:05.000000Z",
    "copyright": "line one\nline two",
    "genre": "Test",
    "location": "+48.1000+011.5000/",
    "timecode": "01:00:00:00",
}


def read_tags(path: Path) -> dict[str, str]:
    """Return a film's tags by lower-case name, its first track's time code among them."""
    with av.open(str(path)) as container:
        tags = {name.lower(): text for name, text in container.metadata.items()}
        return {**container.streams.video[0].metadata, **tags}


@pytest.fixture(scope="module")
def tagged_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tagged")
    film = make_film(folder / "plain.mp4", frames=48, rate="24")
    words = [word for name, text in TAGS.items() for word in ("-metadata", f"{name}={text}")]
    run_ffmpeg("-i", film, "-c", "copy", *words, folder / "tagged.mkv")
    return folder / "tagged.mkv"


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm"])
def test_tags_are_kept_beside_the_settings(tmp_path: Path, tagged_film: Path, suffix: str) -> None:
    clip, out = open_clip(tagged_film, end="4"), tmp_path / f"out{suffix}"
    write_video(out, clip, clip, record=RECORD)
    tags = read_tags(out)
    assert {name: tags.get(name) for name in TAGS} == TAGS
    sidecar_path(out).unlink()
    assert read_record(out) == RECORD


@pytest.mark.parametrize("suffix", [".gif", ".webp", ""])
def test_what_is_lost_is_said_in_one_line(tmp_path: Path, tagged_film: Path, suffix: str) -> None:
    clip = open_clip(tagged_film, end="4")
    with pytest.warns(DreamFlowWarning) as said:
        write_video(tmp_path / f"out{suffix}", clip, clip)
    assert len(said) == 1
    text = str(said[0].message)
    assert all(name.replace("_", " ") in text for name in TAGS if name != "timecode")
    assert TAGS["timecode"] in text


def test_a_comment_of_the_source_becomes_its_description(tmp_path: Path) -> None:
    film = make_film(tmp_path / "plain.mp4", frames=2)
    run_ffmpeg("-i", film, "-c", "copy", "-metadata", "comment=by hand", tmp_path / "in.mp4")
    for name in ("out.mp4", "out.mov", "out.mkv"):
        clip = open_clip(tmp_path / "in.mp4")
        write_video(tmp_path / name, clip, clip, record=RECORD)
        assert read_tags(tmp_path / name)["description"] == "by hand"
        again = open_clip(tmp_path / name)
        write_video(tmp_path / f"again_{name}", again, again, record=RECORD)
        tags = read_tags(tmp_path / f"again_{name}")
        assert tags["description"] == "by hand", "the settings of the first dream are not kept"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".gif", ".webp", ""])
def test_settings_longer_than_a_command_line_are_embedded(tmp_path: Path, suffix: str) -> None:
    assert len(json.dumps(LONG_RECORD)) > 256 * 1024
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=3))
    out = tmp_path / f"out{suffix}"
    write_video(out, clip, clip, record=LONG_RECORD)
    if suffix:
        sidecar_path(out).unlink()
    assert read_record(out) == LONG_RECORD


def test_settings_that_no_film_can_hold_are_refused_before_the_first_frame(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=2))
    record = RECORD | {"settings": {"step": "0: 1, " * 3_000_000}}
    with pytest.raises(SettingsError):
        open_writer(tmp_path / "out.mkv", clip.output_spec, record=record)
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4"}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_picture_with_settings_that_are_too_long_says_so(tmp_path: Path, suffix: str) -> None:
    path, comment = tmp_path / f"out{suffix}", json.dumps(LONG_RECORD)
    if suffix == ".jpg":
        with pytest.warns(DreamFlowWarning):
            write_picture(path, make_texture(8, 8), comment)
    else:
        write_picture(path, make_texture(8, 8), comment)
        assert read_record(path) == LONG_RECORD
    assert read_picture(path).shape == (8, 8, 3)


# --- attached files, covers and other tracks


def attached_names(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [s.metadata["filename"] for s in container.streams if s.type == "attachment"]


def count_covers(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(bool(s.disposition & Disposition.attached_pic) for s in container.streams)


@pytest.fixture
def film_with_fonts(tmp_path: Path) -> Path:
    """A film with two attached files, and neither sound nor subtitles."""
    film = make_film(tmp_path / "plain.mp4", frames=4)
    for name in ("one.ttf", "two.otf"):
        (tmp_path / name).write_bytes(b"a font")
    words = ("-attach", tmp_path / "one.ttf", "-attach", tmp_path / "two.otf", "-metadata:s:t")
    run_ffmpeg("-i", film, "-c", "copy", *words, "mimetype=font/ttf", tmp_path / "in.mkv")
    return tmp_path / "in.mkv"


def test_attached_files_go_into_matroska(tmp_path: Path, film_with_fonts: Path) -> None:
    clip = open_clip(film_with_fonts, start="1")
    write_video(tmp_path / "out.mkv", clip, clip)
    assert attached_names(tmp_path / "out.mkv") == ["one.ttf", "two.otf"]
    assert len(list(open_clip(tmp_path / "out.mkv"))) == 3


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".gif", ""])
def test_attached_files_that_are_lost_are_named(
    tmp_path: Path, film_with_fonts: Path, suffix: str
) -> None:
    clip = open_clip(film_with_fonts)
    with pytest.warns(DreamFlowWarning, match=r"one\.ttf, two\.otf"):
        write_video(tmp_path / f"out{suffix}", clip, clip)


@pytest.mark.clips
def test_the_given_film_with_a_font(tmp_path: Path) -> None:
    clip = open_clip(SHARED_DIR / "faults" / "attach.mkv", size="64")
    write_video(tmp_path / "out.mkv", clip, clip, record=RECORD)
    assert attached_names(tmp_path / "out.mkv") == ["LiberationSans-BoldItalic.ttf"]
    tags = read_tags(tmp_path / "out.mkv")
    assert (tags["title"], tags["timecode"]) == ("My film", "01:02:03:04")
    with pytest.warns(DreamFlowWarning, match="LiberationSans"):
        write_video(tmp_path / "out.mp4", clip, clip, record=RECORD)
    tags = read_tags(tmp_path / "out.mp4")
    assert (tags["title"], tags["timecode"]) == ("My film", "01:02:03:04")


def test_a_cover_is_kept_in_mp4_and_missed_elsewhere(tmp_path: Path) -> None:
    film = make_film(tmp_path / "plain.mp4", frames=6, sound=True)
    run_ffmpeg("-i", film, "-frames:v", "1", tmp_path / "cover.png")
    run_ffmpeg(
        *("-i", film, "-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c", "copy"),
        *("-disposition:v:1", "attached_pic", tmp_path / "in.mp4"),
    )
    clip = open_clip(tmp_path / "in.mp4", start="2")
    write_video(tmp_path / "out.mp4", clip, clip)
    assert count_covers(tmp_path / "out.mp4") == 1
    assert len(list(open_clip(tmp_path / "out.mp4"))) == 4
    for name in ("out.mov", "out.mkv"):
        with pytest.warns(DreamFlowWarning):
            write_video(tmp_path / name, clip, clip)
        with av.open(str(tmp_path / name)) as container:
            assert len(container.streams.video) == 1


def test_a_second_film_track_is_missed(tmp_path: Path) -> None:
    films = [make_film(tmp_path / f"{n}.mp4", frames=4, size=f"{n}x{n}") for n in (64, 32)]
    run_ffmpeg(
        *("-i", films[0], "-i", films[1], "-map", "0", "-map", "1", "-c", "copy"),
        tmp_path / "in.mkv",
    )
    clip = open_clip(tmp_path / "in.mkv")
    with pytest.warns(DreamFlowWarning):
        write_video(tmp_path / "out.mkv", clip, clip)


def test_chapters_that_a_format_lacks_are_missed(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=4))
    chapters = (Chapter(Fraction(0), Fraction(1), "Dawn"),)
    spec = replace(clip.output_spec, chapters=chapters)
    for name in ("out.gif", "out.webp", "out"):
        with pytest.warns(DreamFlowWarning):
            write_video(tmp_path / name, clip, spec)


def test_a_plain_film_loses_nothing(tmp_path: Path) -> None:
    """Brands, encoders and the like are the file's own: nobody misses them."""
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("out.mp4", "out.mkv", "out.gif", "out"):
            write_video(tmp_path / name, clip, clip)


# --- time codes


def film_with_timecode(folder: Path, rate: str, timecode: str) -> Path:
    film = make_film(folder / "plain.mp4", frames=40, rate=rate)
    run_ffmpeg("-i", film, "-c", "copy", "-timecode", timecode, folder / "in.mov")
    return folder / "in.mov"


@pytest.mark.parametrize(
    ("rate", "timecode", "start", "every", "expected"),
    [
        ("25", "10:00:00:00", "0", 1, "10:00:00:00"),
        ("25", "10:00:00:20", "10", 1, "10:00:01:05"),
        ("24", "23:59:59:20", "4", 1, "00:00:00:00"),
        ("30000/1001", "01:00:59;28", "2", 1, "01:01:00;02"),
        ("30000/1001", "01:09:59;28", "2", 1, "01:10:00;00"),
        ("60000/1001", "00:00:59;58", "2", 1, "00:01:00;04"),
        ("24", "01:00:00:12", "12", 2, "01:00:01:00"),
    ],
)
def test_the_time_code_is_that_of_the_first_frame_taken(
    tmp_path: Path, rate: str, timecode: str, start: str, every: int, expected: str
) -> None:
    clip = open_clip(film_with_timecode(tmp_path, rate, timecode), start=start, every=every)
    for name in ("out.mov", "out.mkv"):
        write_video(tmp_path / name, clip, clip)
        assert read_tags(tmp_path / name)["timecode"] == expected


@given(
    st.integers(0, 24 * 3600 * 24 - 1),
    st.integers(0, 3600 * 30),
    st.sampled_from([Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60)]),
)
def test_shifting_a_time_code_twice_is_shifting_it_once(
    start: int, frames: int, rate: Fraction
) -> None:
    once = shift_timecode("00:00:00:00", rate, (start + frames) / rate)
    first = shift_timecode("00:00:00:00", rate, start / rate)
    assert shift_timecode(first, rate, frames / rate) == once


@given(st.integers(0, 24 * 3600 * 30))
def test_drop_frame_time_code_keeps_to_the_clock(frames: int) -> None:
    """It is never more than 0.2 s off the time that has passed."""
    rate = Fraction(30000, 1001)
    code = shift_timecode("00:00:00;00", rate, frames / rate)
    hours, minutes, seconds, frame = map(int, code.replace(";", ":").split(":"))
    shown = 3600 * hours + 60 * minutes + seconds + frame / 30
    passed = float(frames / rate) % (24 * 3600)
    assert min(abs(shown - passed), abs(24 * 3600 - abs(shown - passed))) < 0.2


@pytest.mark.parametrize("text", ["", "noon", "1:2:3", "01:02:03:04:05"])
def test_what_is_no_time_code_is_not_kept(text: str) -> None:
    assert shift_timecode(text, Fraction(25), Fraction(1)) == ""


def test_an_output_spec_keeps_its_extras_in_a_job(tagged_film: Path) -> None:
    spec = open_clip(tagged_film).output_spec
    assert spec.extras
    assert OutputSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    older = {name: value for name, value in spec.to_dict().items() if name != "extras"}
    assert OutputSpec.from_dict(older).extras is None


def test_a_folder_of_pictures_has_no_extras(tmp_path: Path) -> None:
    film = make_film(tmp_path / "in.mp4", frames=2)
    (tmp_path / "pictures").mkdir()
    run_ffmpeg("-i", film, tmp_path / "pictures" / "%d.png")
    assert Clip(tmp_path / "pictures").output_spec.extras is None


@pytest.mark.clips
def test_an_animated_picture_with_transparency_has_no_other_film(tmp_path: Path) -> None:
    with pytest.warns(DreamFlowWarning):
        clip = Clip(SHARED_DIR / "faults" / "anim_exif.avif", ClipOptions())
    assert list_lost_extras(".mp4", clip.output_spec) == []
