"""Colours survive reading and writing: matrices, ranges, HDR, interlaced and transparent video.

Outputs are decoded with the ffmpeg binary, not with DreamFlow's own decoders.
"""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import SHARED_DIR, decode_with_ffmpeg, make_texture, run_ffmpeg
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.jobs.output_writer import write_video
from dreamflow.media.colour.hdr_tone_mapping import (
    HdrTransfer,
    hlg_to_scene_light,
    pq_to_nits,
    rgb_to_xyz_matrix,
    tone_map_luma,
)
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip

WIDTH, HEIGHT = 96, 64


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth, since subsampled chroma loses detail; and away from the edges of the gamut."""
    smooth = cv2.GaussianBlur(make_texture(HEIGHT, WIDTH), (0, 0), 4)
    path = tmp_path_factory.mktemp("picture") / "p.png"
    cv2.imwrite(str(path), (40 + smooth * 0.7).astype(np.uint8))
    return path


BT2020_FILTER = "zscale=min=gbr:rin=pc:pin=bt709:tin=bt709:m=2020_ncl:p=2020:t=2020_10:r={range}"
KINDS = [
    # Matrix, range, chroma subsampling, and whether they are tagged.
    *((m, r, p, True) for m in ("bt709", "smpte170m") for r in ("tv", "pc") for p in (420, 444)),
    *(("smpte170m", "tv", pixels, False) for pixels in (420, 444)),
    *(("bt2020", span, pixels, True) for span in ("tv", "pc") for pixels in (420, 444)),
]


@pytest.mark.parametrize(("matrix", "span", "pixels", "tagged"), KINDS)
def test_a_copied_video_keeps_its_colours(
    tmp_path: Path, picture: Path, matrix: str, span: str, pixels: int, tagged: bool
) -> None:
    """Mean error below 1.5 levels of 255, and of a channel's mean below 0.3."""
    if matrix == "bt2020":
        filters = f"format=gbrp,{BT2020_FILTER.format(range=span)},format=yuv{pixels}p10le"
    else:
        filters = f"scale=out_color_matrix={matrix}:out_range={span},format=yuv{pixels}p"
        filters += f",setparams=colorspace={matrix}:range={span}" if tagged else ""
    codec = ("-c:v", "libx265", "-x265-params", "lossless=1:log-level=none")
    video = tmp_path / "in.mkv"
    run_ffmpeg("-loop", "1", "-i", picture, "-frames:v", "2", "-vf", filters, *codec, video)
    if not tagged:
        bare = "hevc_metadata=matrix_coefficients=2:colour_primaries=2:transfer_characteristics=2"
        run_ffmpeg("-i", video, "-c", "copy", "-bsf:v", bare, tmp_path / "bare.mkv")
        video = tmp_path / "bare.mkv"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "in.mkv has a wide gamut", DreamFlowWarning)
        clip = open_clip(video)
    write_video(tmp_path / "out.mp4", clip, clip, crf=4)
    decoded = decode_with_ffmpeg(tmp_path / "out.mp4")
    error = decoded[0].astype(float) - cv2.imread(str(picture))[..., ::-1]
    assert len(decoded) == 2
    assert np.abs(error).mean() < 1.5
    # ffmpeg's own conversion to full range, which made the source, is up to a level off.
    assert np.abs(error.mean(axis=(0, 1))).max() < (1 if span == "pc" else 0.3)


# --- HDR and wide gamuts


def test_hdr_transfer_functions_match_the_standards() -> None:
    """BT.2100's table 4 and BT.2408's table 1: HLG 75% and PQ 58% are the same white."""
    assert pq_to_nits([0, 0.5081, 0.5807, 1]) == pytest.approx([0, 100, 203, 10_000], rel=2e-3)
    assert hlg_to_scene_light([0, 0.5, 0.75, 1]) == pytest.approx([0, 1 / 12, 0.265, 1], abs=1e-3)
    assert 1000 * hlg_to_scene_light(0.75) ** 1.2 == pytest.approx(203, rel=5e-3)


def test_the_matrix_from_bt2020_to_bt709_is_that_of_bt2407() -> None:
    """ITU-R BT.2407, section 2."""
    matrix = np.linalg.inv(rgb_to_xyz_matrix(1)) @ rgb_to_xyz_matrix(9)
    known = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    assert np.abs(matrix - known).max() < 2e-4


@given(st.floats(200, 10_000))
def test_the_tone_curve_rises_from_black_to_white(peak: float) -> None:
    curve = tone_map_luma(np.linspace(0, 1, 1000), peak)
    assert curve[0] == 0
    assert curve[-1] == pytest.approx(1)
    assert (np.diff(curve) > 0).all()


@given(st.integers(0, 65535), st.sampled_from(["PQ", "HLG", "SDR"]), st.sampled_from([1, 9, 12]))
def test_grey_stays_grey(level: int, transfer: str, primaries: int) -> None:
    grey = np.full((1, 1, 3), level, np.uint16)
    picture = HdrTransfer(primaries, transfer).to_sdr(grey)[0, 0].astype(int)
    assert picture.max() - picture.min() <= 1


def test_sdr_bt709_is_unchanged() -> None:
    levels = np.repeat(np.arange(256, dtype=np.uint16)[None, :, None] * 257, 3, axis=2)
    assert np.abs(HdrTransfer(1).to_sdr(levels)[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@given(st.lists(st.floats(0.02, 1), min_size=3, max_size=3))
def test_the_same_light_in_pq_and_hlg_looks_the_same(scene: list[float]) -> None:
    light = np.array(scene)
    nits = 1000 * light * float(rgb_to_xyz_matrix(9)[1] @ light) ** 0.2
    codes = np.arange(65536) / 65535
    hlg = np.interp(light, hlg_to_scene_light(codes), codes)
    pq = np.interp(nits, pq_to_nits(codes), codes)
    pictures = [
        HdrTransfer(9, transfer).to_sdr((65535 * signal).round().astype(np.uint16)[None, None])
        for transfer, signal in (("HLG", hlg), ("PQ", pq))
    ]
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 2


def test_pq_video_is_tone_mapped_for_its_declared_peak(tmp_path: Path) -> None:
    """Of grey patches up to 400 nits the brightest is SDR white where 400 nits are declared."""
    signal = np.interp([0, 26, 203, 400], pq_to_nits(np.arange(4096) / 4095), np.arange(4096))
    patches = np.repeat((signal / 4095 * 65535).astype(np.uint16), 16)[None].repeat(32, axis=0)
    cv2.imwrite(str(tmp_path / "p.png"), np.repeat(patches[..., None], 3, axis=2))
    levels: dict[str, np.ndarray] = {}
    for name, peak in (("undeclared", ""), ("400 nits", ":max-cll=400,100")):
        video = tmp_path / f"{name}.mkv"
        tags = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:log-level=none:lossless=1"
        run_ffmpeg(
            *("-i", tmp_path / "p.png", "-vf"),
            "scale=out_color_matrix=bt2020:out_range=tv,format=yuv420p10le",
            *("-c:v", "libx265", "-x265-params", tags + peak, video),
        )
        with pytest.warns(DreamFlowWarning, match=r"is HDR \(PQ\): it is tone-mapped to SDR"):
            levels[name] = next(iter(open_clip(video))).picture[16, 8::16].astype(int)
    for greys in levels.values():
        assert (np.ptp(greys, axis=1) <= 2).all(), "grey is grey"
        assert (np.diff(greys[:, 1]) > 10).all()
        assert greys[0].max() <= 1
    assert levels["400 nits"][3].min() >= 254
    assert 180 < levels["undeclared"][3].max() < 240, "brighter light has room above"


@pytest.mark.clips
@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("colorchart_hlg10_1080p.mp4", r"HDR \(HLG\): it is tone-mapped"),
        ("bracelet_hlg10_rotate90.mp4", r"HDR \(HLG\): it is tone-mapped"),
        ("roadtrip_vp9_10bit_bt2020.webm", "wide gamut"),
    ],
)
def test_real_hdr_and_wide_gamut_clips_warn_once(clips: Path, name: str, warning: str) -> None:
    with pytest.warns(DreamFlowWarning, match=warning) as warned:
        clip = open_clip(clips / name, end="2")
    assert len(warned) == 1
    assert len(list(clip)) == 2


@pytest.mark.clips
def test_an_hdr_colour_chart_is_neither_flat_nor_burnt_out(clips: Path) -> None:
    """Its greys are neutral, in order and distinct; its red patch is red."""
    with pytest.warns(DreamFlowWarning, match="HDR"):
        picture = next(iter(open_clip(clips / "colorchart_hlg10_1080p.mp4"))).picture.astype(int)
    greys = [picture[830:880, x : x + 60].mean(axis=(0, 1)) for x in (270, 510, 750, 1000, 1240)]
    means = [float(grey.mean()) for grey in greys]
    assert all(brighter - darker > 8 for brighter, darker in itertools.pairwise(means))
    assert means[0] < 253
    assert all(np.ptp(grey) < 16 for grey in greys)
    red = picture[590:640, 750:810].mean(axis=(0, 1))
    assert red[0] > 180
    assert red[1:].max() < 90, "clipped, it would be (196, 97, 74)"


# --- interlaced video


def combing(picture: np.ndarray) -> float:
    """Return how much rows differ from both neighbours, over the difference two rows away."""
    rows = picture.astype(float).mean(axis=2)
    near = np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean()
    return float(near / np.abs(rows[2:] - rows[:-2]).mean())


@pytest.fixture(scope="module")
def interlaced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that moves 6 pixels a field."""
    folder = tmp_path_factory.mktemp("interlaced")
    cv2.imwrite(str(folder / "p.png"), cv2.GaussianBlur(make_texture(96, 640), (0, 0), 2))
    run_ffmpeg(
        *("-loop", "1", "-framerate", "50", "-i", folder / "p.png", "-vf"),
        "crop=128:96:6*n:0,interlace=scan=tff:lowpass=off,format=yuv420p",
        *("-frames:v", "24", "-c:v", "libx264", "-x264-params", "tff=1:keyint=6:log=-1"),
        *("-crf", "4", folder / "f.mp4"),
    )
    return folder / "f.mp4"


def test_interlaced_video_is_deinterlaced(interlaced: Path) -> None:
    with pytest.warns(DreamFlowWarning, match="is interlaced: it is deinterlaced"):
        clip = open_clip(interlaced)
    frames = list(clip)
    assert [frame.index for frame in frames] == list(range(24))
    assert [frame.time for frame in frames] == [n / clip.rate for n in range(24)]
    with av.open(str(interlaced)) as container:
        raw = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert combing(raw[12]) > 1.2 > 0.7 > combing(frames[12].picture)


def test_a_span_of_interlaced_video_has_the_same_pictures(interlaced: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)
        whole = [frame.picture for frame in open_clip(interlaced)]
        for first in (1, 6, 7, 12, 23):
            part = list(open_clip(interlaced, start=first))
            assert len(part) == 24 - first
            assert all(np.array_equal(frame.picture, whole[frame.index]) for frame in part)


@pytest.mark.clips
@pytest.mark.parametrize(
    "name",
    [
        "clips/desk_interlaced_h264.mp4",
        "clips/bars_prores422hq_interlaced.mov",
        "hostile/interlaced_made.mpg",
    ],
)
def test_real_interlaced_clips_keep_their_frames(name: str) -> None:
    """OpenCV 5.0 gives black ones for the first two, without an error."""
    with pytest.warns(DreamFlowWarning, match="interlaced"):
        clip = Clip(SHARED_DIR / name)
    frames = list(clip)
    assert len(frames) == len(clip)
    assert frames[-1].picture.std() > 30


# --- transparent video


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-lossless", "1")),
        (".mov", ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le")),
        (".mov", ("-c:v", "qtrle", "-pix_fmt", "argb")),
    ],
)
def test_transparency_is_composited_over_black(
    tmp_path: Path, suffix: str, options: tuple[str, ...]
) -> None:
    """A white picture, its left half transparent and its right half half so."""
    painted = np.full((48, 64, 4), 255, np.uint8)
    painted[:, :32, 3], painted[:, 32:, 3] = 0, 128
    cv2.imwrite(str(tmp_path / "p.png"), painted)
    video = tmp_path / f"f{suffix}"
    run_ffmpeg("-loop", "1", "-i", tmp_path / "p.png", "-frames:v", "2", *options, video)
    with pytest.warns(DreamFlowWarning) as warned:
        frames = list(open_clip(video))
    assert any("has transparency" in str(one.message) for one in warned)
    assert len(frames) == 2
    left, right = frames[1].picture[:, 2:28], frames[1].picture[:, 36:62]
    assert left.max() <= 2
    assert np.abs(right.astype(int) - 128).max() <= 3
