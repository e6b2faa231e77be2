"""Settings over time: the meaning of keyframes and arithmetic, and their errors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import numpy as np
import pytest
from conftest import SAMPLE_CLIP, SAMPLE_STILL, CommandResult, make_texture, run_ffmpeg
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.options.declaration import resolve_field_types
from dreamflow.core.schedules.arithmetic import Expression
from dreamflow.core.schedules.functions import FUNCTIONS
from dreamflow.core.schedules.grammar import JOINING_WORDS, KNOWN_FUNCTIONS, KNOWN_VARIABLES
from dreamflow.core.schedules.schedule import LayerSchedule, Schedule
from dreamflow.core.schedules.timecode import Moment, Timecode, Timeline
from dreamflow.core.targets import Blend, Target
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.read import read_picture
from dreamflow.networks.network import Network
from dreamflow.pipelines.image import dream_image
from dreamflow.pipelines.settings.groups import saved_settings_dict
from dreamflow.pipelines.settings.presets import load_preset, validate_settings
from dreamflow.pipelines.settings.timeline import SettingsTimeline
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.temporal.options import CarryOptions

RATE = Fraction(24)
TEN_SECONDS = Timeline(RATE, Fraction(10))
Cli = Callable[..., CommandResult]


def at(text: str, seconds: float, timeline: Timeline = TEN_SECONDS) -> float:
    return Schedule(text).at(timeline.moment_at(Fraction(seconds)))


# --- keyframes

numbers = st.floats(0.01, 60, allow_nan=False).map(lambda value: float(f"{value:.4g}"))
keys = st.lists(
    st.tuples(st.integers(0, 240), numbers), min_size=1, max_size=6, unique_by=lambda key: key[0]
).map(sorted)


@given(keys, st.sampled_from(["", "linear, ", "smooth, ", "hold, "]))
def test_values_at_keyframes_are_exact(points: list[tuple[int, float]], usual: str) -> None:
    text = usual + ", ".join(f"{frame}: {value!r}" for frame, value in points)
    schedule = Schedule(text)
    for frame, value in points:
        assert schedule.at(TEN_SECONDS.moment_at(frame / RATE)) == value


@given(keys, st.sampled_from(["linear", "smooth"]))
def test_values_are_monotonic_between_keyframes(
    points: list[tuple[int, float]], curve: str
) -> None:
    schedule = Schedule(f"{curve}, " + ", ".join(f"{frame}: {v!r}" for frame, v in points))
    for (begin, one), (end, other) in pairwise(points):
        moments = [Fraction(begin) + Fraction((end - begin) * n, 16) for n in range(17)]
        values = [schedule.at(TEN_SECONDS.moment_at(moment / RATE)) for moment in moments]
        assert values == sorted(values, reverse=other < one)


def test_interpolations() -> None:
    assert at("0: 1, 4s: 3", 1) == 1.5
    assert at("0: 1 smooth, 4s: 3", 1) == 1 + 2 * (3 / 16 - 2 / 64)
    assert at("0: 1 hold, 4s: 3, 8s: 1", 3.99) == 1
    assert at("0: 1 hold, 4s: 3, 8s: 1", 6) == 2
    assert at("smooth, 0: 1, 4s: 3 linear, 8s: 1", 5) == 2.5


def test_times_are_frames_seconds_or_percent() -> None:
    text = "24: 1, 2s: 2, 0:03.5: 3, 50%: 4, 100%: 5"
    assert [at(text, s) for s in (0, 1, 2, 3.5, 5, 10, 11)] == [1, 1, 2, 3, 4, 5, 5]
    piece = Timeline(RATE, Fraction(10), offset=Fraction(4))
    assert at(text, 1, piece) == 4, "a part of a clip keeps the time of the whole"
    assert Timecode.parse("1:00:02.5") == Timecode(Fraction("3602.5"), "seconds")


# --- arithmetic


def test_arithmetic_with_time() -> None:
    assert at("1.5 + sin(2*pi*t)", 0.25) == 2.5
    assert at("0: 1, 100%: 1 + p", 10) == 2
    assert at("2^3 - 2**3 + max(p, 0.25, -1) * min(t, 8) / abs(-2)", 2) == 0.25
    assert at("0: t, 4s: 2 * t", 2) == 3, "keyframe values may depend on time"
    assert DreamOptions(step="3/2").step == 1.5, "a constant expression is a number"


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')", "t.real", "t.__class__", "(lambda: 1)()", "[1]", "1 if t", "t is p",
        "t in p", "t <> p", "t = 1", "sin", "sin()", "sin(t, p)", "min(t)", "sin(*t)", "sin(x=1)",
        "e(t)", "audio", "clamp(t)", "noise()", "pulse(1)", "saw(1, 2, 3)", "t if True else p",
        "open(t)", "eval(t)", "pi()", "f", "True", "None", "1j", "'a'", "b''", "t := 1", "~1",
        "5 % 2", "5 // 2", "1 << 9", "t @ p", "2t", "2(t)", "", "1e999", "1" * 5000,
        "0o0", "0x1f + t", "t * 0B1", "1_000", "1e1_0",
        "(" * 150 + ")" * 150, "-" * 190 + "x", "\N{GREEK SMALL LETTER PI}", "t\x00",
    ],
)  # fmt: skip
def test_only_the_grammar_is_accepted(text: str) -> None:
    with pytest.raises(SettingsError):
        DreamOptions(step=text)


@given(st.text("0123456789.+-*/^(), tpisncoabmx_ednrwlf<>=!", max_size=40))
@example("0o0")
@settings(max_examples=300)
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        expression = Expression(text)
    except SettingsError:
        return
    value = expression(TEN_SECONDS.moment_at(Fraction(5, 4)))
    assert isinstance(value, float)
    assert not math.isinf(value)
    words = {word for word in "".join(c if c.isalpha() else " " for c in text).split()}
    assert words <= {*KNOWN_VARIABLES, *KNOWN_FUNCTIONS, *JOINING_WORDS}


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9", "9^9^9^9 * t", "(-8) ^ 0.5", "1/0", "0 ^ -1", "log(0)", "log(-1)", "sqrt(-t)",
        "exp(1000)", "mod(1, 0)", "clamp(1, 3, 2)", "smoothstep(1, 1, t)", "saw(0)", "tri(0)",
        "square(0)", "pulse(0, 1)", "noise(1e308 * 10, 1)", "1e308 * 10", "1 / (1e308 * 10)",
        "max(1, log(0))", "(1 / 0) ^ 0", "1e308 * 10 > 1",
    ],
)  # fmt: skip
def test_what_has_no_value_is_not_a_number(text: str) -> None:
    assert math.isnan(Expression(text)(TEN_SECONDS.moment_at(Fraction(1))))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mod(7, 3) + mod(-1, 3)", 3), ("exp(0) + log(e) + log(exp(2))", 4), ("sqrt(16)", 4),
        ("floor(2.7) + ceil(2.2) + floor(-0.5)", 4), ("round(2.5) + round(-2.5) + round(1.4)", 2),
        ("tanh(0)", 0), ("tau / pi", 2), ("lerp(2, 6, 0.25)", 3), ("clamp(7, 0, 4)", 4),
        ("smoothstep(2, 6, 4)", 0.5), ("smoothstep(2, 6, 9) + smoothstep(2, 6, 1)", 1),
        ("smoothstep(6, 2, 3)", 0.84375), ("saw(4)", 0.25), ("saw(4, 3)", 0.75), ("tri(4, 1)", 0.5),
        ("tri(4, 3)", 0.5), ("tri(4, 2)", 1), ("square(4)", 1), ("square(4, 3)", 0),
        ("pulse(4, 1.5)", 1), ("pulse(4, 1)", 0), ("pulse(4, 1, 3)", 0), ("saw(1, -0.25)", 0.75),
        ("1 if t > 2 else 3", 3), ("2 if 0 < t <= 1 else 3", 2),
        ("1 if t == 1 and p < 1 else 0", 1),
        ("not t", 0), ("t != 1 or t >= 1", 1), ("(t < 1) + 2 * (p == 0.1)", 2),
        ("log(t - 1) if t > 1 else 5", 5), ("0 if t > 0 or log(0) else 1", 0),
        ("0 and log(0)", 0), ("-t ^ 2", -1),
    ],
)  # fmt: skip
def test_functions_comparisons_and_conditions(text: str, value: float) -> None:
    assert at(text, 1) == pytest.approx(value, abs=1e-12)
    assert at(f"0: 99 hold, 12: {text} smooth, 2s: 1", 0.5) == pytest.approx(at(text, 0.5))


def test_noise_is_smooth_and_repeats() -> None:
    times = np.arange(0, 10, 1 / 240)
    values = np.array([at("noise(7, 2)", float(time)) for time in times])
    assert values.min() >= 0
    assert values.max() < 1
    assert values.std() > 0.15
    assert np.abs(np.diff(values)).max() < 2 * 1.875 / 240, "at most the slope of the polynomial"
    assert np.abs(np.diff(values, 2)).max() < 4 * 5.78 / 240**2, "without a kink"
    assert at("noise(7, 2)", float(times[777])) == values[777]
    other = np.array([at("noise(8, 2)", float(time)) for time in times])
    assert abs(np.corrcoef(values, other)[0, 1]) < 0.6
    assert at("noise(7, 2, t)", 3.3) == at("noise(7, 2)", 3.3) == at("noise(7, 1, 2 * t)", 3.3)


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        ("saw(2)", False), ("saw(2, 1)", True), ("noise(1, 2)", False), ("noise(1, 2, 3)", True),
        ("pulse(1, 0.5)", False), ("2 if pi > 3 else 4", True), ("2 if p > 3 else 4", False),
        ("lerp(1, 2, e)", True), ("clamp(t, 0, 1)", False),
    ],
)  # fmt: skip
def test_what_depends_on_time_is_known(text: str, constant: bool) -> None:
    assert Expression(text).constant == constant


@pytest.mark.parametrize("unknown", ["smoothstpe(t)", "quux(t)", "t(2)", "lerp", "foo + 1"])
def test_an_unknown_name_lists_what_there_is(unknown: str) -> None:
    with pytest.raises(SettingsError) as error:
        Expression(unknown)
    listed = {name for name in FUNCTIONS if name in (error.value.allowed or "")}
    assert listed == {"t(2)": set(), "lerp": {"lerp"}}.get(unknown, set(FUNCTIONS))


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("smoothstpe(0, 1, t)", "smoothstep"), ("evn(t, 0, 1)", "env"), ("SIN(t)", "sin"),
        ("wher(t > 1, 1, 0)", "where"), ("random(3)", "noise"), ("ln(t)", "log"),
        ("cosine(t)", "cos"), ("smoth(t, 1)", "smooth"), ("audio.bas", "audio.bass"),
        ("AUDIO.LOUD", "audio.loud"), ("beats", "beat"),
    ],
)  # fmt: skip
def test_an_unknown_name_brings_the_nearest(unknown: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as error:
        Expression(unknown)
    assert f"did you mean {nearest}?" in error.value.message


def test_what_is_computed_is_the_branch_that_counts() -> None:
    assert at("where(t > 1, log(t), 5)", 0) == 5
    assert at("where(t > 1, log(t), 5)", 2) == math.log(2)
    assert at("where(0, 1 / 0, where(3, t, 1 / 0))", 4) == 4
    assert not Expression("where(t > 1, 2, 3)").constant
    assert DreamOptions(step="where(2 > 1, 2, 3)").step == 2


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("1 / (t - 5)", 0), ("9 + log(5 - t)", 120), ("2 + 0 * sqrt(3 - t)", 73),
        ("0: 2, 10s: 1 + 0 * exp(100 * t)", 171), ("1 if t < 9 else log(0)", 216),
    ],
)  # fmt: skip
def test_a_value_that_is_missing_somewhere_names_the_frame(text: str, where: int) -> None:
    with pytest.raises(SettingsError) as error:
        DreamOptions(step=text).check_schedules(TEN_SECONDS)
    assert error.value.setting == "step"
    assert f"(frame {where})" in str(error.value.where)


# --- settings


def test_all_schedulable_settings_accept_schedules() -> None:
    for group in (DreamOptions, CarryOptions):
        hints = resolve_field_types(group)
        for setting in fields(group):
            kinds = get_args(hints[setting.name])
            number = {int, float} & set(kinds) if NoneType not in kinds else set()
            scheduled = setting.metadata["scheduled"]
            assert scheduled == (bool(number) or setting.name == "layer"), setting.name
            assert bool(number) == (Any in kinds), setting.name


def test_options_at_a_moment_hold_plain_values() -> None:
    options = DreamOptions(step="0: 1, 4s: 3", iterations="0: 2, 4s: 5", octaves=2)
    now = options.at(TEN_SECONDS.moment_at(Fraction(1)))
    assert (now.step, now.iterations, now.octaves) == (1.5, 3, 2)
    assert isinstance(now.iterations, int)
    assert not now.schedules
    assert now.at(Moment()) is now
    assert options.at(Moment()).step == 1, "without a timeline the start counts"
    assert DreamOptions(step=Schedule("0: 1, 4s: 3")) == DreamOptions(step="0: 1, 4s: 3")


layers = st.sampled_from(["conv2/norm2", "conv2/3x3=0.5 + inception_3a/1x1=1", "pool2/3x3_s2"])
schedules = keys.map(lambda points: ", ".join(f"{frame}: {v!r}" for frame, v in points))


@given(schedules, st.lists(layers, min_size=1, max_size=3), st.sampled_from(["smooth, ", ""]))
@settings(max_examples=40)
def test_schedules_survive_presets_and_records(
    tmp_path_factory: pytest.TempPathFactory, text: str, blends: list[str], usual: str
) -> None:
    layer = usual + ",  ".join(f"{10 * n}%:{blend}" for n, blend in enumerate(blends))
    options = DreamOptions(step=usual + text, layer=(layer,))
    carry = CarryOptions(stability="0.5 + 0.4*sin(t)")
    record = json.loads(json.dumps(saved_settings_dict(options, carry)))
    assert record["step"] == usual + text
    assert record["layer"] == [layer]
    again = validate_settings(record, "record")
    assert DreamOptions(**{f.name: again[f.name] for f in fields(DreamOptions)}) == options
    assert CarryOptions(**{f.name: again[f.name] for f in fields(CarryOptions)}) == carry
    path = tmp_path_factory.mktemp("presets") / "mine.toml"
    path.write_text(f"step = {json.dumps(usual + text)}\nlayer = {json.dumps(layer)}\n")
    assert DreamOptions(**load_preset(str(path))[1]) == options


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("step", "0: 1, 4s: x", r"step, keyframe 2 \(4s: x\): 'x' is not known; known are t, p"),
        ("step", "4s: 1, 2s: 2", r"keyframe 2 \(2s: 2\): it comes before keyframe 1 \(4s: 1\)"),
        ("step", "4s: 1, 96: 2, 4s: 3", r"keyframe 3 \(4s: 3\): keyframe 1 \(4s: 1\) is at the"),
        (
            "step",
            "0: 1, 4m: 2",
            "keyframe 2 .*: '4m' is not a time: write 48 .*, 2s, 1:02.5, 40%, 8b .* or 2bar",
        ),
        ("step", "0: 1, 101%: 2", "keyframe 2 .*: it is past the end, which is 100%"),
        ("step", "0: 1, 4s: 65", "keyframe 2 .*: 65 is out of range: .* above 0 and at most 64"),
        ("step", "0: 1, 4s: 1e999", "keyframe 2 .*: a number in it is not finite"),
        ("step", "0: 1, 4s: 1/0", "keyframe 2 .*: it has no value"),
        ("step", "0: 1 smoth, 4s: 1", "'smoth' is not .*; did you mean smooth"),
        ("step", "smoth, 0: 1, 4s: 1", r"keyframe 1 \(smoth\): .*; did you mean smooth"),
        ("step", "0: 1 bouncy, 4s: 1", "keyframe 1 .*: 'bouncy' is not linear, smooth or hold"),
        ("step", "0: 1,, 4s: 1", "keyframe 2 .*write TIME: VALUE"),
        ("step", "smooth", "has no keyframe"),
        ("step", "9**9**9", "has no value, or too large a one"),
        ("iterations", "2.5", "iterations '2.5' is not a whole number"),
        ("layer", "0: a, 3s: b=x", r"layer, keyframe 2 \(3s: b=x\): layer 'b=x': write NAME=W"),
        ("layer", ("0: a, 3s: b", "c"), "layer, a schedule of layers stands alone"),
    ],
)
def test_an_error_in_a_schedule_names_its_keyframe(name: str, text: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        DreamOptions(**{name: text})
    assert raised.value.setting == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0: 1, 11s: 2", r"step, keyframe 2 \(11s: 2\): it is past the end, 10.00 s"),
        ("6s: 1, 50%: 2", "keyframe 2 .*: it comes before keyframe 1"),
        ("5s: 1, 120: 2, 50%: 3", "keyframe 2 .* is at the same time"),
        ("sin(t)", r"step, value 'sin\(t\)', at 0.00 s \(frame 0\): 0 is out of range"),
        ("0: 1, 4s: 3 - t", "keyframe 2 .*, at 3.25 s .frame 78.: -0.25 is out of range"),
        ("1 / (t - 5)", "at 0.00 s .frame 0.: -0.2 is out of range"),
        ("9 + 1 / (t - 5)", "at 4.92 s .frame 118.: -3 is out of range"),
    ],
)
def test_a_schedule_is_checked_over_the_whole_timeline(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        DreamOptions(step=text).check_schedules(TEN_SECONDS)
    assert raised.value.where
    assert raised.value.where in str(raised.value)


def test_a_part_of_a_clip_may_end_before_its_schedule() -> None:
    part = Timeline(RATE, Fraction(2), is_partial=True)
    with pytest.warns(DreamFlowWarning, match="keyframe 2 .* past the end, 2.00 s; not reached"):
        DreamOptions(step="0: 1, 4s: 3").check_schedules(part)
    assert open_clip(SAMPLE_CLIP, end="2s").timeline.is_partial
    whole = open_clip(SAMPLE_CLIP)
    assert whole.timeline == Timeline(whole.rate, whole.length)
    assert whole.subclip(24, 30).timeline.offset == 1


# --- layers


def test_layers_are_cross_faded() -> None:
    schedule = LayerSchedule(("0: a=3 + b=4, 4s: c hold, 6s: d",))
    blend_at = {s: schedule.at(TEN_SECONDS.moment_at(Fraction(s))) for s in (0, 2, 5, 9)}
    assert blend_at[0].texts == ("a=3.0", "b=4.0")
    assert blend_at[2].targets == (Target("a"), Target("b"), Target("c"))
    assert blend_at[5].texts == ("c=1.0",)
    assert blend_at[9].texts == ("d=1.0",)
    assert schedule.layers == ("a", "b", "c", "d")


@given(st.floats(0, 1))
def test_a_cross_fade_turns_at_a_constant_rate(share: float) -> None:
    mixed = Blend({Target("a"): 2.0}).cross_fade(Blend({Target("b"): 7.0}), share)
    assert mixed
    angle = math.atan2(*(mixed.weights.get(Target(name), 0) for name in ("b", "a")))
    assert angle == pytest.approx(share * math.pi / 2, abs=1e-5)


def stills(count: int, side: int = 64, rate: int = 8) -> tuple[list[Frame], Timeline]:
    picture = make_texture(side, side)
    frames = [Frame(n, Fraction(n, rate), picture) for n in range(count)]
    return frames, Timeline(Fraction(rate), Fraction(count, rate))


FADE = "0: conv1/7x7_s2, 1s: conv1/7x7_s2, 2s: conv2/3x3, 3s: conv2/3x3"


def test_a_faded_dream_changes_evenly_and_loses_the_old_layer(noise_network: Network) -> None:
    frames, timeline = stills(25)
    options = DreamOptions(layer=(FADE,), octaves=2, jitter=8)
    dreams = [
        dreamed.picture.astype(float)
        for dreamed in dream_video(frames, noise_network, None, options, timeline=timeline)
    ]
    fading = [np.abs(b - a).mean() for a, b in pairwise(dreams[8:17])]
    assert max(fading) < 2 * np.median(fading)
    source = frames[0].picture.astype(float)
    old, new = (
        dream_image(frames[0].picture, noise_network, layer, DreamOptions(octaves=2)) - source
        for layer in ("conv1/7x7_s2", "conv2/3x3")
    )

    def likeness(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])

    begun, ended = dreams[8] - source, dreams[-1] - source
    assert likeness(begun, old) > 0.8 > likeness(begun, new)
    assert likeness(ended, new) > 0.7
    assert likeness(ended, old) < likeness(new, old) + 0.05, (
        "no more than any dream of the new layer"
    )
    strengths = [float((dreamed - source).std()) for dreamed in dreams[8:17]]
    lowest = min(strengths[0], strengths[-1])
    assert min(strengths) > 0.85 * lowest, "the strength does not dip in the middle"


def test_held_layers_change_at_once(noise_network: Network) -> None:
    frames, timeline = stills(6, rate=2)
    options = DreamOptions(
        layer=("hold, 0: conv1/7x7_s2, 1s: conv2/3x3",), octaves=1, iterations=3, jitter=8
    )
    dreams = list(dream_video(frames, noise_network, None, options, timeline=timeline))
    alone = dream_image(frames[0].picture, noise_network, "conv2/3x3", options, frame_index=2)
    assert np.array_equal(dreams[2].picture, alone)


def test_the_strength_of_a_dream_follows_its_step(noise_network: Network) -> None:
    frames, timeline = stills(48)
    options = DreamOptions(layer=("conv2/3x3",), step="0: 0.5, 2s: 3, 4s: 3, 4.5s: 0.5", octaves=2)
    carry = CarryOptions(carry_step=0.3)
    source = frames[0].picture.astype(float)
    strengths = [
        float(np.abs(dreamed.picture - source).mean())
        for dreamed in dream_video(frames, noise_network, None, options, carry, timeline=timeline)
    ]
    assert strengths[31] > 2 * strengths[0]
    assert strengths[-1] < 0.6 * strengths[31]


def test_scheduled_zero_iterations_show_the_source(noise_network: Network) -> None:
    frames, timeline = stills(4, rate=1)
    options = DreamOptions(layer=("conv2/3x3",), iterations="hold, 0: 2, 1: 0, 2: 2", octaves=1)
    dreams = list(dream_video(frames, noise_network, None, options, timeline=timeline))
    same = [np.array_equal(dreamed.picture, frames[0].picture) for dreamed in dreams]
    assert same == [False, True, False, False]


def test_frames_too_small_for_a_later_layer_are_refused_at_the_first(
    noise_network: Network,
) -> None:
    frames, timeline = stills(4, side=12, rate=1)
    course = SettingsTimeline(
        noise_network,
        DreamOptions(layer=("0: conv1/7x7_s2, 3s: inception_5b/output",)),
        CarryOptions(),
        timeline,
    )
    with pytest.raises(SettingsError, match="too small for inception_5b/output"):
        course.check_size(*frames[0].picture.shape[:2])


def test_schedules_need_a_timeline(noise_network: Network) -> None:
    frames, _ = stills(2)
    with pytest.raises(SettingsError, match="needs the rate and length of the clip"):
        next(dream_video(frames, noise_network, None, DreamOptions(step="0: 1, 1s: 2")))


# --- the command line

FAST = ("--size", "64", "--octaves", "2", "--jitter", "8")
MOVING = (
    *("--layer", "0: conv1/7x7_s2, 75%: conv2/3x3", "--iterations", "0: 2, 100%: 5"),
    *("--decay", "0.9 - 0.1*p"),
)


def test_preview_and_like_follow_schedules_as_the_video_does(tmp_path: Path, cli: Cli) -> None:
    clip = tmp_path / "clip.mp4"
    run_ffmpeg("-i", SAMPLE_CLIP, "-an", "-vf", "scale=64:36", "-frames:v", "8", clip)
    run = cli("video", clip, tmp_path / "a", *FAST, *MOVING)
    assert run.code == 0
    assert run.err == ""
    preview = ("--at", "5", "--run-in", "5")
    assert cli("frame", clip, tmp_path / "f.png", *FAST, *MOVING, *preview).code == 0
    shown = read_picture(tmp_path / "a" / "frame_000005.png")
    assert np.array_equal(read_picture(tmp_path / "f.png"), shown)
    assert cli("video", clip, tmp_path / "b.mkv", "--like-all", tmp_path / "a").code == 0
    record = json.loads((tmp_path / "b.mkv.json").read_text())["settings"]
    assert record["iterations"] == "0: 2, 100%: 5"
    assert record["decay"] == "0.9 - 0.1*p"
    assert record["layer"] == ["0: conv1/7x7_s2, 75%: conv2/3x3"]


def test_a_picture_uses_the_start_of_a_schedule(tmp_path: Path, cli: Cli) -> None:
    run = cli("frame", SAMPLE_STILL, tmp_path / "f.png", *FAST, *MOVING)
    assert run.code == 0
    assert "a picture has no time" in run.err
    plain = ("--layer", "conv1/7x7_s2", "--iterations", "2")
    cli("frame", SAMPLE_STILL, tmp_path / "g.png", *FAST, *plain)
    assert np.array_equal(read_picture(tmp_path / "f.png"), read_picture(tmp_path / "g.png"))


def test_an_unknown_layer_in_a_schedule_names_the_keyframe(tmp_path: Path, cli: Cli) -> None:
    layer = "0: conv2/3x3, 1s: inception_9z/output"
    run = cli("video", SAMPLE_CLIP, tmp_path / "x.mp4", "--layer", layer)
    assert run.code == 1
    assert not list(tmp_path.iterdir())
    assert "--layer, keyframe 2 (1s: inception_9z/output): pocket has no layer" in run.err
