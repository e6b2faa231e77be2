"""Targets: channels, classes, picks and references, from their text to the dream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import (
    SAMPLE_CLIP,
    SAMPLE_STILL,
    SHARED_DIR,
    CommandResult,
    make_texture,
    random_classifier,
    random_weights,
)
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import dreamflow
from dreamflow.core.errors import DreamFlowWarning, MediaError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.machine.memory import MB
from dreamflow.core.schedules.keyframe_text import map_targets
from dreamflow.core.schedules.schedule import LayerSchedule
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.core.targets import (
    CLASS_LAYER,
    PICK_KINDS,
    Blend,
    ChannelPick,
    Target,
    parse_blend,
    parse_target,
)
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective.channel_picks import measure_channel_responses, pick_channels
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.objective.reference import MAX_REFERENCE_VECTORS, ReferenceFeatures
from dreamflow.dream.octaves import dream_octaves, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.renders.render_video import render_video
from dreamflow.jobs.storage.folder import job_folder_path
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.records.embedded_settings import read_record
from dreamflow.media.stills.read import read_picture
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.classes import (
    IMAGENET_CLASS_GROUPS,
    find_class_group,
    find_class_index,
    load_class_names,
    search_classes,
)
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import apply_channel_picks, make_channel_picks
from dreamflow.pipelines.image import dream_image
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import SweepOptions
from dreamflow.pipelines.settings.presets import load_preset
from dreamflow.pipelines.sweep.pipeline import dream_sweep
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.pipelines.video.reference_frames import ReferenceFrames, open_reference_frames
from dreamflow.temporal.options import CarryOptions

Cli = Callable[..., CommandResult]
LAYER = "inception_3b/output"
FAST = ("--size", "64", "--octaves", "1", "--iterations", "1")


@pytest.fixture(scope="module")
def classifying_network() -> Network:
    """A network of random weights with a classifier of random weights."""
    return googlenet.build_googlenet(random_weights() | random_classifier())


# --- text

layers = st.sampled_from(["conv2/3x3", "inception_4c/output", "features.3", "2", "layer1.0.add"])
channels = st.sets(st.integers(0, 1200), min_size=1, max_size=12)
picks = st.builds(ChannelPick, st.sampled_from(PICK_KINDS), st.integers(1, 900))
class_words = st.sampled_from(["tabby", "Egyptian cat", "jack-o'-lantern", "black-footed ferret"])
targets = st.one_of(
    st.builds(Target, layers),
    st.builds(lambda layer, found: Target(layer, tuple(sorted(found))), layers, channels),
    st.builds(lambda layer, picked: Target(layer, pick=picked), layers, picks),
    st.builds(
        lambda found, names: Target(CLASS_LAYER, tuple(sorted(found)), tuple(names)),
        channels,
        st.lists(class_words, unique=True),
    ),
)


@given(targets)
def test_a_target_survives_formatting_and_parsing(target: Target) -> None:
    assert parse_target(str(target)) == target
    spaced = str(target).replace(":", " : ")
    assert parse_target(spaced) == target


@given(st.lists(targets, min_size=2, max_size=4, unique_by=str), st.data())
def test_targets_are_parsed_in_schedules_and_blends(
    found: list[Target], data: st.DataObject
) -> None:
    curve = data.draw(st.sampled_from(["", " smooth", " hold"]))
    weight = data.draw(st.sampled_from([1.0, -0.5]))
    keyframes: list[str] = []
    for time, target in zip(["0", "1:02.5", "1:00:04", "95%"], found, strict=False):
        # A layer of digits right behind a time with a colon would be read as a part of it.
        space = " " if target.layer.isdigit() else data.draw(st.sampled_from(["", " "]))
        keyframes.append(f"{time}:{space}{target}={weight} + conv1/7x7_s2=2{curve}")
    text = ", ".join(keyframes)
    schedule = LayerSchedule((text,))
    blends = tuple(Blend({target: weight, Target("conv1/7x7_s2"): 2.0}) for target in found)
    assert schedule.blends == blends
    assert all(
        keyframe.interpolation == (curve.strip() or "linear") for keyframe in schedule.keyframes
    )
    assert LayerSchedule(map_targets([text], lambda target: target)).blends == blends
    assert LayerSchedule((f"smooth, {text}",)).blends == blends
    assert parse_blend([f"{t}={weight}" for t in found]).targets == tuple(found)


def test_channels_ranges_and_classes_are_parsed() -> None:
    assert parse_target("a/b:3:7:10-12").channels == (3, 7, 10, 11, 12)
    assert str(parse_target("a:7:3:4:5:3")) == "a:3-5:7"
    assert parse_target("class:151-153:tiger  cat") == Target(
        CLASS_LAYER, (151, 152, 153), ("tiger cat",)
    )
    assert parse_target("a:strongest5") == parse_target("a:strongest 5")
    assert LayerSchedule(("a:61",)).targets == (Target("a", (61,)),), "a is no time"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:", "'' is no channel; write a:61, a:10-20, a:3:7:61 or a:strongest 5"),
        ("a:x", "'x' is no channel"),
        ("a:-3", "'-3' is no channel"),
        ("a:9-3", "'9-3' is no channel"),
        ("a:0-99999999999", "is no channel"),
        ("a:strongest 0", "'strongest 0' is no channel"),
        ("a:3:strongest 5", "'strongest 5' is no channel"),
        (":61", "names no layer"),
        ("class:", "is no channel"),
    ],
)
def test_wrong_targets_are_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        parse_target(text)
    assert (raised.value.setting, raised.value.value) == ("layer", text)


def test_errors_explain_how_channels_are_written() -> None:
    with pytest.raises(SettingsError, match="separated by colons, conv2/3x3:3:7:61"):
        DreamOptions(layer=("conv2/3x3:3,7,61",))
    with pytest.raises(SettingsError, match="channels 'best 5': write strongest 5, weakest 5 or"):
        DreamOptions(channels="best 5")
    with pytest.raises(SettingsError, match="twice"):
        parse_blend(["a:3:4", "a:4:3"])


# --- objectives


@pytest.fixture(scope="module")
def pocket() -> Network:
    return load_network("pocket", device="cpu")


def dreamed_on(network: Network, *targets: str, iterations: int = 8) -> tuple[Tensor, Tensor]:
    """Return an image and its dream."""
    image = picture_to_tensor(make_texture(96, 96))
    plan = plan_octaves(DreamOptions(octaves=1, iterations=iterations))
    return image, dream_octaves(image, Objective.parse(network, targets), plan, 8, (0, 0))


@pytest.mark.parametrize("layer", ["conv2/3x3", "inception_3a/output", LAYER])
def test_the_target_channel_rises_most(pocket: Network, layer: str) -> None:
    image = picture_to_tensor(make_texture(96, 96))
    for wanted in pick_channels(pocket, layer, ChannelPick("strongest", 3), image, 0):
        before, after = (
            measure_channel_responses(pocket, layer, seen)
            for seen in dreamed_on(pocket, f"{layer}:{wanted}")
        )
        assert int((after - before).argmax()) == wanted
        assert after[wanted] > 1.5 * before[wanted]


def test_all_channels_by_number_equal_the_layer(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(64, 64))
    count = noise_network.layer("conv2/3x3").channels
    whole = Objective.parse(noise_network, ["conv2/3x3"])
    named = Objective.parse(noise_network, [f"conv2/3x3:0-{count - 1}"])
    torch.testing.assert_close(named.gradient(image), whole.gradient(image))
    assert named.value(image) == pytest.approx(whole.value(image))


def test_the_gradient_of_a_channel_is_normalised(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(64, 64))
    for target in ("conv2/3x3", "conv2/3x3:5", "conv2/3x3:5=-0.2"):
        gradient = Objective.parse(noise_network, [target]).gradient(image)
        assert float(gradient.abs().mean()) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("carry", [True, False])
def test_a_channel_without_response_is_warned_of_once(carry: bool) -> None:
    weights = random_weights()
    weights["conv2/3x3.bias"][7] = -1e9
    deaf = googlenet.build_googlenet(weights)
    options = DreamOptions(octaves=1, iterations=1)
    picture = make_texture(64, 64)
    with pytest.warns(DreamFlowWarning, match="nothing of conv2/3x3:7 responds to the picture"):
        same = dream_image(picture, deaf, "conv2/3x3:7", options)
    assert np.array_equal(same, picture)
    frames = [Frame(number, Fraction(number, 8), picture) for number in range(3)]
    with pytest.warns(DreamFlowWarning, match="nothing of conv2/3x3:7 responds") as told:
        list(dream_video(frames, deaf, "conv2/3x3:7", options, CarryOptions(carry=carry)))
    assert len(told) == 1


def test_channels_of_one_layer_have_their_own_weights(pocket: Network) -> None:
    image = picture_to_tensor(make_texture(96, 96))
    one, other = pick_channels(pocket, LAYER, ChannelPick("strongest", 2), image, 0)
    both = [f"{LAYER}:{one}=1", f"{LAYER}:{other}=-1"]
    assert Objective.parse(pocket, both).layers == (LAYER,)
    before, after = (
        measure_channel_responses(pocket, LAYER, seen) for seen in dreamed_on(pocket, *both)
    )
    assert after[one] > 1.2 * before[one]
    assert after[other] < 0.9 * before[other]


def test_the_target_class_rises_most(classifying_network: Network) -> None:
    classes = [281, 605, 7]
    rises: list[Tensor] = []
    for number in classes:
        image, dreamed = dreamed_on(classifying_network, f"class:{number}")
        before, after = (
            classifying_network.activations(seen, (CLASS_LAYER,))[CLASS_LAYER].mean((0, 2, 3))
            for seen in (image, dreamed)
        )
        rises.append((after - before)[classes])
        objective = Objective.parse(classifying_network, [f"class:{number}"])
        assert objective.value(dreamed) == pytest.approx(float(after[number]), rel=1e-4)
    assert torch.stack(rises).argmax(0).tolist() == [0, 1, 2]
    assert float(torch.stack(rises).diagonal().min()) > 0


@pytest.mark.weights
@pytest.mark.skipif(not (SHARED_DIR / "photos" / "classify").is_dir(), reason="no photographs")
def test_photographs_are_classified_correctly(real_network: Network) -> None:
    """Caffe's classes come in the order of the names, and the mean over any size is right."""
    names = load_class_names("googlenet")
    photographs = sorted((SHARED_DIR / "photos" / "classify").glob("*.jpg"))
    right = 0
    for path in photographs:
        number, name = path.stem.split("_")
        assert find_class_index("googlenet", name, 1000) == int(number), names[int(number)]
        image = picture_to_tensor(read_picture(path))
        small = torch.nn.functional.interpolate(image, (256, 320), mode="bilinear", antialias=True)
        told = real_network.activations(small, (CLASS_LAYER,))[CLASS_LAYER].mean((0, 2, 3)).argmax()
        right += int(told) == int(number)
    assert right >= 0.85 * len(photographs)


@pytest.mark.weights
def test_a_real_class_is_dreamed(real_network: Network) -> None:
    picture = read_picture(SAMPLE_STILL)[:200, :260]
    dreamed = dream_image(picture, real_network, "class:tabby", DreamOptions(octaves=2))
    objective = Objective.parse(real_network, ["class:tabby"])
    logits = [
        real_network.activations(picture_to_tensor(seen), (CLASS_LAYER,))[CLASS_LAYER].mean(
            (0, 2, 3)
        )
        for seen in (picture, dreamed)
    ]
    assert (
        objective.value(picture_to_tensor(dreamed))
        > objective.value(picture_to_tensor(picture)) + 5
    )
    assert 281 in logits[1].topk(5)[1]


def test_classes_are_found_by_name() -> None:
    assert len(load_class_names("googlenet")) == 1000
    assert load_class_names("torchvision:vgg16") == load_class_names("googlenet")
    assert find_class_index("googlenet", "EGYPTIAN-cat", 1000) == 285
    assert find_class_index("googlenet", "Cardigan", 1000) == 264, "the dog"
    assert find_class_index("googlenet", "cardigan", 1000) == 474
    for name, message in (
        ("tabbyy", "knows no class 'tabbyy'; did you mean tabby"),
        ("egyptian_catt", "did you mean Egyptian cat"),
        ("zzzz", "`dreamflow classes --network googlenet` lists them"),
        ("cat", r"tabby, tiger cat, .*Madagascar cat\? class:281-285 are all of that kind"),
        ("dogs", "class:151-268 are all of that kind; `dreamflow classes dogs` lists 118"),
        ("terrier", r"toy terrier, .*\? `dreamflow classes terrier` lists"),
        ("CARDIGAN", "several classes: write class:264 or class:474"),
    ):
        with pytest.raises(SettingsError, match=message):
            find_class_index("googlenet", name, 1000)
    with pytest.raises(SettingsError, match="places365 have no names here: give a number"):
        find_class_index("places365", "kitchen", 365)


def test_common_words_name_groups_of_classes() -> None:
    """Names of breeds and species do not contain them."""
    names = load_class_names("googlenet")
    cats = [names[number] for number in search_classes("cats", names)]
    assert cats == ["tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"]
    for word, member in (
        ("bird", "hummingbird"),
        ("Fish", "goldfish"),
        ("snake", "green snake"),
        ("butterfly", "monarch"),
        ("dog", "beagle"),
        ("car", "sports car"),
        ("fruit", "banana"),
    ):
        kind = search_classes(word, names)[: len(find_class_group(word, 1000))]
        assert member in [names[number] for number in kind]
    assert all(find_class_group(word, 1000) for word in IMAGENET_CLASS_GROUPS)
    assert find_class_group("dog", 365) == () == find_class_group("nothing", 1000), (
        "of places there are no kinds"
    )


def test_missing_layers_channels_and_classes_are_refused(
    classifying_network: Network, noise_network: Network
) -> None:
    for target, message in (
        (f"{LAYER}:480", f"{LAYER} has 480 channels, 0 to 479: there is no 480"),
        (f"{LAYER}:strongest 481", "there are no 481 to choose"),
        ("class:1000", "googlenet has 1000 classes, 0 to 999: there is no 1000"),
        ("class", "say which one, as class:tabby or class:281"),
        (f"{LAYER}:strongest 5", "pick them first"),
    ):
        with pytest.raises(SettingsError, match=message):
            Objective.parse(classifying_network, [target])
    with pytest.raises(SettingsError, match="has no classifier"):
        Objective.parse(noise_network, ["class:281"])
    assert CLASS_LAYER not in classifying_network.layers, (
        "lists, sweeps and guides go by without it"
    )


# --- tiles


def test_channels_classes_and_references_are_the_same_in_tiles(
    classifying_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture_to_tensor(make_texture(352, 416))
    exemplar = ReferenceFeatures(
        classifying_network, picture_to_tensor(make_texture(96, 96, seed=3))
    )
    for target, guide in (
        (f"{LAYER}:5:90-120", None),
        ("class:281", None),
        (LAYER, exemplar),
        (f"{LAYER}:5:90-120", exemplar),
    ):
        objective = Objective.parse(classifying_network, [target], guide)
        whole = objective.gradient(image)
        with monkeypatch.context() as patch:
            patch.setattr(
                classifying_network,
                "machine",
                replace(classifying_network.machine, memory_limit=30 * MB),
            )
            tiled = objective.gradient(image)
        assert not torch.equal(tiled, whole), "it was taken in tiles"
        assert float((tiled - whole).norm() / whole.norm()) < 0.05, target


def test_a_class_that_cannot_be_tiled_is_refused_above_the_limit() -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 7),
    )
    network = dreamflow.network_of(module)
    assert network.class_layer
    assert network.class_layer.channels == 7
    objective = Objective.parse(network, ["class:3"])
    image = picture_to_tensor(make_texture(400, 400))
    logits = network.activations(image, (CLASS_LAYER,))[CLASS_LAYER]
    expected = module((image - 0.45) / 0.225).shape
    assert logits.shape == (*expected, 1, 1)
    assert float(objective.gradient(image).abs().mean()) == pytest.approx(1, rel=1e-4)
    network.machine = replace(network.machine, memory_limit=10 * MB)
    with pytest.raises(SettingsError, match="from the whole picture at once, and 400x400"):
        objective.gradient(image)


# --- picked by a picture


def test_the_strongest_respond_most(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(96, 96))
    found = noise_network.activations(image, (LAYER,))[LAYER].square().mean((0, 2, 3))
    strongest = pick_channels(noise_network, LAYER, ChannelPick("strongest", 5), image, 0)
    weakest = pick_channels(noise_network, LAYER, ChannelPick("weakest", 5), image, 0)
    assert list(strongest) == found.topk(5)[1].tolist()
    assert all(found[n] > 0 for n in weakest), "what does not respond cannot be dreamed on"
    assert max(found[list(weakest)]) <= sorted(found[found > 0])[4]
    kinds = {
        pick_channels(noise_network, LAYER, ChannelPick("random", 5), image, seed)
        for seed in (1, 2)
    }
    assert len(kinds) == 2
    again = pick_channels(noise_network, LAYER, ChannelPick("random", 5), image, 1)
    assert again in kinds


def test_responses_to_a_one_pixel_high_picture(noise_network: Network) -> None:
    image = torch.zeros(1, 3, 1, 1400)
    assert measure_channel_responses(noise_network, "conv1/7x7_s2", image).shape == (64,)


def test_picks_are_replaced_in_a_schedule(noise_network: Network) -> None:
    picture = make_texture(96, 96)
    text = "0: conv2/3x3 hold, 4s: inception_3a/1x1:weakest 2 + conv2/3x3:7=-1, 8s: conv2/3x3"
    options = DreamOptions(layer=(text,), channels="strongest 3")
    picked = make_channel_picks(options, noise_network, picture)
    assert list(picked) == ["conv2/3x3:strongest 3", "inception_3a/1x1:weakest 2"]
    done = apply_channel_picks(options, picked)
    assert done.channels is None
    first, second, third = done.layers.blends
    strongest = tuple(sorted(picked["conv2/3x3:strongest 3"]))
    assert first == third == Blend({Target("conv2/3x3", strongest): 1.0})
    assert second.targets[1] == Target("conv2/3x3", (7,))
    assert second.weights[second.targets[1]] == -1
    assert apply_channel_picks(done, make_channel_picks(done, noise_network, picture)) == done


def test_a_part_of_a_clip_picks_by_the_first_frame_of_the_whole(
    noise_network: Network, tmp_path: Path
) -> None:
    """It is the first picture of the whole clip, as in a preview."""
    for number, picture in enumerate((np.zeros((64, 64, 3), np.uint8) + 200, make_texture(64, 64))):
        write_picture(tmp_path / f"{number}.png", picture)
    clip, wanted = Clip(tmp_path), DreamOptions(layer=("conv2/3x3",), channels="strongest 2")
    named = [
        apply_channel_picks(wanted, make_channel_picks(wanted, noise_network, frame.picture))
        for frame in clip
    ]
    assert named[0] != named[1]
    one, other = (
        next(iter(dream_video(clip.subclip(1, 2), noise_network, options=options)))
        for options in (wanted, named[0])
    )
    assert np.array_equal(one.picture, other.picture)


def test_a_sweep_picks_channels(noise_network: Network) -> None:
    picture = make_texture(64, 64)
    dream = DreamOptions(channels="strongest 2", octaves=1, iterations=1)
    sweep = SweepOptions(layers="conv1/7x7_s2,conv2/3x3", hold=0.2, fade=0.5)
    names = DreamOptions(layer=("conv1/7x7_s2", "conv2/3x3"), channels="strongest 2")
    named = apply_channel_picks(names, make_channel_picks(names, noise_network, picture)).layer
    one = dream_sweep(picture, noise_network, sweep, dream, fps=4)
    plain = replace(sweep, layers=",".join(named))
    other = dream_sweep(picture, noise_network, plain, replace(dream, channels=None), fps=4)
    pairs = list(zip(one, other, strict=True))
    assert pairs
    assert all(np.array_equal(a.picture, b.picture) for a, b in pairs)


def test_a_preset_holds_targets_picks_and_a_reference(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'layer = ["inception_4c/output:61:70-75=0.5", "class:Egyptian cat=-1"]\n'
        'channels = "weakest 3"\nguided_by = "meadow.jpg"\nguidance = "0: 0, 100%: 1"\n'
    )
    options = DreamOptions(**load_preset(str(tmp_path / "mine.toml"))[1])
    assert options.layers.blends[0].texts == (
        "inception_4c/output:61:70-75=0.5",
        "class:Egyptian cat=-1.0",
    )
    assert options.channels == "weakest 3"
    assert options.guided_by == "meadow.jpg"
    assert options.at(Timeline(Fraction(8), Fraction(2)).moment_at(Fraction(1))).guidance == 0.5


def test_a_clip_is_dreamed_on_the_picks_of_its_first_frame(noise_network: Network) -> None:
    frames = [Frame(n, Fraction(n, 8), make_texture(64, 64, seed=n)) for n in range(3)]
    options = DreamOptions(
        layer=(LAYER,), channels="strongest 3", octaves=1, iterations=1, jitter=8
    )
    carry = CarryOptions(carry=False)
    dreams = list(dream_video(frames, noise_network, None, options, carry))
    named = apply_channel_picks(
        options, make_channel_picks(options, noise_network, frames[0].picture)
    )
    for dreamed, frame in zip(dreams, frames, strict=True):
        alone = dream_image(frame.picture, noise_network, None, named, frame.index)
        assert np.array_equal(dreamed.picture, alone)


class Strike(RuntimeError):
    pass


def rendered(
    out: Path, network: Network, settings: VideoSettings, strike: int = -1, **handles: bool
) -> list[str]:
    """Render the sample, struck after some frames where that is asked for; return what was said."""
    said: list[str] = []

    def progress(done: int, total: int) -> None:
        if done == strike:
            raise Strike

    clip = Clip(SAMPLE_CLIP, settings.clip)
    try:
        render_video(clip, out, network, settings, RenderControls(progress, said.append, **handles))
    except Strike:
        assert strike > 0
    return said


def test_a_resumed_job_keeps_its_picked_channels(
    tmp_path: Path, noise_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    dream = DreamOptions(layer=(LAYER,), channels="strongest 4", octaves=1, iterations=1)
    settings = VideoSettings(dream, CarryOptions(), ClipOptions(size="64", end="8"))
    rendered(tmp_path / "whole", noise_network, settings)
    (said,) = rendered(tmp_path / "d", noise_network, settings, strike=4)
    assert said.startswith(f"strongest 4 channels of {LAYER}: ")
    monkeypatch.setattr(Clip, "first_picture", None, raising=True)
    again = rendered(tmp_path / "d", noise_network, settings)
    assert again == [said, "going on from frame 4 of 8"]
    for path in sorted((tmp_path / "whole").glob("*.png")):
        assert path.read_bytes() == (tmp_path / "d" / path.name).read_bytes()
    record = read_record(tmp_path / "d")
    numbers = record["picked"][f"{LAYER}:strongest 4"]
    assert [str(n) for n in numbers] == said.split(": ")[1].split(", ")
    assert record["settings"]["layer"] == [str(Target(LAYER, tuple(sorted(numbers))))]
    assert record["settings"]["channels"] is None


# --- references


def test_best_matches_do_not_depend_on_the_chunk_size(
    noise_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    exemplar = ReferenceFeatures(noise_network, picture_to_tensor(make_texture(64, 80, seed=2)))
    activation = noise_network.activations(picture_to_tensor(make_texture(72, 64)), (LAYER,))[LAYER]
    guide = noise_network.activations(exemplar.image, (LAYER,))[LAYER]
    found = exemplar.best_matches(activation, LAYER, None)
    # The computation of Google's 2015 notebook.
    x, y = activation[0].flatten(1).numpy(), guide[0].flatten(1).numpy()
    expected = y[:, x.T.dot(y).argmax(1)]
    np.testing.assert_array_equal(found[0].flatten(1).numpy(), expected)
    monkeypatch.setattr("dreamflow.dream.objective.reference.DOT_PRODUCTS_PER_CHUNK", 100)
    assert torch.equal(exemplar.best_matches(activation, LAYER, None), found)
    some = exemplar.best_matches(activation, LAYER, torch.tensor([3, 9]))
    assert set(some[0].flatten(1).abs().sum(1).nonzero().flatten().tolist()) <= {3, 9}


def test_a_large_reference_is_subsampled(noise_network: Network) -> None:
    exemplar = ReferenceFeatures(noise_network, picture_to_tensor(make_texture(400, 400)))
    vectors = exemplar.feature_vectors("conv2/3x3")
    assert MAX_REFERENCE_VECTORS / 2 < vectors.shape[0] <= MAX_REFERENCE_VECTORS


def cosine(one: Tensor, other: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0))


@pytest.mark.parametrize("layer", ["conv2/3x3", LAYER])
def test_a_guided_dream_resembles_its_reference(pocket: Network, layer: str) -> None:
    image, unguided = dreamed_on(pocket, layer)
    exemplar = ReferenceFeatures(pocket, picture_to_tensor(make_texture(96, 96, seed=4)))
    guided, free = Objective.parse(pocket, [layer], exemplar), Objective.parse(pocket, [layer])
    plan = plan_octaves(DreamOptions(octaves=1, iterations=8))
    towards = dream_octaves(image, guided, plan, 8, (0, 0))
    assert guided.value(towards) > 1.15 * guided.value(image)
    assert guided.value(towards) > guided.value(unguided)

    def likeness(seen: Tensor) -> float:
        found = pocket.activations(seen, (layer,))[layer]
        return cosine(found, exemplar.best_matches(found, layer, None))

    assert likeness(towards) > likeness(unguided)
    none = Objective.parse(pocket, [layer], exemplar, 0.0)
    assert torch.equal(none.gradient(image), free.gradient(image))
    half, whole = replace(guided, guidance=0.5).gradient(image), guided.gradient(image)
    assert cosine(half, whole) > cosine(free.gradient(image), whole)


def test_a_reference_that_is_too_small_names_the_layer(
    noise_network: Network, tmp_path: Path
) -> None:
    write_picture(tmp_path / "tiny.png", make_texture(8, 8))
    options = DreamOptions(
        layer=("inception_4c/output",), guided_by=str(tmp_path / "tiny.png"), octaves=1
    )
    with pytest.raises(SettingsError, match=r"tiny.png has 8x8 pixels.*inception_4c"):
        dream_image(make_texture(64, 64), noise_network, None, options)
    later = replace(options, layer=("0: conv1/7x7_s2, 1s: inception_4c/output",))
    frames = [Frame(0, Fraction(0), make_texture(64, 64))]
    timeline = Timeline(Fraction(8), Fraction(2))
    with pytest.raises(SettingsError, match="too small for inception_4c"):
        next(dream_video(frames, noise_network, None, later, timeline=timeline))


def test_a_reference_has_no_effect_on_classes(classifying_network: Network) -> None:
    options = DreamOptions(
        layer=("class:3=1", "class:5=-1"), guided_by=str(SAMPLE_STILL), octaves=1, iterations=1
    )
    picture = make_texture(64, 64)
    with pytest.warns(DreamFlowWarning, match="guided_by does nothing for classes"):
        guided = dream_image(picture, classifying_network, None, options)
    free = dream_image(picture, classifying_network, None, replace(options, guided_by=None))
    assert np.array_equal(guided, free)


@pytest.fixture
def flicker(tmp_path: Path) -> Path:
    """A reference clip of six pictures at 24 frames per second."""
    (tmp_path / "flicker").mkdir()
    for number in range(6):
        write_picture(tmp_path / "flicker" / f"{number}.png", make_texture(48, 48, seed=number))
    return tmp_path / "flicker"


def test_a_reference_clip_follows_the_source_and_holds_its_last_frame(
    flicker: Path, noise_network: Network
) -> None:
    """A folder of pictures has 24 frames per second, whatever the rate of the source."""
    shown = ReferenceFrames(noise_network, flicker, Timeline(Fraction(24), Fraction(6, 24)))
    times = [0, 1.5, 5, 2, 1, 3.9, 5, 40, 0]
    for time in times:
        wanted = picture_to_tensor(make_texture(48, 48, seed=min(5, int(time))))
        assert torch.equal(shown.at(Fraction(time) / 24).image, wanted), time
    with pytest.warns(DreamFlowWarning, match="flicker has 0.25 s, the source 2.00 s"):
        ReferenceFrames(noise_network, flicker, Timeline(Fraction(24), Fraction(2)))


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_reference_that_cannot_be_read_is_named_by_its_setting(
    tmp_path: Path, noise_network: Network, content: bytes | None
) -> None:
    path = tmp_path / "guide.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError) as error:
        open_reference_frames(noise_network, DreamOptions(guided_by=str(path)))
    assert error.value.setting == "guided_by"
    assert error.value.where == str(path)
    assert str(error.value).startswith("guided_by ")


@pytest.mark.filterwarnings("ignore::dreamflow.core.errors.DreamFlowWarning")
def test_a_carried_dream_follows_a_changing_reference(tmp_path: Path, pocket: Network) -> None:
    """The strength of a carried dream is compared with a new dream towards the same reference."""
    for number in range(7):
        seen = make_texture(64, 64, seed=5) if number == 6 else np.full((64, 64, 3), 128, np.uint8)
        write_picture(tmp_path / f"{number}.png", seen)
    options = DreamOptions(
        layer=("inception_3b/output",), octaves=2, iterations=8, guided_by=str(tmp_path)
    )
    timeline, picture = Timeline(Fraction(12), Fraction(16, 12)), make_texture(64, 80, seed=2)
    dreamer, fresh = (VideoDreamer(pocket, options, CarryOptions(), timeline) for _ in range(2))
    frames = [Frame(number, Fraction(number, 12), picture) for number in range(16)]
    last = [dreamer(frame) for frame in frames][-1]
    value = fresh.settings_timeline.at(frames[-1].time).objective.value
    source, carried, new = (
        value(picture_to_tensor(one)) for one in (picture, last.picture, fresh(frames[-1]).picture)
    )
    assert carried - source > 0.85 * (new - source)


@pytest.mark.filterwarnings("ignore::dreamflow.core.errors.DreamFlowWarning")
@pytest.mark.parametrize("passes", [1, 2])
def test_a_guided_job_resumes_and_checks_its_reference(
    tmp_path: Path, flicker: Path, noise_network: Network, passes: int
) -> None:
    dream = DreamOptions(
        layer=("0: conv2/3x3, 6: inception_3a/output:5-40",),
        guided_by=str(flicker),
        guidance="0: 1, 8: 0.5",
        octaves=1,
        iterations=1,
    )
    carry = CarryOptions(carry_iterations=1, passes=passes)
    settings = VideoSettings(dream, carry, ClipOptions(size="64", end="8"))
    rendered(tmp_path / "whole", noise_network, settings)
    rendered(tmp_path / "d", noise_network, settings, strike=4 if passes == 1 else 11)
    assert job_folder_path(tmp_path / "d").exists()
    moved = make_texture(48, 48, seed=99)
    kept = (flicker / "3.png").read_bytes()
    write_picture(flicker / "0.png", moved)
    with pytest.raises(SettingsError, match="begun with another guided_by file"):
        rendered(tmp_path / "d", noise_network, settings)
    write_picture(flicker / "0.png", make_texture(48, 48, seed=0))
    assert (flicker / "3.png").read_bytes() == kept
    rendered(tmp_path / "d", noise_network, settings)
    for path in sorted((tmp_path / "whole").glob("*.png")):
        assert path.read_bytes() == (tmp_path / "d" / path.name).read_bytes()


# --- the command line


def test_every_command_accepts_targets(tmp_path: Path, cli: Cli) -> None:
    """Video, frame, sweep and zoom take channels, picks, references and schedules."""
    more = (*FAST, "--guided-by", SAMPLE_STILL, "--jitter", "4")
    targets = "0: conv1/7x7_s2:3:7 smooth, 2: conv2/3x3:10-20=1 + pool1/norm1:1=-0.5"
    runs = [
        cli("video", SAMPLE_CLIP, tmp_path / "v", *more, "--end", "4", "--layer", targets),
        cli("frame", SAMPLE_STILL, tmp_path / "f.png", *more, "--layer", "conv2/3x3:random 3"),
        cli(
            *("sweep", SAMPLE_STILL, tmp_path / "s", *more, "--fps", "4", "--caption"),
            *("--layers", "conv1/7x7_s2:3:7,conv2/3x3", "--channels", "weakest 2"),
        ),
        cli(
            *("zoom", SAMPLE_STILL, tmp_path / "z", *more[2:], "--size", "64x48"),
            *("--seconds", "0.2", "--layers", "conv1/7x7_s2,conv2/3x3:4"),
            *("--channels", "strongest 2"),
        ),
    ]
    assert [run.code for run in runs] == [0] * 4, [run.err for run in runs]
    assert "random 3 channels of conv2/3x3: " in runs[1].err
    assert "weakest 2 channels of conv2/3x3: " in runs[2].err
    assert "strongest 2 channels of conv1/7x7_s2: " in runs[3].err
    record = read_record(tmp_path / "z")["settings"]
    assert record["layers"] is None
    assert "conv2/3x3:4" in record["layer"][0]
    like = ("--like", tmp_path / "v", "--guided-by", SAMPLE_STILL)
    again = cli("frame", SAMPLE_STILL, tmp_path / "g.png", *like, "--size", "64")
    assert again.code == 0, again.err


def test_a_preview_picks_as_the_video_does(tmp_path: Path, cli: Cli) -> None:
    more = (*FAST, "--layer", "conv2/3x3", "--channels", "strongest 2", "--jitter", "4")
    film = cli("video", SAMPLE_CLIP, tmp_path / "v", *more, "--end", "6")
    preview = cli("frame", SAMPLE_CLIP, tmp_path / "f.png", *more, "--at", "5", "--run-in", "5")
    (picked,) = (line for line in film.err.splitlines() if "channels of conv2/3x3: " in line)
    assert picked in preview.err.splitlines()
    shown = read_picture(tmp_path / "v" / "frame_000005.png")
    assert np.array_equal(read_picture(tmp_path / "f.png"), shown)


def test_wrong_targets_are_refused_before_any_work(tmp_path: Path, cli: Cli) -> None:
    for layer, message in (
        ("conv2/3x3:192", "conv2/3x3 has 192 channels, 0 to 191: there is no 192"),
        ("class:tabby", "pocket, or the file of its weights, has no classifier"),
        ("0: conv2/3x3, 1s: conv2/3x3:500", "keyframe 2 (1s: conv2/3x3:500): conv2/3x3 has 192"),
    ):
        run = cli("video", SAMPLE_CLIP, tmp_path / "d.mp4", *FAST, "--layer", layer)
        assert run.code == 1
        assert message in run.err
        assert run.err.count("\n") == 1
    tabby = ("--network", "googlenet", "--layer", "class:tabbyy")
    run = cli("video", SAMPLE_CLIP, tmp_path / "d.mp4", *FAST, *tabby)
    assert run.code == 1
    assert "did you mean tabby" in run.err
    run = cli("video", SAMPLE_CLIP, tmp_path / "d.mp4", *FAST, "--guided-by", tmp_path / "none.jpg")
    assert run.code == 1
    assert "none.jpg" in run.err
    assert run.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_channel_sheet(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fast = ("--octaves", "1", "--iterations", "1", "--tile", "64")
    run = cli("channels", SAMPLE_STILL, *fast, "--layer", "conv2/3x3", "--count", "5")
    assert run.code == 0, run.err
    sheet = read_picture(tmp_path / "meadow_conv2-3x3.png")
    assert sheet.shape[1] >= 3 * 64
    tiles = cli("channels", SAMPLE_CLIP, "two.png", *fast, "--layer", "conv2/3x3:7:3")
    assert tiles.code == 0, tiles.err
    for layer, message in (
        ("conv2/3x3=2", "channels of one layer"),
        ("inception_9/output", "has no layer"),
        ("class", "has no classifier"),
    ):
        run = cli("channels", SAMPLE_STILL, "no.png", *fast, "--layer", layer)
        assert run.code == 1
        assert message in run.err
    small = ("--network", "googlenet", "--layer", "class", "--tile", "32", "--count", "2")
    assert cli("channels", SAMPLE_STILL, "see.png", *fast, *small).code == 0
    run = cli("channels", SAMPLE_STILL, "no.txt", *fast)
    assert run.code == 1
    assert "a sheet is written as" in run.err
    assert {path.name for path in tmp_path.iterdir()} == {
        "meadow_conv2-3x3.png",
        "see.png",
        "two.png",
    }


def test_the_strongest_channel_comes_first(noise_network: Network) -> None:
    from dreamflow.reports.channel_sheet import crop_centre_tile, select_channels
    from dreamflow.reports.options import ChannelsOptions

    tile = crop_centre_tile(make_texture(80, 120), 64)
    assert tile.shape == (64, 64, 3)
    found = measure_channel_responses(noise_network, "conv2/3x3", picture_to_tensor(tile))
    orders = {
        order: [n for n, _ in select_channels(
            tile, noise_network, Target("conv2/3x3"), ChannelsOptions(order=order, count=6)
        )]
        for order in ("strongest", "weakest", "number")
    }  # fmt: skip
    assert orders["strongest"] == found.argsort(descending=True, stable=True)[:6].tolist()
    assert orders["weakest"][0] == int(found.argmin())
    assert orders["number"] == list(range(6))
    named = select_channels(
        tile, noise_network, Target("conv2/3x3", tuple(range(40))), ChannelsOptions(order="number")
    )
    assert [n for n, _ in named] == list(range(40)), "what is named is shown, all of it"


def test_classes_are_listed(cli: Cli) -> None:
    run = cli("classes", "tabby")
    assert run.out == " 281  tabby\n"
    assert len(cli("classes", "--network", "torchvision:resnet50").out.splitlines()) == 1000
    for arguments in (("--network", "pocket"), ("--network", "places365"), ("gribble",)):
        run = cli("classes", *arguments)
        assert run.code == 1
        assert run.err.count("\n") == 1
