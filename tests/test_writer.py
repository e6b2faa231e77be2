"""What is written plays, with the right colours, times and sound, and is whole or not there."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import SAMPLE_CLIP, decode_with_ffmpeg, make_film, make_texture, psnr, run_ffmpeg

from dreamflow.core.errors import DreamFlowWarning, MediaError, OutputError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.interrupts import defer_interrupt
from dreamflow.jobs.listing import finish_job, inspect_job
from dreamflow.jobs.output_writer import open_writer, write_video
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.options import EncodeOptions
from dreamflow.media.read.clip import Clip, open_clip
from dreamflow.media.read.probe import probe_video
from dreamflow.media.stills import write_picture
from dreamflow.media.write import assemble
from dreamflow.media.write import segments as reel
from dreamflow.media.write.ffmpeg import FfmpegFramePipe
from dreamflow.media.write.metadata import RECORD_VERSION_KEY, read_record, sidecar_path

RECORD = {
    RECORD_VERSION_KEY: "1.2.3",
    "settings": {"layer": ["conv2/3x3"], "note": 'ünïcode, "quotes"=;#'},
}


def copied(clip: Clip, out: Path, crf: int = 12) -> list[np.ndarray]:
    """Write a clip as it is, and return the frames that come back."""
    with open_writer(out, clip.output_spec, encode=EncodeOptions(crf=crf), record=RECORD) as writer:
        for frame in clip:
            writer.write(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)
        return [frame.picture for frame in open_clip(out)]


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif", ""])
def test_every_format_comes_back(tmp_path: Path, suffix: str) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=10, size="96x64"))
    out = tmp_path / f"out{suffix}"
    back = copied(clip, out)
    sources = [frame.picture for frame in clip]
    assert len(back) == 10
    bound = {".gif": 24, "": 1000}.get(suffix, 30)
    assert min(psnr(a, b) for a, b in zip(back, sources, strict=True)) > bound
    assert read_record(out) == RECORD
    assert json.loads(sidecar_path(out).read_text(encoding="utf-8")) == RECORD
    sidecar_path(out).unlink()
    if suffix:
        assert read_record(out) == RECORD, "the settings are inside the file too"
    leftovers = {p.name for p in tmp_path.iterdir()} - {"in.mp4", out.name}
    assert not leftovers


@pytest.mark.parametrize("rate", ["24", "30000/1001", "24000/1001", "12", "60"])
def test_rate_and_length_are_exact(tmp_path: Path, rate: str) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=20, rate=rate))
    copied(clip, tmp_path / "out.mp4")
    info = probe_video(tmp_path / "out.mp4")
    assert info.rate == clip.rate == Fraction(rate)
    assert len(info.timestamps) == 20 and info.start_offset == 0


def test_uneven_times_survive(tmp_path: Path) -> None:
    even = make_film(tmp_path / "even.mp4", frames=24)
    uneven = tmp_path / "uneven.mp4"
    run_ffmpeg(
        *("-i", even, "-vf", "select='not(eq(mod(n,5),1))'", "-fps_mode", "passthrough"),
        *("-enc_time_base", "1/24", uneven),
    )
    clip = open_clip(uneven)
    copied(clip, tmp_path / "out.mp4")
    times = [frame.time for frame in clip]
    again = [frame.time for frame in open_clip(tmp_path / "out.mp4")]
    assert len(times) == len(again)
    assert max(abs(float(a - b)) for a, b in zip(times, again, strict=True)) < 1e-3


TAGGED = {
    # Colour matrix, range, and the size that players take it for where it is not tagged.
    "bt709": ("bt709", "tv", "640x360", True),
    "bt601": ("smpte170m", "tv", "640x360", True),
    "bt709 full": ("bt709", "pc", "640x360", True),
    "bt601 full": ("smpte170m", "pc", "640x360", True),
    "untagged HD is bt709": ("bt709", "tv", "1280x720", False),
    "untagged SD is bt601": ("smpte170m", "tv", "640x360", False),
}


@pytest.mark.parametrize("kind", TAGGED)
def test_colours_come_back(tmp_path: Path, kind: str) -> None:
    """A render with 0 iterations gives the source's colours: 38 dB at CRF 12, mean within 1."""
    import cv2

    matrix, span, size, tagged = TAGGED[kind]
    width, height = map(int, size.split("x"))
    # Chroma is halved in 4:2:0: a smooth picture shows the colours' error and not that loss.
    picture = cv2.GaussianBlur(make_texture(height, width), (0, 0), 6)
    cv2.imwrite(str(tmp_path / "p.png"), picture[..., ::-1])
    tags = f",setparams=colorspace={matrix}:range={span}" if tagged else ""
    run_ffmpeg(
        *("-loop", "1", "-i", tmp_path / "p.png", "-frames:v", "3", "-crf", "4", "-vf"),
        f"scale=out_color_matrix={matrix}:out_range={span},format=yuv420p{tags}",
        tmp_path / "in.mp4",
    )
    if not tagged:
        strip = "h264_metadata=matrix_coefficients=2:colour_primaries=2:transfer_characteristics=2"
        run_ffmpeg("-i", tmp_path / "in.mp4", "-c", "copy", "-bsf:v", strip, tmp_path / "bare.mp4")
        (tmp_path / "bare.mp4").replace(tmp_path / "in.mp4")
    clip = open_clip(tmp_path / "in.mp4")
    seen = next(iter(clip)).picture
    assert np.abs(seen.astype(int) - picture).mean() < 1.5, "the source is decoded right"
    back = copied(clip, tmp_path / "out.mp4")[0]
    assert psnr(back, seen) >= 38
    assert np.abs((back.astype(float) - seen).mean(axis=(0, 1))).max() < 1
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1


def sound_of(path: Path) -> tuple[str, float, float]:
    """Return the codec of a film's sound, its start after the picture's, and its length, in s."""
    with av.open(str(path)) as container:
        audio, video = container.streams.audio[0], container.streams.video[0]
        times: dict[int, list[float]] = {audio.index: [], video.index: []}
        for packet in container.demux(audio, video):
            if packet.size and packet.pts is not None and not packet.is_discard:
                times[packet.stream.index].append(float(packet.pts * packet.time_base))
        sound, picture = times[audio.index], times[video.index]
        return audio.codec_context.name, min(sound) - min(picture), max(sound) - min(picture)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_is_copied_in_sync(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    copied(open_clip(SAMPLE_CLIP, size="64"), out)
    assert sound_of(out)[0] == "aac"
    for mine, theirs in zip(sound_of(out)[1:], sound_of(SAMPLE_CLIP)[1:], strict=True):
        assert mine == pytest.approx(theirs, abs=0.025)


def samples_of(path: Path, rate: int = 8000) -> np.ndarray:
    """Return a film's sound, float32 mono, from the moment its first frame is shown."""
    with av.open(str(path)) as film:
        first = next(film.decode(video=0)).time or 0.0
    found = np.zeros(0, np.float32)
    with av.open(str(path)) as film:
        for frame in film.decode(audio=0):
            for part in av.AudioResampler("flt", "mono", rate).resample(frame):
                at = round(((frame.time or 0.0) - first) * rate)
                heard = part.to_ndarray()[0][max(0, -at) :]
                at = max(0, at)
                found = np.pad(found, (0, max(0, at + len(heard) - len(found))))
                found[at : at + len(heard)] = heard
    return found


@pytest.mark.parametrize("start", ["0", "1.3s", "31", "2.77s"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.filterwarnings("ignore:.*cannot hold")
def test_sound_is_where_it_was_by_cross_correlation(
    tmp_path: Path, suffix: str, start: str
) -> None:
    """Less than a frame from where the source has it, with a part left out before it."""
    film, rate = tmp_path / "in.mp4", 8000
    noise = "anoisesrc=seed=3:sample_rate=48000:amplitude=0.4:duration=5"
    video = make_film(tmp_path / "v.mp4", frames=120)
    run_ffmpeg("-i", video, "-f", "lavfi", "-i", noise, "-c:v", "copy", "-c:a", "aac", film)
    clip = open_clip(film, start=start, end="110")
    out = tmp_path / f"out{suffix}"
    copied(clip, out)
    source = samples_of(film)[round(float(clip.start_time) * rate) :]
    heard, length = samples_of(out), int(1.2 * rate)
    near = np.correlate(source[: length + rate], heard[rate // 2 : length], "valid")
    late_s = (rate // 2 - int(np.argmax(near))) / rate
    assert abs(late_s) < 1 / 24, late_s


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_of_a_span_stays_with_it(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    copied(open_clip(SAMPLE_CLIP, size="64", start="1s", end="3s"), out)
    _, start, end = sound_of(out)
    assert abs(start) < 0.03 and end == pytest.approx(2, abs=0.06)
    info = probe_video(out)
    assert info.start_offset == 0 and float(info.length) == pytest.approx(2)


def test_a_late_picture_stays_late(tmp_path: Path) -> None:
    film = make_film(tmp_path / "f.mp4", frames=12)
    late = tmp_path / "late.mkv"
    run_ffmpeg(
        *("-itsoffset", "0.3", "-i", film, "-f", "lavfi", "-i", "sine=duration=1", "-map", "0:v"),
        *("-map", "1:a", "-c:v", "copy", "-c:a", "aac", late),
    )
    copied(open_clip(late), tmp_path / "out.mp4")
    assert sound_of(tmp_path / "out.mp4")[1] == pytest.approx(sound_of(late)[1], abs=0.025)


def test_sound_that_does_not_fit_is_encoded_anew_and_said(tmp_path: Path) -> None:
    with pytest.warns(DreamFlowWarning, match="cannot hold aac"):
        copied(open_clip(SAMPLE_CLIP, size="64", end="12"), tmp_path / "out.webm")
    assert sound_of(tmp_path / "out.webm")[0] == "opus"
    with pytest.warns(DreamFlowWarning, match="no sound"):
        copied(open_clip(SAMPLE_CLIP, size="64", end="3"), tmp_path / "out.gif")


def test_odd_sides_are_filled_up_and_said(tmp_path: Path) -> None:
    film = tmp_path / "odd.mkv"
    make_film(tmp_path / "even.mp4", frames=3)
    run_ffmpeg("-i", tmp_path / "even.mp4", "-vf", "format=gbrp,crop=61:47", "-c:v", "ffv1", film)
    with pytest.warns(DreamFlowWarning, match="61x47 becomes 62x48"):
        back = copied(open_clip(film), tmp_path / "out.mp4")
    assert back[0].shape == (48, 62, 3)
    assert psnr(back[0][:47, :61], next(iter(open_clip(film))).picture) > 24
    assert copied(open_clip(film), tmp_path / "out.webm")[0].shape == (47, 61, 3)


def test_anamorphic_pixels_stay_so(tmp_path: Path) -> None:
    film = tmp_path / "wide.mp4"
    run_ffmpeg("-i", make_film(tmp_path / "f.mp4", frames=3), "-vf", "setsar=64/45", film)
    copied(open_clip(film), tmp_path / "out.mp4")
    assert probe_video(tmp_path / "out.mp4").pixel_aspect == Fraction(64, 45)


# --- what must not happen


def test_outputs_that_cannot_be_are_refused(tmp_path: Path) -> None:
    film = make_film(tmp_path / "in.mp4", frames=3)
    clip = open_clip(film)
    (tmp_path / "there.mp4").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "diary.txt").write_text("mine")
    cases = {
        "there.mp4": "add .?overwrite",
        "in.mp4": "the source itself",
        "no/out.mp4": "does not exist",
        "out.xyz": "not a format",
        "folder": "add .?overwrite",
    }
    for name, message in cases.items():
        with pytest.raises(OutputError, match=message):
            open_writer(tmp_path / name, clip.output_spec)
    with pytest.raises(OutputError, match="other files"):
        open_writer(tmp_path / "folder", clip.output_spec, overwrite=True)
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"
    (tmp_path / "folder" / "diary.txt").unlink()
    assert write_video(tmp_path / "folder", clip, clip) == 3
    assert write_video(tmp_path / "there.mp4", clip, clip, overwrite=True) == 3


def job_of(error: BaseException) -> Path:
    """Return the job folder that an error says frames are kept in."""
    (note,) = error.__notes__
    return Path(note.split(" is kept in ")[1].split(": ")[0])


@pytest.mark.parametrize("name", ["out.mp4", "out.gif", "out"])
def test_frames_of_a_render_that_fails_are_kept(tmp_path: Path, name: str) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=3))
    with (
        pytest.raises(ValueError, match="ours") as raised,
        open_writer(tmp_path / name, clip.output_spec) as writer,
    ):
        writer.write(next(iter(clip)))
        raise ValueError("ours")
    job = job_of(raised.value)
    assert {p.name for p in tmp_path.iterdir()} == {"in.mp4", job.name}
    with pytest.raises(OutputError, match="holds 1 frame of an earlier render"):
        write_video(tmp_path / name, clip, clip)
    assert finish_job(job) == (tmp_path / name, 1)
    assert {p.name for p in tmp_path.iterdir()} == {"in.mp4", name}
    assert len(list(open_clip(tmp_path / name))) == 1


def test_an_encoder_that_dies_is_an_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reel, "MAX_SEGMENT_FRAMES", 5)
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=12))
    frames = list(clip)
    write = FfmpegFramePipe.write

    def struck(pipe: FfmpegFramePipe, picture: np.ndarray, time: Fraction) -> None:
        pipe._process.kill()
        pipe._process.wait()
        write(pipe, picture, time)

    monkeypatch.setattr(FfmpegFramePipe, "write", struck)
    with (
        pytest.raises(OutputError, match="encoding failed: ffmpeg was killed") as raised,
        open_writer(tmp_path / "out.mp4", clip.output_spec) as writer,
    ):
        for frame in frames:
            writer.write(frame)
    monkeypatch.setattr(FfmpegFramePipe, "write", write)
    assert finish_job(job_of(raised.value))[1] == 10
    assert len(list(open_clip(tmp_path / "out.mp4"))) == 10


def test_a_full_chunk_is_encoded_while_the_next_frames_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reel, "MAX_SEGMENT_FRAMES", 5)
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=14))
    write_video(tmp_path / "usual.mp4", clip, clip)
    written, write = threading.Event(), FfmpegFramePipe.write

    def held_up(pipe: FfmpegFramePipe, picture: np.ndarray, time: Fraction) -> None:
        assert written.wait(30)
        write(pipe, picture, time)

    monkeypatch.setattr(FfmpegFramePipe, "write", held_up)
    with open_writer(tmp_path / "out.mp4", clip.output_spec) as writer:
        for frame in clip:
            if frame.index == 9:
                # So many are there, though no chunk is; the next would wait for the first.
                assert inspect_job(job_folder_path(tmp_path / "out.mp4")).frames == 9
                assert not list(job_folder_path(tmp_path / "out.mp4").glob("chunk_*"))
                written.set()
            writer.write(frame)
    assert (
        decode_with_ffmpeg(tmp_path / "out.mp4").tobytes()
        == decode_with_ffmpeg(tmp_path / "usual.mp4").tobytes()
    )


def test_whoever_stops_does_not_wait_for_a_chunk_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reel, "MAX_SEGMENT_FRAMES", 5)
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=9))
    sent: list[Fraction] = []
    begun, stopped, write = threading.Event(), threading.Event(), FfmpegFramePipe.write

    def held_up(pipe: FfmpegFramePipe, picture: np.ndarray, time: Fraction) -> None:
        sent.append(time)
        begun.set()
        assert stopped.wait(30)
        write(pipe, picture, time)

    close = reel.VideoSegmentWriter.close

    def closed(one: reel.VideoSegmentWriter) -> None:
        one._is_cancelled = True
        stopped.set()
        close(one)

    with monkeypatch.context() as patched:
        patched.setattr(FfmpegFramePipe, "write", held_up)
        patched.setattr(reel.VideoSegmentWriter, "close", closed)
        with (
            pytest.raises(KeyboardInterrupt) as raised,
            open_writer(tmp_path / "out.mp4", clip.output_spec) as writer,
        ):
            for frame in clip:
                writer.write(frame)
            assert begun.wait(30)
            raise KeyboardInterrupt
    assert len(sent) == 1, "no more is encoded"
    job = job_of(raised.value)
    assert not list(job.glob("*chunk_*")), "nothing half-written stays"
    assert finish_job(job)[1] == 9
    assert len(list(open_clip(tmp_path / "out.mp4"))) == 9


def test_several_chunks_that_were_not_encoded_are_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reel, "MAX_SEGMENT_FRAMES", 5)
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=13))
    monkeypatch.setattr(reel.VideoSegmentWriter, "flush", lambda one: None)
    with (
        pytest.raises(RuntimeError, match="struck") as raised,
        open_writer(tmp_path / "out.mp4", clip.output_spec) as writer,
    ):
        for frame in clip:
            writer.write(frame)
        raise RuntimeError("struck")
    monkeypatch.undo()
    job = job_of(raised.value)
    assert len(list(job.glob("pending_*"))) == 3 and inspect_job(job).frames == 13
    assert finish_job(job)[1] == 13
    assert len(list(open_clip(tmp_path / "out.mp4"))) == 13


def test_nothing_is_left_of_a_render_without_a_frame(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=3))
    with (
        pytest.raises(ValueError, match="ours"),
        open_writer(tmp_path / "out.mp4", clip.output_spec),
    ):
        raise ValueError("ours")
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize("name", ["out.mp4", "out.gif"])
@pytest.mark.parametrize("trouble", [KeyboardInterrupt, OutputError])
def test_a_finished_picture_survives_trouble_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trouble: type[BaseException]
) -> None:
    """Hours of dreaming are never lost to the last second: Ctrl-C, a full disk, odd sound."""
    from dreamflow.media.write import ffmpeg as module

    def fail(arguments: list[str], purpose: str) -> None:
        raise trouble("ours")

    clip = open_clip(make_film(tmp_path / "in.mp4", frames=5))
    with monkeypatch.context() as patched:
        patched.setattr(module, "run_ffmpeg_command", fail)
        with pytest.raises(trouble) as raised:
            write_video(tmp_path / name, clip, clip)
    job = job_of(raised.value)
    assert {p.name for p in tmp_path.iterdir()} == {"in.mp4", job.name}
    assert finish_job(job) == (tmp_path / name, 5)
    assert len(list(open_clip(tmp_path / name))) == 5


def test_sound_that_cannot_be_joined_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "sound_options", lambda *of: ["-map", "1:a", "-c:a", "no"])
    clip = open_clip(SAMPLE_CLIP, size="64", end="5")
    with pytest.warns(DreamFlowWarning, match="the sound is left out"):
        assert write_video(tmp_path / "out.mp4", clip, clip) == 5
    assert probe_video(tmp_path / "out.mp4").sound_codecs == ()


def test_a_broken_picture_in_a_folder_keeps_what_was_dreamed_before(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(3):
        write_picture(folder / f"{number}.png", make_texture(48, 64, number))
    (folder / "3.png").write_bytes(b"not a picture")
    clip = open_clip(folder)
    with pytest.raises(MediaError, match=r"3\.png cannot be read") as raised:
        write_video(tmp_path / "out.mp4", clip, clip)
    assert "what is finished, 3 frames, is kept" in raised.value.__notes__[0]
    assert finish_job(job_of(raised.value))[1] == len(list(open_clip(tmp_path / "out.mp4"))) == 3


def test_two_renders_beside_each_other_do_not_mix(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=6))
    script = (
        "import sys; from dreamflow import open_clip, write_video\n"
        "clip = open_clip('in.mp4', end=sys.argv[2])\n"
        "write_video(sys.argv[1], clip, clip, overwrite=True)\n"
    )
    jobs = [
        subprocess.Popen([sys.executable, "-c", script, name, end], cwd=tmp_path)
        for name, end in (("out.mp4", "4"), ("out.mov", "5"), ("out.mkv", "6"))
    ]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    found = [len(list(open_clip(tmp_path / f"out.{s}"))) for s in ("mp4", "mov", "mkv")]
    assert found == [4, 5, 6] and len(clip) == 6


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=2))
    with pytest.raises(OutputError, match=r"\(96, 128, 3\)"):
        write_video(tmp_path / "out.mp4", [Frame(0, Fraction(0), make_texture(96, 128))], clip)


def test_a_gif_of_anamorphic_film_has_square_pixels(tmp_path: Path) -> None:
    film = tmp_path / "wide.mp4"
    run_ffmpeg("-i", make_film(tmp_path / "f.mp4", frames=3), "-vf", "setsar=2", film)
    assert copied(open_clip(film), tmp_path / "out.gif")[0].shape == (48, 128, 3)


def test_records_are_found_or_missed_clearly(tmp_path: Path) -> None:
    film = make_film(tmp_path / "plain.mp4", frames=2)
    with pytest.raises(SettingsError, match="no such file"):
        read_record(tmp_path / "none.mp4")
    with pytest.raises(SettingsError, match="no DreamFlow settings"):
        read_record(film)
    sidecar_path(film).write_text("{not json")
    with pytest.raises(SettingsError, match="no DreamFlow settings"):
        read_record(film)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_ctrl_c_waits_for_the_frame_and_a_second_does_not() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), defer_interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the whole frame")
    with pytest.raises(KeyboardInterrupt), defer_interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        done.append("never")
    with defer_interrupt():
        done.append("as ever")
    assert done == ["the whole frame", "as ever"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("name", ["out.mp4", "out"])
def test_an_output_on_another_drive_is_brought_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=3))
    rename = Path.replace

    def across(path: Path, target: Path) -> Path:
        if path.parent.suffix == ".job" and target.parent == tmp_path:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", across)
    assert write_video(tmp_path / name, clip, clip) == 3
    assert len(list(open_clip(tmp_path / name))) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", name}


def test_what_comes_into_the_folder_during_a_render_is_kept(tmp_path: Path) -> None:
    clip = open_clip(make_film(tmp_path / "in.mp4", frames=2))
    out = tmp_path / "out"
    out.mkdir()
    writer = open_writer(out, clip.output_spec)
    with pytest.raises(OutputError, match=r"holds other files \(mine\.txt\)"), writer:
        for frame in clip:
            writer.write(frame)
        (out / "mine.txt").write_text("mine")
    assert (out / "mine.txt").read_text() == "mine"
    (out / "mine.txt").unlink()
    assert finish_job(job_folder_path(out), None, overwrite=True) == (out, 2)
    assert len(list(open_clip(out))) == 2
