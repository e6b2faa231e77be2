"""Mattes: the dream is shown where and as much as they are white, in step with the source."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import (
    SAMPLE_CLIP,
    SHARED_DIR,
    CommandResult,
    make_film,
    make_texture,
    psnr,
    refused,
    run_ffmpeg,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from job_rendering import Rendering, decode_output
from PIL import Image

from dreamflow.core.errors import DreamFlowWarning, MediaError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.tensors import picture_to_tensor, tensor_to_picture
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.queue import read_queue
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.mattes.matte import Matte, open_matte
from dreamflow.media.read.mattes.matte_crop import MIN_CROP_SIDE_PX, padded_crop_span
from dreamflow.media.read.mattes.matte_feather import feather_edges
from dreamflow.media.read.mattes.matte_files import MatteTarget
from dreamflow.media.read.mattes.matte_fitting import fit_matte_array, is_same_aspect
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.media.write.residual_plate import make_plate
from dreamflow.networks.network import Network
from dreamflow.pipelines.compositor import Compositor, composite, composite_image
from dreamflow.pipelines.image import dream_image
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.pipelines.video.pipeline import build_video_pipeline
from dreamflow.temporal.options import CarryOptions

Cli = Callable[..., CommandResult]
DREAM = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=2, jitter=8)
CARRY = CarryOptions(carry_iterations=1, uncover_iterations=1)
FAST = ("--layer", "conv2/3x3", "--octaves", "1", "--iterations", "2", "--size", "64")
PICTURES = hnp.arrays(np.uint8, (3, 4, 3))


def grey(path: Path, level: np.ndarray) -> Path:
    """Write a matte: levels (H, W) from 0 to 255."""
    write_picture(path, np.repeat(level.astype(np.uint8)[..., None], 3, axis=2))
    return path


def halves(height: int, width: int) -> np.ndarray:
    """Return levels that are white on the right half."""
    level = np.zeros((height, width), np.uint8)
    level[:, width // 2 :] = 255
    return level


def counting(folder: Path, count: int, size: tuple[int, int] = (64, 48), scale: int = 4) -> Path:
    """Write a folder of flat mattes: picture n has the level scale * n."""
    folder.mkdir()
    for number in range(count):
        grey(folder / f"{number:03}.png", np.full(size[::-1], scale * number))
    return folder


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "in.mp4", frames=12)


# --- what is shown


@given(
    PICTURES,
    PICTURES,
    st.floats(0, 2),
    hnp.arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)),
)
def test_composite_matches_the_formula(
    dream: np.ndarray, source: np.ndarray, strength: float, matte: np.ndarray
) -> None:
    made = composite(dream, source, strength, matte)
    exact = source + strength * matte[..., None].astype(float) * (dream.astype(float) - source)
    assert made.dtype == np.uint8
    assert np.abs(made - exact.clip(0, 255)).max() <= 0.5 + 1e-3
    assert (made[matte == 0] == source[matte == 0]).all()


@given(PICTURES, PICTURES)
def test_composite_is_exact_at_both_ends(dream: np.ndarray, source: np.ndarray) -> None:
    white = np.ones((3, 4), np.float32)
    assert np.array_equal(composite(dream, source, 0.0), source)
    assert np.array_equal(composite(dream, source, 0.0, white), source)
    assert np.array_equal(composite(dream, source, 1.0), dream)
    assert np.array_equal(composite(dream, source, 1.0, white), dream)
    assert np.array_equal(composite(dream, source, 2.0, white / 2), dream)


def test_composite_image_is_exact_at_both_ends_and_matches_pictures() -> None:
    rng = np.random.default_rng(0)
    dream, source = (rng.integers(0, 256, (12, 16, 3), np.uint8) for _ in range(2))
    images = picture_to_tensor(dream), picture_to_tensor(source)
    matte = rng.random((12, 16)).astype(np.float32)
    matte[:4], matte[4:8] = 0, 1
    weights = torch.from_numpy(matte)[None, None]
    assert torch.equal(composite_image(*images, 0.0), images[1])
    assert composite_image(*images, 1.0) is images[0]
    shown = composite_image(*images, 1.0, weights)
    assert torch.equal(shown[:, :, :4], images[1][:, :, :4])
    assert torch.equal(shown[:, :, 4:8], images[0][:, :, 4:8])
    for strength in (0.3, 1.0, 2.0):
        shown = tensor_to_picture(composite_image(*images, strength, weights))
        expected = composite(dream, source, strength, matte)
        assert np.abs(shown.astype(int) - expected).max() <= 1


def test_composite_image_runs_on_the_meta_device() -> None:
    dream, source = (torch.empty(1, 3, 12, 16, device="meta") for _ in range(2))
    matte = torch.empty(1, 1, 12, 16, device="meta")
    assert composite_image(dream, source, 0.5, matte).device.type == "meta"


def test_the_compositor_shows_images_and_pictures_alike() -> None:
    rng = np.random.default_rng(1)
    dream, source = (rng.integers(0, 256, (12, 16, 3), np.uint8) for _ in range(2))
    matte = rng.random((12, 16)).astype(np.float32)
    compositor = Compositor(ShowOptions(strength=0.5), None, lambda frame: matte)
    frame = Frame(0, Fraction(0), dream, source=source)
    image = compositor.composite_image(picture_to_tensor(dream), picture_to_tensor(source), frame)
    expected = compositor(frame).picture
    assert np.abs(tensor_to_picture(image).astype(int) - expected).max() <= 1


def test_a_scheduled_strength_is_that_of_each_frame(noise_network: Network) -> None:
    frames = [Frame(n, Fraction(n, 10), make_texture(48, 64)) for n in range(5)]
    timeline = Timeline(Fraction(10), Fraction(1, 2))
    show = ShowOptions(strength="0: 0, 4: 2")
    whole, seen = (
        list(dream_video(frames, noise_network, None, DREAM, CARRY, (), timeline, some))
        for some in (None, show)
    )
    for number, (all_of_it, part) in enumerate(zip(whole, seen, strict=True)):
        wanted = composite(all_of_it.picture, frames[0].picture, number / 2)
        assert np.array_equal(part.picture, wanted), number
    assert np.array_equal(seen[0].picture, frames[0].picture)
    assert np.array_equal(seen[2].picture, whole[2].picture), "what is carried is all of it"


def test_schedules_of_strength_are_checked_first(film: Path, noise_network: Network) -> None:
    show = ShowOptions(strength="0: 0, 100s: 1")
    with pytest.raises(SettingsError, match="strength, keyframe 2"):
        build_video_pipeline(open_clip(film), noise_network, VideoSettings(DREAM, CARRY, show=show))
    with refused("timeline"):
        Compositor(show)
    with refused("strength"):
        ShowOptions(strength=2.5)


def test_dream_image_with_a_matte(noise_network: Network) -> None:
    picture = make_texture(48, 64)
    whole = dream_image(picture, noise_network, None, DREAM)
    assert np.abs(whole.astype(int) - picture).min(axis=2).mean() > 0.5
    made = dream_image(picture, noise_network, None, DREAM, matte=halves(48, 64))
    assert np.array_equal(made[:, :32], picture[:, :32])
    assert np.array_equal(made[:, 32:], whole[:, 32:])
    half = dream_image(picture, noise_network, None, DREAM, matte=np.full((48, 64), 0.5))
    exact = (whole.astype(float) + picture) / 2
    assert np.abs(half - exact).max() <= 0.5
    weak = dream_image(picture, noise_network, None, DREAM, strength=0.5)
    assert np.array_equal(weak, half)
    with pytest.raises(SettingsError, match="another shape"):
        dream_image(picture, noise_network, None, DREAM, matte=np.ones((48, 48)))
    with pytest.raises(SettingsError, match=r"int64 \(48, 64\)"):
        dream_image(picture, noise_network, None, DREAM, matte=np.ones((48, 64), np.int64))


def test_arrays_of_all_types_are_mattes() -> None:
    level = np.zeros((4, 6), np.uint8)
    level[:, 3:] = 255
    colour = np.repeat(level[..., None], 3, axis=2)
    for matte in (level, level > 0, level / 255, colour, colour.astype(np.float32) / 255):
        assert np.allclose(fit_matte_array(matte, 6, 4), level / 255)
    large = fit_matte_array(level, 60, 40)
    assert large.shape == (40, 60)
    assert large.dtype == np.float32
    assert large.min() == 0
    assert large.max() == 1
    assert (fit_matte_array(np.full((4, 6), np.nan), 6, 4) == 0).all()


# --- soft edges


@pytest.mark.parametrize("width", [2.0, 10.0, 40.0])
def test_a_feathered_edge_has_the_given_width(width: float) -> None:
    """From a tenth to nine tenths, in percent of the longer side; half of it where the edge was."""
    matte = (halves(40, 1000) / 255).astype(np.float32)
    soft = feather_edges(matte, width)
    row = soft[20]
    assert (soft == row).all() or np.abs(soft - row).max() < 1e-5
    assert (np.diff(row) >= -1e-6).all()
    assert row[499:501].mean() == pytest.approx(0.5, abs=0.01)
    inside = int(((row > 0.1) & (row < 0.9)).sum())
    assert inside == pytest.approx(10 * width, abs=1 + 0.1 * width)
    assert row[0] == 0 if width < 40 else row[0] < 0.01


def test_a_feathered_matte_is_alike_at_another_size() -> None:
    rng = np.random.default_rng(0)
    level = (rng.random((9, 16)) > 0.5).astype(np.float32)
    large, small = (
        feather_edges(fit_matte_array(level, w, h), 5) for w, h in ((640, 360), (160, 90))
    )
    assert np.abs(fit_matte_array(large, 160, 90) - small).max() < 0.03


def test_a_feather_of_zero_changes_nothing() -> None:
    matte = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    assert feather_edges(matte, 0.0) is matte
    flat = np.ones((5, 7), np.float32)
    assert np.allclose(feather_edges(flat, 20.0), 1), "the border is none"


def test_an_inverted_matte_is_the_complement(tmp_path: Path, film: Path) -> None:
    path = str(grey(tmp_path / "m.png", halves(48, 64)))
    frames = MatteTarget.from_clip(open_clip(film))
    one, other = (
        Matte(ShowOptions(matte=path, matte_feather=8, matte_invert=invert), frames).opacity_at(
            Fraction(0)
        )
        for invert in (False, True)
    )
    assert np.allclose(one + other, 1, atol=1e-5)


# --- files


def test_aspect_ratios_may_differ_by_a_rounding() -> None:
    assert is_same_aspect((1920, 1080), (854, 480))
    assert is_same_aspect((426, 240), (854, 480))
    assert is_same_aspect((160, 106), (1200, 800))
    assert not is_same_aspect((1920, 1080), (1920, 1088))
    assert not is_same_aspect((640, 360), (640, 480))
    assert not is_same_aspect((480, 854), (854, 480))


@given(st.integers(16, 4000), st.integers(16, 4000), st.floats(0.05, 1))
@settings(max_examples=60)
def test_scaled_sizes_have_the_same_aspect(width: int, height: int, scale: float) -> None:
    assert is_same_aspect(
        (max(1, round(width * scale)), max(1, round(height * scale))), (width, height)
    )


@pytest.mark.parametrize("size", [(64, 48), (128, 96), (32, 24)])
def test_a_matte_of_another_size_is_scaled(
    tmp_path: Path, film: Path, size: tuple[int, int]
) -> None:
    show = ShowOptions(matte=str(grey(tmp_path / "m.png", halves(size[1], size[0]))))
    made = Matte(show, MatteTarget.from_clip(open_clip(film))).opacity_at(Fraction(0))
    assert made.shape == (48, 64)
    assert made[:, :30].max() == 0
    assert made[:, 34:].min() == 1
    smaller = Matte(show, MatteTarget.from_clip(open_clip(film, size="32")))
    assert smaller.opacity_at(Fraction(0)).shape == (24, 32)


def test_matte_pictures_follow_frames_whatever_their_times(tmp_path: Path) -> None:
    """A matte for each frame, as other programs write them; here of a film of uneven times."""
    even, film = make_film(tmp_path / "even.mp4", frames=20), tmp_path / "uneven.mp4"
    run_ffmpeg(
        *("-i", even, "-vf", "select='not(eq(mod(n,5),1))'", "-fps_mode", "passthrough"),
        *("-enc_time_base", "1/24", film),
    )
    folder = counting(tmp_path / "mattes", 16)
    for start, every in ((None, 1), ("5", 1), ("3", 2)):
        clip = open_clip(film, start=start, every=every)
        matte = Matte(ShowOptions(matte=str(folder)), MatteTarget.from_clip(clip))
        for frame in clip:
            assert round(matte.opacity_at(frame.time)[0, 0] * 255) == 4 * frame.index


def rated(path: Path, rate: str, count: int, folder: Path) -> Path:
    """Make a film of the flat pictures of a folder, exact."""
    exact = ("-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv444p", "-bf", "0")
    options = exact if path.suffix != ".mkv" else ("-c:v", "ffv1", "-pix_fmt", "gray")
    run_ffmpeg(
        "-framerate", rate, "-i", folder / "%03d.png", "-frames:v", str(count), *options, path
    )
    return path


@pytest.mark.parametrize("name", ["m.mp4", "m.mkv"])
@pytest.mark.parametrize(("rate", "per_frame"), [("24", 1.0), ("12", 0.5), ("48", 2.0)])
def test_a_matte_film_follows_time(
    tmp_path: Path, film: Path, name: str, rate: str, per_frame: float
) -> None:
    """Matroska's times are rounded to 1 ms: it must not be a frame late for that."""
    path = rated(tmp_path / name, rate, 24, counting(tmp_path / "mattes", 24))
    for start in (None, "4"):
        clip = open_clip(film, start=start)
        matte = Matte(ShowOptions(matte=str(path)), MatteTarget.from_clip(clip))
        for frame in clip:
            level = matte.opacity_at(frame.time)[0, 0] * 255 / 4
            assert level == pytest.approx(int(frame.index * per_frame), abs=0.3)


def test_a_matte_is_the_same_at_random_access(tmp_path: Path, film: Path) -> None:
    path = make_film(tmp_path / "m.mp4", frames=12)
    clip = open_clip(film)
    times = [frame.time for frame in clip]
    opened = [Matte(ShowOptions(matte=str(path)), MatteTarget.from_clip(clip)) for _ in range(2)]
    forwards = [opened[0].opacity_at(time).copy() for time in times]
    for number in (7, 8, 3, 11, 0):
        assert np.array_equal(opened[1].opacity_at(times[number]), forwards[number])


@pytest.mark.parametrize("kind", ["folder", "film"])
def test_the_last_matte_is_held_with_a_warning(tmp_path: Path, film: Path, kind: str) -> None:
    path = counting(tmp_path / "mattes", 5, scale=40)
    told = "5 pictures, for 12 frames"
    if kind == "film":
        path, told = rated(tmp_path / "m.mp4", "24", 5, path), r"ends at 0.21 s, the source at 0.50"
    clip = open_clip(film)
    with pytest.warns(DreamFlowWarning, match=f"{told}.*its last one stays"):
        matte = Matte(ShowOptions(matte=str(path)), MatteTarget.from_clip(clip))
    levels = [float(matte.opacity_at(frame.time)[0, 0] * 255) for frame in clip]
    assert levels == pytest.approx([0, 40, 80, 120] + [160] * 8, abs=1.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Matte(ShowOptions(matte=str(path)), MatteTarget.from_clip(open_clip(film, end="5")))


def test_transparency_is_the_matte(tmp_path: Path, film: Path) -> None:
    frames = MatteTarget.from_clip(open_clip(film))
    alpha = halves(48, 64)
    colours = np.dstack([make_texture(48, 64), alpha])
    Image.fromarray(colours).save(tmp_path / "cut.png")
    run_ffmpeg(
        "-loop",
        "1",
        "-i",
        tmp_path / "cut.png",
        "-frames:v",
        "12",
        "-r",
        "24",
        "-c:v",
        "prores_ks",
        "-profile:v",
        "4444",
        "-pix_fmt",
        "yuva444p10le",
        tmp_path / "cut.mov",
    )
    (tmp_path / "cuts").mkdir()
    for number in range(12):
        Image.fromarray(colours).save(tmp_path / "cuts" / f"{number}.png")
    for name in ("cut.png", "cut.mov", "cuts"):
        made = Matte(ShowOptions(matte=str(tmp_path / name)), frames).opacity_at(Fraction(0))
        assert np.abs(made * 255 - alpha).max() <= 1, name
    colours[..., 3] = 255
    colours[..., :3] = alpha[..., None]
    Image.fromarray(colours).save(tmp_path / "opaque.png")
    made = Matte(ShowOptions(matte=str(tmp_path / "opaque.png")), frames).opacity_at(Fraction(0))
    assert np.abs(made * 255 - alpha).max() <= 1


def test_an_animated_webp_is_a_matte(tmp_path: Path, film: Path) -> None:
    levels = [halves(48, 64), 255 - halves(48, 64)]
    first, second = (Image.fromarray(np.dstack([make_texture(48, 64), level])) for level in levels)
    kept = {"save_all": True, "duration": 250, "lossless": True, "exact": True}
    first.save(tmp_path / "cut.webp", append_images=[second], **kept)
    made = Matte(
        ShowOptions(matte=str(tmp_path / "cut.webp")), MatteTarget.from_clip(open_clip(film))
    )
    for time, level in zip((Fraction(0), Fraction(1, 3)), levels, strict=True):
        assert np.array_equal(made.opacity_at(time) * 255, level)


def test_an_opaque_film_with_an_alpha_channel_is_said(tmp_path: Path, film: Path) -> None:
    path = tmp_path / "m.mov"
    run_ffmpeg(
        "-i", film, "-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le", path
    )
    with pytest.warns(DreamFlowWarning, match="opaque: its brightness is the matte"):
        Matte(ShowOptions(matte=str(path)), MatteTarget.from_clip(open_clip(film)))


def test_colour_counts_by_its_luma(tmp_path: Path, film: Path) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, 32:] = (0, 255, 0)
    write_picture(tmp_path / "green.png", picture)
    made = Matte(
        ShowOptions(matte=str(tmp_path / "green.png")), MatteTarget.from_clip(open_clip(film))
    )
    assert made.opacity_at(Fraction(0))[0, 60] == pytest.approx(0.7152, abs=0.002)


def test_a_turned_film_is_a_turned_matte(tmp_path: Path, film: Path) -> None:
    """A telephone's: its pixels lie on their side, and its display matrix says so."""
    upright = make_film(tmp_path / "upright.mp4", size="48x64", frames=12)
    lying = rated(tmp_path / "lying.mp4", "24", 12, counting(tmp_path / "mattes", 12, scale=20))
    turned = tmp_path / "turned.mp4"
    run_ffmpeg("-display_rotation", "90", "-i", lying, "-c", "copy", turned)
    clip = open_clip(upright)
    matte = Matte(ShowOptions(matte=str(turned)), MatteTarget.from_clip(clip))
    assert matte.opacity_at(Fraction(6, 24)).shape == (64, 48)
    with pytest.raises(SettingsError, match="another shape"):
        Matte(ShowOptions(matte=str(lying)), MatteTarget.from_clip(clip))


def test_invalid_mattes_are_refused(tmp_path: Path, film: Path) -> None:
    frames = MatteTarget.from_clip(open_clip(film))

    def tried(name: str) -> None:
        open_matte(ShowOptions(matte=str(tmp_path / name)), frames)

    with pytest.raises(MediaError, match=r"matte .*nothing\.png does not exist"):
        tried("nothing.png")
    grey(tmp_path / "wide.png", halves(48, 80))
    with pytest.raises(SettingsError, match=r"80x48, the source 64x48: another shape"):
        tried("wide.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "wide.png").read_bytes()[:60])
    with pytest.raises(MediaError, match=r"torn.png is damaged"):
        tried("torn.png")
    folder = counting(tmp_path / "mattes", 12)
    grey(folder / "003.png", halves(24, 32))
    with pytest.raises(MediaError) as raised:
        Matte(ShowOptions(matte=str(folder)), frames)
    assert raised.value.where == str(folder / "003.png")
    assert open_matte(ShowOptions(), frames) is None


def test_a_damaged_picture_of_a_matte_keeps_the_one_before(tmp_path: Path, film: Path) -> None:
    folder = tmp_path / "mattes"
    folder.mkdir()
    for number in range(4):
        grey(folder / f"{number}.png", np.full((48, 64), 60 * number, np.uint8))
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:50])
    matte = Matte(ShowOptions(matte=str(folder)), MatteTarget.from_clip(open_clip(film, end="4")))
    with pytest.warns(DreamFlowWarning) as said:
        shown = [matte.opacity_at(Fraction(number, 24))[0, 0] for number in range(4)]
    assert np.allclose(shown, np.array([0, 60, 60, 180]) / 255)
    assert len(said) == 1


@pytest.mark.clips
def test_a_damaged_matte_film_warns_once() -> None:
    """The frame before one that does not decode stays."""
    path = SHARED_DIR / "hostile" / "byteflips_middle.mp4"
    clip = open_clip(path, size="64")
    matte = Matte(ShowOptions(matte=str(path)), MatteTarget.from_clip(clip))
    times = [clip.info.frame_time(number) for number in range(clip.info.frames)]
    with pytest.warns(DreamFlowWarning, match="does not decode, and the last before it") as told:
        made = [matte.opacity_at(time).copy() for time in times]
    assert len(told) == 1
    changes = [float(np.abs(b - a).mean()) for a, b in pairwise(made)]
    assert 0 < changes.count(0) < len(changes) / 2


def test_a_queue_finds_its_mattes_beside_it(tmp_path: Path) -> None:
    text = (
        '[[render]]\nsource = "in.mp4"\nout = "out.mp4"\nmatte = "m.png"\nstrength = "0: 0, 1s: 1"'
    )
    (tmp_path / "tonight.toml").write_text(text)
    (render,) = read_queue(tmp_path / "tonight.toml")
    assert render.settings.show.matte == str(tmp_path / "m.png")
    assert render.settings.show.schedules


def test_a_preset_with_a_strength_is_not_for_a_zoom(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "faint.toml").write_text("strength = 0.5\nstep = 1.0")
    line = ("--octaves", "1", "--iterations", "1", "--layer", "conv2/3x3", "--size", "48x32")
    preset = ("--preset", tmp_path / "faint.toml")
    run = cli("zoom", tmp_path / "z.gif", *line, *preset, "--seconds", "0.1")
    assert run.code == 0
    assert "strength does nothing for `zoom`, and is left out" in run.err


# --- all journeys


PATHS = {
    "once": CARRY,
    "passes": replace(CARRY, passes=2),
    "loop": replace(CARRY, loop=True),
    "each frame anew": replace(CARRY, carry=False),
}


@pytest.mark.filterwarnings("ignore:the clip's last frame:dreamflow.core.errors.DreamFlowWarning")
@pytest.mark.parametrize("how", PATHS)
def test_black_is_the_source_and_white_the_dream(
    how: str, tmp_path: Path, film: Path, noise_network: Network
) -> None:
    show = ShowOptions(matte=str(grey(tmp_path / "m.png", halves(48, 64))))
    clip = open_clip(film, end="8")
    plain = VideoSettings(DREAM, PATHS[how])
    matte = Matte(show, MatteTarget.from_clip(clip))
    whole = [f for f in build_video_pipeline(clip, noise_network, plain) if f]
    seen = [
        f for f in build_video_pipeline(clip, noise_network, replace(plain, show=show), matte) if f
    ]
    sources = [frame.picture for frame in clip]
    for frame, dream, source in zip(seen, whole, sources, strict=True):
        assert frame.source is not None
        assert np.array_equal(frame.picture[:, :32], source[:, :32])
        assert np.array_equal(frame.picture[:, 32:], dream.picture[:, 32:])
        assert (make_plate(frame.picture, frame.source)[:, :32] == 128).all()
    everywhere = np.stack([frame.picture for frame in whole])
    change = np.abs(everywhere[:, :, :32].astype(int) - np.stack(sources)[:, :, :32])
    assert change.mean() > 0.5, "without the matte it would be dreamed"


def test_the_dream_has_grown_where_a_matte_moves_to(tmp_path: Path, noise_network: Network) -> None:
    """A white half that comes in late shows what a matte that was always white would."""
    frames = [Frame(n, Fraction(n, 24), make_texture(48, 64)) for n in range(6)]
    late = [np.zeros((48, 64))] * 4 + [halves(48, 64) / 255] * 2
    whole = list(dream_video(frames, noise_network, None, DREAM, CARRY, ()))
    seen = list(dream_video(frames, noise_network, None, DREAM, CARRY, (), mattes=late))
    for number in range(6):
        wanted = whole if number >= 4 else frames
        assert np.array_equal(seen[number].picture[:, 32:], wanted[number].picture[:, 32:])
        assert np.array_equal(seen[number].picture[:, :32], frames[number].picture[:, :32])


def test_dream_video_takes_matte_files_clips_and_arrays(
    tmp_path: Path, film: Path, noise_network: Network
) -> None:
    path = rated(tmp_path / "m.mp4", "24", 12, counting(tmp_path / "mattes", 12, scale=20))
    clip = open_clip(film, end="3")

    def dreamed(**how: object) -> list[bytes]:
        frames = dream_video(clip, noise_network, None, DREAM, CARRY, (), **how)  # type: ignore
        return [frame.picture.tobytes() for frame in frames]

    by_file = dreamed(show=ShowOptions(matte=str(path)))
    assert dreamed(mattes=open_clip(path)) == by_file
    levels = [np.full((48, 64), 20 * n, np.uint8) for n in range(3)]
    assert dreamed(mattes=levels) == by_file != dreamed()
    assert dreamed(mattes=np.full((48, 64), 0.0)) == [frame.picture.tobytes() for frame in clip]
    with refused("mattes"):
        dreamed(mattes=levels, show=ShowOptions(matte=str(path)))
    with refused("mattes"):
        dreamed(mattes=[])
    with refused("matte"):
        list(
            dream_video(
                list(clip), noise_network, None, DREAM, CARRY, (), show=ShowOptions(matte=str(path))
            )
        )


def test_a_sweep_in_a_matte(tmp_path: Path, noise_network: Network, cli: Cli) -> None:
    picture = make_texture(48, 64)
    write_picture(tmp_path / "in.png", picture)
    grey(tmp_path / "m.png", halves(48, 64))
    run = cli(
        "sweep",
        tmp_path / "in.png",
        tmp_path / "out",
        "--layers",
        "conv1/7x7_s2,conv2/3x3",
        "--seconds",
        "0.5",
        "--fps",
        "10",
        "--octaves",
        "1",
        "--iterations",
        "2",
        "--matte",
        tmp_path / "m.png",
        "--strength",
        "0: 0, 100%: 1",
    )
    assert run.code == 0, run.err
    frames = [read_picture(path) for path in sorted((tmp_path / "out").glob("*.png"))]
    assert len(frames) == 5
    assert np.array_equal(frames[0], picture)
    assert all(np.array_equal(frame[:, :32], picture[:, :32]) for frame in frames)
    assert np.abs(frames[4][:, 32:].astype(int) - picture[:, 32:]).mean() > 0.3


# --- only the part that is shown


@given(st.data())
def test_the_crop_span_holds_the_visible_part_and_its_margin(data: st.DataObject) -> None:
    """All of it, with what was wished for around it, and no less than deep layers need."""
    size, count = data.draw(st.integers(1, 3000)), data.draw(st.integers(1, 300))
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first, count - 1))
    reach = data.draw(st.floats(0, 200))
    lit = np.zeros(count, bool)
    lit[[first, last]] = True
    part = padded_crop_span(lit, size, reach)
    assert 0 <= part.start <= max(0, first * size / count - reach)
    assert min(size, (last + 1) * size / count + reach) <= part.stop + 1e-6 <= size + 1e-6
    assert part.stop - part.start >= min(size, MIN_CROP_SIDE_PX)
    wanted = (last + 1 - first) * size / count + 2 * reach
    assert part.stop - part.start <= max(MIN_CROP_SIDE_PX, wanted) + 3, "and not much more"


def corner(folder: Path, name: str = "m.png") -> ShowOptions:
    """Return the options of a matte of 400x320 that is white in a corner."""
    level = np.zeros((320, 400), np.uint8)
    level[20:60, 30:90] = 255
    return ShowOptions(matte=str(grey(folder / name, level)), matte_crop=True)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A folder of ten pictures, 400x320."""
    (tmp_path / "in").mkdir()
    scene = make_texture(320, 420)
    for number in range(10):
        write_picture(tmp_path / "in" / f"{number}.png", scene[:, 2 * number : 2 * number + 400])
    return tmp_path / "in"


@pytest.mark.parametrize("how", PATHS)
@pytest.mark.filterwarnings("ignore:the clip's last frame:dreamflow.core.errors.DreamFlowWarning")
def test_matte_crop_dreams_the_visible_part_as_a_film_of_its_own(
    how: str, tmp_path: Path, large: Path, noise_network: Network
) -> None:
    """It is the dream of a film of that part, back in its place."""
    show, clip = corner(tmp_path), open_clip(large, end="3")
    matte = Matte(show, MatteTarget.from_clip(clip))
    assert matte.bounding_box == (slice(0, 224), slice(0, 224))
    settings = VideoSettings(DREAM, replace(PATHS[how], cuts="none"), show=show)
    made = [f for f in build_video_pipeline(clip, noise_network, settings, matte) if f]
    (tmp_path / "part").mkdir()
    for frame in clip:
        write_picture(tmp_path / "part" / f"{frame.index}.png", frame.picture[:224, :224])
    part = open_clip(tmp_path / "part")
    alone = VideoSettings(DREAM, settings.carry)
    dreams = [f for f in build_video_pipeline(part, noise_network, alone) if f]
    for frame, dream, source in zip(made, dreams, clip, strict=True):
        wanted = source.picture.copy()
        wanted[20:60, 30:90] = dream.picture[20:60, 30:90]
        assert np.array_equal(frame.picture, wanted)
        assert frame.full_picture is None
        assert frame.source is not None
        assert np.array_equal(frame.source, source.picture)


def test_matte_crop_is_the_same_in_a_preview(tmp_path: Path, large: Path, cli: Cli) -> None:
    line = ("--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "2", "--no-carry")
    line = (*line, "--threads", "1", "--matte", str(corner(tmp_path).matte), "--matte-crop")
    assert cli("video", large, tmp_path / "out", *line, "--start", "5", "--end", "8").code == 0
    assert cli("frame", large, tmp_path / "one.png", *line, "--at", "6").code == 0
    frames = [read_picture(path) for path in sorted((tmp_path / "out").glob("*.png"))]
    assert np.array_equal(read_picture(tmp_path / "one.png"), frames[1])
    run = cli("video", large, tmp_path / "no.mp4", *line, "--flow-dir", tmp_path)
    assert run.code == 1
    assert "leave out --matte-crop" in run.err
    grey(tmp_path / "m.png", np.zeros((320, 400)))
    run = cli("video", large, tmp_path / "no.mp4", *line)
    assert run.code == 1
    assert "shows nothing of the dream" in run.err


@pytest.mark.filterwarnings("ignore::dreamflow.core.errors.DreamFlowWarning")
def test_a_cropped_job_is_resumed(render: Rendering, large: Path) -> None:
    (render.folder / "mattes").mkdir()
    for number in range(10):
        corner(render.folder / "mattes", f"{number}.png")
    show = ShowOptions(matte=str(render.folder / "mattes"), matte_crop=True)
    settings = VideoSettings(DREAM, CARRY, ClipOptions(), show=show)
    whole = decode_output(render("whole.mp4", settings, source=large))
    render.interrupt("d.mp4", settings, at=4, source=large)
    last = render.folder / "mattes" / "9.png"
    kept = last.read_bytes()
    grey(last, np.full((320, 400), 255))
    with refused("matte"):
        render("d.mp4", settings, source=large)
    last.write_bytes(kept)
    assert decode_output(render("d.mp4", settings, source=large)) == whole


# --- commands and jobs


def test_the_black_half_is_the_source_up_to_encoding(tmp_path: Path, film: Path, cli: Cli) -> None:
    """To the bit in a lossless film, and as near as a film without a dream in a lossy one."""
    matte = grey(tmp_path / "m.png", halves(48, 64))
    line = (*FAST, "--matte", matte)
    assert cli("video", film, tmp_path / "exact.mkv", *line, "--lossless").code == 0
    sources = np.stack([frame.picture for frame in open_clip(film)])
    exact = np.stack([frame.picture for frame in open_clip(tmp_path / "exact.mkv")])
    assert np.array_equal(exact[:, :, :32], sources[:, :, :32])
    assert np.abs(exact[:, :, 32:].astype(int) - sources[:, :, 32:]).mean() > 1
    assert cli("video", film, tmp_path / "lossy.mp4", *line).code == 0
    assert cli("video", film, tmp_path / "none.mp4", *FAST, "--strength", "0").code == 0
    lossy, none = (
        np.stack([frame.picture for frame in open_clip(tmp_path / name)])
        for name in ("lossy.mp4", "none.mp4")
    )
    # A block of the encoder's that has both halves in it is left out.
    encoded, best = (psnr(f[:, :, :24], sources[:, :, :24]) for f in (lossy, none))
    assert encoded > best - 1
    assert best > 25


def test_a_previewed_frame_is_that_of_the_film(tmp_path: Path, film: Path, cli: Cli) -> None:
    """At its time, with the matte and the strength of that time."""
    mattes = counting(tmp_path / "mattes", 12, scale=20)
    line = (*FAST, "--matte", mattes, "--strength", "0: 0.5, 11: 2", "--no-carry")
    assert cli("video", film, tmp_path / "film.mkv", *line, "--lossless").code == 0
    run = cli("frame", film, tmp_path / "one.png", *line, "--at", "7")
    assert run.code == 0, run.err
    frames = [frame.picture for frame in open_clip(tmp_path / "film.mkv")]
    assert np.array_equal(read_picture(tmp_path / "one.png"), frames[7])


def test_frame_command_with_a_matte(tmp_path: Path, cli: Cli) -> None:
    write_picture(tmp_path / "in.png", make_texture(48, 64))
    grey(tmp_path / "m.png", halves(48, 64))
    run = cli(
        "frame",
        tmp_path / "in.png",
        tmp_path / "out.png",
        *FAST,
        "--matte",
        tmp_path / "m.png",
        "--matte-invert",
        "--strength",
        "0: 1, 100%: 0",
    )
    assert run.code == 0
    assert "a picture has no time" in run.err
    picture, made = (read_picture(tmp_path / name) for name in ("in.png", "out.png"))
    assert np.array_equal(made[:, 32:], picture[:, 32:])
    assert not np.array_equal(made[:, :32], picture[:, :32])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--matte", "wide.png"), "another shape"),
        (("--matte", "nowhere.png"), "does not exist"),
        (("--strength", "3"), "at most 2"),
        (("--matte", "m.png", "--matte-feather", "-1"), "at least 0"),
    ],
)
@pytest.mark.parametrize("command", ["video", "frame"])
def test_a_refused_matte_leaves_no_files(
    tmp_path: Path,
    film: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    line: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    grey(tmp_path / "m.png", halves(48, 64))
    grey(tmp_path / "wide.png", halves(48, 80))
    run = cli(command, film, "out.png" if command == "frame" else "out.mp4", *FAST, *line)
    assert run.code == 1
    assert message in run.err
    assert run.err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"m.png", "wide.png"}


def test_a_matte_is_not_overwritten(tmp_path: Path, film: Path, cli: Cli) -> None:
    matte = make_film(tmp_path / "m.mp4", frames=12)
    before = matte.read_bytes()
    run = cli("video", film, matte, *FAST, "--matte", matte, "--overwrite")
    assert run.code == 1
    assert matte.read_bytes() == before


def test_like_renders_the_same_with_a_matte(tmp_path: Path, film: Path, cli: Cli) -> None:
    matte = grey(tmp_path / "m.png", halves(48, 64))
    line = (*FAST, "--matte", matte, "--matte-feather", "5", "--strength", "0: 0, 100%: 1")
    assert cli("video", film, tmp_path / "one.mkv", *line, "--lossless").code == 0
    run = cli("video", film, tmp_path / "two.mkv", "--like-all", tmp_path / "one.mkv")
    assert run.code == 0, run.err
    assert decode_output(tmp_path / "one.mkv") == decode_output(tmp_path / "two.mkv")


@pytest.mark.filterwarnings("ignore::dreamflow.core.errors.DreamFlowWarning")
@pytest.mark.parametrize("kind", ["film", "folder", "loop"])
def test_a_resumed_render_with_a_moving_matte_is_bit_identical(
    kind: str, render: Rendering
) -> None:
    """With a moving matte and a strength that changes."""
    size = open_clip(SAMPLE_CLIP)
    path = counting(render.folder / "mattes", 20, (size.width // 4, size.height // 4), scale=12)
    if kind == "film":
        path = render.folder / "m.mp4"
        make_film(path, frames=24, size=f"{size.width}x{size.height}", rate="30")
    show = ShowOptions(matte=str(path), matte_feather=3, strength="0: 0.5, 100%: 1.5")
    carry = replace(CARRY, loop=kind == "loop")
    settings = VideoSettings(DREAM, carry, ClipOptions(size="64", start="4", end="18"), show=show)
    whole = decode_output(render("whole.mp4", settings))
    for at in (3, 6, 9):
        render.interrupt("d.mp4", settings, at)
    assert decode_output(render("d.mp4", settings)) == whole


def test_a_changed_matte_is_refused(render: Rendering, film: Path) -> None:
    path = grey(render.folder / "m.png", halves(48, 64))
    settings = VideoSettings(DREAM, CARRY, show=ShowOptions(matte=str(path)))
    render.interrupt("d.mp4", settings, at=6, source=film)
    grey(path, 255 - halves(48, 64))
    with refused("matte"):
        render("d.mp4", settings, source=film)
    with refused("strength"):
        render("d.mp4", replace(settings, show=replace(settings.show, strength=0.5)), source=film)
    grey(path, halves(48, 64))
    render("d.mp4", settings, source=film)
    assert not job_folder_path(render.folder / "d.mp4").exists()
