"""Distillation: the student learns, is exported, and resumes from checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
import torch.nn.functional as F
from conftest import SAMPLE_STILL, WEIGHTS_NAME, CommandResult, make_texture

from dreamflow.core.errors import MediaError, SettingsError
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.photographs import load_photographs
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.caffe import pocket
from dreamflow.networks.caffe.graph import GraphNetwork
from dreamflow.networks.distill.dream_pool import DreamPool
from dreamflow.networks.distill.least_squares import factor_weight, fit_linear, select_channels
from dreamflow.networks.distill.options import DistillOptions
from dreamflow.networks.distill.student import Student
from dreamflow.networks.distill.training import Trainer
from dreamflow.networks.distill.training_pictures import TrainingPictures
from dreamflow.networks.distill.widths import make_trunk_shape, make_width_rule
from dreamflow.networks.loading import load_network
from dreamflow.reports.transfer import measure_transfer

SHORT = DistillOptions(last="inception_3a/output", steps=12, batch=2, crop=64, width=0.25)


@pytest.fixture
def pictures() -> list[np.ndarray]:
    return [make_texture(90, 120, seed) for seed in range(4)]


def test_the_loss_falls(
    noise_network: GraphNetwork, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(SHORT, dreamed=0, steps=40)
    trainer = Trainer(noise_network, pictures, options)
    batch = trainer.pool.draw_batch(0)
    monkeypatch.setattr(trainer.pool, "draw_batch", lambda step: batch)
    losses = list(trainer.run())
    assert trainer.step == len(losses) == 40
    assert trainer.progress == 1
    assert losses[-1] < 0.9 * losses[0]
    assert set(trainer.losses) == {"conv1", "conv2", "3a", "direction"}


def test_a_full_width_student_begins_as_the_teacher(
    noise_network: GraphNetwork, pictures: list[np.ndarray]
) -> None:
    options = replace(SHORT, width=1.0, early_width=1.0, ranks="")
    trainer = Trainer(noise_network, pictures, options)
    trainer.initialise_student()
    image = torch.rand(1, 3, 96, 96)
    theirs = noise_network.activations(image, trainer.layers)
    with torch.no_grad():
        ours = trainer.student(image)
    # The trunk has no second normalisation, so layers behind it are only similar.
    for name in ("conv1/7x7_s2", "conv2/3x3_reduce", "conv2/3x3"):
        error = (ours[name] - theirs[name]).square().mean() / theirs[name].square().mean()
        assert error < 1e-3, name
    deep = "inception_3a/output"
    assert F.cosine_similarity(ours[deep].flatten(), theirs[deep].flatten(), dim=0) > 0.9


def test_a_student_that_begins_with_another_computes_what_that_one_does(
    noise_network: GraphNetwork, pictures: list[np.ndarray]
) -> None:
    trained = Trainer(noise_network, pictures, SHORT)
    for _ in range(4):
        trained.train_step()
    before = pocket.build_pocket(trained.student.export_weights())
    image = torch.rand(1, 3, 96, 96)
    deep = "inception_3a/output"

    def distance(begin_with: GraphNetwork | None) -> float:
        trainer = Trainer(noise_network, pictures, SHORT, begin_with)
        trainer.initialise_student()
        trunk = pocket.build_pocket(trainer.student.export_weights())
        name = pocket.TRUNK_PREFIX + deep
        ours, theirs = (net.compute(image, (name,))[name] for net in (trunk, before))
        return float((ours - theirs).square().mean() / theirs.square().mean())

    assert distance(before) < 0.2 * distance(None)


def test_a_training_goes_on_from_the_very_weights_of_a_pocket_of_its_shape(
    noise_network: GraphNetwork, pictures: list[np.ndarray]
) -> None:
    options = replace(SHORT, last="conv2/3x3")
    trained = Trainer(noise_network, pictures, options)
    trained.train_step()
    weights = trained.student.export_weights()
    trainer = Trainer(noise_network, pictures, options, pocket.build_pocket(weights))
    trainer.initialise_student()
    for name, value in trainer.student.export_weights().items():
        torch.testing.assert_close(value, weights[name], rtol=1e-5, atol=1e-7)


def test_a_fit_keeps_to_its_prior_where_the_input_says_nothing() -> None:
    x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    x[:, 2:] *= 1e-4
    prior = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    weight, bias = fit_linear(x, x @ torch.tensor([[5.0], [6.0], [0.0], [0.0]]) + 7, prior)
    torch.testing.assert_close(weight, torch.tensor([[5.0, 6.0, 3.0, 4.0]]), atol=0.01, rtol=0)
    torch.testing.assert_close(bias, torch.tensor([7.0]), atol=0.01, rtol=0)


def test_a_factor_spans_all_of_a_map_of_its_rank() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(12, 3, generator=generator) @ torch.randn(3, 20, generator=generator)
    patches = torch.randn(400, 20, generator=generator)
    responses = patches @ weight.T
    for exponent in (0.0, 0.5):
        factor, expansion = factor_weight(weight, patches, responses, 3, exponent)
        assert factor.shape == (3, 20)
        torch.testing.assert_close(expansion @ factor, weight, rtol=1e-4, atol=1e-4)


def test_a_factor_keeps_the_responses_that_are_largest() -> None:
    # Two detectors of one faint direction of the input, and one of a strong one.
    weight = torch.tensor([[1.0, 0.0], [0.9, 0.0], [0.0, 1.0]])
    patches = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    patches *= torch.tensor([0.1, 10.0])
    factor, _ = factor_weight(weight, patches, patches @ weight.T, 1, 0.5)
    assert abs(float(factor[0, 1])) > 10 * abs(float(factor[0, 0]))


@pytest.mark.parametrize("ranks", ["", "conv1/7x7_s2 8", "conv2/3x3 16, inception_3a/5x5 4"])
@pytest.mark.parametrize("has_pool_branches", [False, True])
def test_the_graph_of_a_pocket_follows_from_its_weights(
    ranks: str, has_pool_branches: bool
) -> None:
    options = replace(SHORT, ranks=ranks, last="inception_3b/3x3")
    shape = replace(make_trunk_shape(options), has_pool_branches=has_pool_branches)
    nodes = pocket.make_pocket_nodes(shape, options.last)
    weights = Student(nodes).export_weights()
    assert pocket.infer_pocket_nodes(weights) == nodes


def test_a_convolution_with_no_more_channels_than_its_rank_stays_one() -> None:
    shape = make_trunk_shape(replace(SHORT, ranks="conv2/3x3 47, inception_3a/3x3 32"))
    assert shape.ranks == {"conv2/3x3": 47}


@pytest.mark.parametrize("ranks", ["conv2/3x3", "conv2/3x3 0", "conv2/3x3_reduce 8", "x 1", "3"])
def test_ranks_that_mean_nothing_are_refused(ranks: str) -> None:
    with pytest.raises(SettingsError) as raised:
        make_trunk_shape(DistillOptions(ranks=ranks))
    assert raised.value.setting == "ranks"


def test_single_layers_and_modules_have_widths_of_their_own() -> None:
    widths = "conv1/7x7_s2 0.25, inception_3a 0.375, inception_3a/1x1 1"
    rule = make_width_rule(DistillOptions(width=0.5, early_width=0.75, widths=widths))
    channels = {
        "conv1/7x7_s2": (64, 16),
        "conv2/3x3_reduce": (64, 48),
        "inception_3a/3x3": (128, 48),
        "inception_3a/1x1": (64, 64),
        "inception_3b/3x3": (192, 96),
    }
    assert {name: rule(name, full) for name, (full, _) in channels.items()} == {
        name: narrow for name, (_, narrow) in channels.items()
    }


@pytest.mark.parametrize("widths", ["inception_3a", "inception_3a 0", "conv9 0.5", "pool1 0.5,"])
def test_widths_that_mean_nothing_are_refused(widths: str) -> None:
    with pytest.raises(SettingsError) as raised:
        make_width_rule(DistillOptions(widths=widths))
    assert raised.value.setting == "widths"


def test_the_channels_that_explain_most_are_selected() -> None:
    rng = np.random.default_rng(0)
    two = torch.from_numpy(rng.standard_normal((500, 2))).float()
    mixed = two @ torch.tensor([[1.0, 0, 1, 1], [0, 1, 1, -1]])
    silent = torch.zeros(500, 1)
    values = torch.cat([silent, mixed, silent], dim=1)
    selected = select_channels(values, 2)
    weight, bias = fit_linear(values[:, selected], values)
    torch.testing.assert_close(values[:, selected] @ weight.T + bias, values, atol=1e-2, rtol=0)
    assert select_channels(values, 6) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("stop", [1, 5])
def test_a_stopped_training_resumes_with_the_same_losses(
    tmp_path: Path, noise_network: GraphNetwork, pictures: list[np.ndarray], stop: int
) -> None:
    uninterrupted = Trainer(noise_network, pictures, SHORT)
    expected = [uninterrupted.train_step() for _ in range(7)]
    first = Trainer(noise_network, pictures, SHORT)
    losses = [first.train_step() for _ in range(stop)]
    first.save(tmp_path / "run.ckpt")
    first.train_step()  # lost, since no checkpoint follows
    second = Trainer(noise_network, pictures, SHORT)
    second.restore(tmp_path / "run.ckpt")
    losses += [second.train_step() for _ in range(7 - stop)]
    assert losses == pytest.approx(expected, rel=1e-4)
    assert second.step == 7
    assert second.losses.keys() == uninterrupted.losses.keys()


def test_a_checkpoint_of_other_settings_is_refused(
    tmp_path: Path, noise_network: GraphNetwork, pictures: list[np.ndarray]
) -> None:
    trainer = Trainer(noise_network, pictures, SHORT)
    trainer.initialise_student()
    trainer.save(tmp_path / "run.ckpt")
    other = replace(SHORT, width=0.5)
    with pytest.raises(SettingsError) as raised:
        Trainer(noise_network, pictures, other).restore(tmp_path / "run.ckpt")
    assert raised.value.setting == "width"
    assert raised.value.where == str(tmp_path / "run.ckpt")
    longer = replace(SHORT, steps=99)
    Trainer(noise_network, pictures, longer).restore(tmp_path / "run.ckpt")


def test_the_exported_network_computes_what_was_trained(
    noise_network: GraphNetwork, pictures: list[np.ndarray]
) -> None:
    trainer = Trainer(noise_network, pictures, SHORT)
    trainer.train_step()
    image = torch.rand(1, 3, 64, 64)
    exported = pocket.build_pocket(trainer.student.export_weights())
    assert set(trainer.layers) < set(exported.layers)
    assert "conv2/norm2" in exported.layers
    assert exported.layers["inception_3a/output"].channels == 256
    with torch.no_grad():
        actual, trained = exported.activations(image, trainer.layers), trainer.student(image)
    for name in trainer.layers:
        torch.testing.assert_close(actual[name], trained[name], rtol=1e-3, atol=1e-3)


def test_pictures_depend_on_seed_and_number_only(pictures: list[np.ndarray]) -> None:
    first, again = (TrainingPictures(pictures, 64, seed=1)(5) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, TrainingPictures(pictures, 64, seed=1)(6))
    assert not torch.equal(first, TrainingPictures(pictures, 64, seed=2)(5))
    assert first.shape == (3, 64, 64)
    assert first.min() >= 0
    assert first.max() <= 1


def test_a_pool_dreams_on_its_pictures_and_replaces_them(pictures: list[np.ndarray]) -> None:
    pool = DreamPool(
        TrainingPictures(pictures, 64, seed=1), ["a", "b"], batch=3, max_dream_steps=2, seed=1
    )
    brighter = torch.ones(3, 3, 64, 64)
    brightness: list[float] = []
    for step in range(40):
        images, layers = pool.draw_batch(step)
        assert images.shape == (3, 3, 64, 64)
        assert set(layers) <= {"a", "b"}
        brightness.append(float(images.mean()))
        pool.ascend_batch(brighter, brighter, step)
    assert pool.drawn_count > 12, "the pool of 12 has been refilled"
    assert 0.3 < np.mean(brightness[-10:]) < 0.7, "a picture ascends for a few steps only"


def test_a_networks_transfer_to_itself_is_one(noise_network: GraphNetwork) -> None:
    options = DreamOptions(octaves=1, iterations=2)
    layers = ("conv2/3x3", "inception_3a/5x5")
    pictures = [make_texture(64, 64)]
    transfer = measure_transfer(noise_network, noise_network, pictures, layers, options)
    assert dict(transfer) == pytest.approx(dict.fromkeys(layers, 1.0))


def test_a_folder_without_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as raised:
        load_photographs(tmp_path)
    assert raised.value.where == str(tmp_path)


def test_a_file_that_is_not_of_this_training_is_not_replaced(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    photographs, mine = tmp_path / "photographs", tmp_path / "mine.safetensors"
    photographs.mkdir()
    write_picture(photographs / "0.png", make_texture(80, 100))
    mine.write_bytes(b"another network")
    for more in ((), ("--weights", mine), ("--weights", mine, "--overwrite")):
        run = cli("distill", photographs, mine, *more, "--steps", "1")
        assert run.code == 1
        assert len(run.err.splitlines()) == 1
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [mine.name]
        assert mine.read_bytes() == b"another network"


def test_a_pocket_is_distilled_evaluated_and_dreamed_with(
    tmp_path: Path, cli: Callable[..., CommandResult], noise_home: Path
) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for seed in range(2):
        write_picture(photographs / f"{seed}.png", make_texture(80, 100, seed))
    out = tmp_path / "mine.safetensors"
    small = ("--last", "inception_3a/output", "--batch", "2", "--crop", "64", "--width", "0.25")
    teacher = ("--weights", noise_home / "weights" / WEIGHTS_NAME)
    run = cli("distill", photographs, out, *teacher, *small, "--steps", "2")
    assert run.code == 0, run.err
    assert "step 2, loss" in run.out
    again = cli("distill", photographs, out, *teacher, *small, "--steps", "4")
    assert "resumed" in again.err
    assert "step 4, loss" in again.out
    with safetensors.safe_open(out, "pt") as file:  # type: ignore[no-untyped-call]
        metadata = file.metadata()
        assert metadata["teacher"] == "googlenet"
        assert metadata["steps"] == "4"
        assert "2 photographs" in metadata["data"]
        assert len(metadata["teacher_sha256"]) == 64
        assert file.get_tensor("conv1/7x7_s2.weight").dtype == torch.float16
    assert load_network("pocket", out, "cpu").layers["inception_3a/output"].channels == 256
    narrow = tmp_path / "narrow.safetensors"
    widths = ("--begin-with", out, "--widths", "conv1/7x7_s2 0.125")
    run = cli("distill", photographs, narrow, *teacher, *small, *widths, "--steps", "1")
    assert run.code == 0, run.err
    assert narrow.stat().st_size < out.stat().st_size
    table = cli("distill", photographs, out, *teacher, "--evaluate").out
    assert "conv2/3x3" in table
    assert "mean" in table
    dream = cli(
        *("frame", SAMPLE_STILL, tmp_path / "f.png", "--network", "pocket", "--weights", out),
        *("--layer", "inception_3a/5x5", "--size", "64", "--iterations", "1"),
    )
    assert dream.code == 0, dream.err
    assert "has no layer" in cli(
        *("frame", SAMPLE_STILL, tmp_path / "g.png", "--network", "pocket", "--weights", out),
        *("--layer", "inception_4c/output"),
    ).err  # fmt: skip
