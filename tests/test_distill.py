"""A student learns; what it learnt is exported; a stopped training goes on as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from conftest import SAMPLE_STILL, WEIGHTS_NAME, Run, texture

from dreamflow.distill import Trainer, transfer
from dreamflow.distill.batches import Batches, climbed, load_photographs
from dreamflow.distill.student import Student
from dreamflow.errors import MediaError, SettingsError
from dreamflow.media import write_picture
from dreamflow.networks import Network, googlenet, load_network, pocket
from dreamflow.options import DistillOptions, DreamOptions

SHORT = DistillOptions(last="inception_3a/output", steps=12, batch=2, crop=64, width=0.25)


@pytest.fixture
def pictures() -> list[np.ndarray]:
    return [texture(90, 120, seed) for seed in range(4)]


def test_the_loss_falls(noise_network: Network, pictures: list[np.ndarray]) -> None:
    plain = {"dreamed": 0.0, "teacher_dreamed": 0.0, "rate": 0.1, "steps": 30}
    trainer = Trainer(noise_network, pictures, DistillOptions(**{**vars(SHORT), **plain}))
    same = trainer.batches(0)
    trainer.batches = lambda step: same  # type: ignore[assignment, method-assign]
    losses = list(trainer.run())
    assert trainer.step == len(losses) == 30 and trainer.progress == 1
    assert losses[-1] < 0.9 * losses[0]
    assert set(trainer.losses) == {"conv1", "conv2", "3a"}


def test_the_direction_of_the_dream_is_learnt_too(
    noise_network: Network, pictures: list[np.ndarray]
) -> None:
    options = DistillOptions(**{**vars(SHORT), "gradient": 1.0, "steps": 2})
    trainer = Trainer(noise_network, pictures, options)
    assert all(np.isfinite(loss) for loss in trainer.run())
    assert 0 < trainer.losses["direction"] <= 2


@pytest.mark.parametrize("stop", [1, 5])
def test_a_stopped_training_goes_on_as_it_was(
    tmp_path: Path, noise_network: Network, pictures: list[np.ndarray], stop: int
) -> None:
    whole = Trainer(noise_network, pictures, SHORT)
    expected = [whole.train_step() for _ in range(7)]
    first = Trainer(noise_network, pictures, SHORT)
    losses = [first.train_step() for _ in range(stop)]
    first.save(tmp_path / "run.ckpt")
    first.train_step()  # what came after the checkpoint is lost, and made again
    second = Trainer(noise_network, pictures, SHORT)
    second.restore(tmp_path / "run.ckpt")
    losses += [second.train_step() for _ in range(7 - stop)]
    assert losses == pytest.approx(expected, rel=1e-4)
    assert second.step == 7 and second.losses.keys() == whole.losses.keys()


def test_a_checkpoint_of_other_settings_is_refused(
    tmp_path: Path, noise_network: Network, pictures: list[np.ndarray]
) -> None:
    Trainer(noise_network, pictures, SHORT).save(tmp_path / "run.ckpt")
    other = DistillOptions(**{**vars(SHORT), "width": 0.5})
    with pytest.raises(SettingsError, match="another width"):
        Trainer(noise_network, pictures, other).restore(tmp_path / "run.ckpt")
    longer = DistillOptions(**{**vars(SHORT), "steps": 99})
    Trainer(noise_network, pictures, longer).restore(tmp_path / "run.ckpt")


def test_what_is_folded_is_what_was_trained() -> None:
    nodes = pocket.up_to(googlenet.nodes(lambda name, channels: 16), "inception_3a/output")
    student = Student(nodes)
    for _ in range(3):
        student(torch.rand(4, 3, 64, 64))  # gives batch normalisation something to fold
    student.eval()
    image = torch.rand(1, 3, 64, 64)
    folded = pocket.build(student.folded())
    assert list(folded.layers) == [node.name for node in nodes]
    with torch.no_grad():
        ours, theirs = folded.activations(image, list(folded.layers)), student(image)
    for name in folded.layers:
        torch.testing.assert_close(ours[name], theirs[name], rtol=2e-3, atol=2e-3)


def test_batches_depend_on_seed_and_step_only(pictures: list[np.ndarray]) -> None:
    batches = Batches(pictures, 3, 64, seed=1)
    first, again = batches(5)[0], Batches(pictures, 3, 64, seed=1)(5)[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, batches(6)[0])
    assert first.shape == (3, 3, 64, 64) and first.min() >= 0 and first.max() <= 1


def test_climbing_raises_the_layer(noise_network: Network) -> None:
    def seen(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return noise_network.activations(images, ["conv2/3x3"])

    images = torch.rand(2, 3, 64, 64)
    before = seen(images)["conv2/3x3"].square().mean()
    after = seen(climbed(images, seen, "conv2/3x3", 3, 2.0))["conv2/3x3"].square().mean()
    assert after > before


def test_a_networks_transfer_to_itself_is_one(noise_network: Network) -> None:
    options = DreamOptions(octaves=1, iterations=2)
    layers = ("conv2/3x3", "inception_3a/5x5")
    found = dict(transfer(noise_network, noise_network, [texture(64, 64)], layers, options))
    assert found == pytest.approx(dict.fromkeys(layers, 1.0))


def test_a_folder_without_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no folder with photographs"):
        load_photographs(tmp_path)


def test_distil_evaluate_and_dream(
    tmp_path: Path, cli: Callable[..., Run], noise_home: Path
) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for seed in range(2):
        write_picture(photographs / f"{seed}.png", texture(80, 100, seed))
    out = tmp_path / "mine.safetensors"
    small = ("--last", "inception_3a/output", "--batch", "2", "--crop", "64", "--width", "0.25")
    teacher = ("--weights", noise_home / "weights" / WEIGHTS_NAME)
    run = cli("distill", photographs, out, *teacher, *small, "--steps", "2")
    assert run.code == 0, run.err
    assert "step 2, loss" in run.out
    again = cli("distill", photographs, out, *teacher, *small, "--steps", "4")
    assert "resumed" in again.err and "step 4, loss" in again.out
    with safetensors.safe_open(out, "pt") as file:  # type: ignore[no-untyped-call]
        note = file.metadata()
        assert note["teacher"] == "googlenet" and note["steps"] == "4"
        assert "2 photographs" in note["data"] and len(note["teacher_sha256"]) == 64
        assert file.get_tensor("conv1/7x7_s2.weight").dtype == torch.float16
    assert load_network("pocket", out, "cpu").layers["inception_3a/output"].channels == 64
    table = cli("distill", photographs, out, *teacher, "--evaluate").out
    assert "conv2/3x3" in table and "mean" in table
    dream = cli(
        *("frame", SAMPLE_STILL, tmp_path / "f.png", "--network", "pocket", "--weights", out),
        *("--layer", "inception_3a/5x5", "--size", "64", "--iterations", "1"),
    )
    assert dream.code == 0, dream.err
    assert "has no layer" in cli(
        *("frame", SAMPLE_STILL, tmp_path / "g.png", "--network", "pocket", "--weights", out),
        *("--layer", "inception_4c/output"),
    ).err  # fmt: skip
