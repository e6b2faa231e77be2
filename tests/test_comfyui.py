"""The nodes for ComfyUI, against a stand-in of what they import of it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import REPO_ROOT, make_texture

from dreamflow.core.errors import SettingsError
from dreamflow.networks.network import Network

FOLDER = REPO_ROOT / "integrations" / "comfyui"
COMFY_NODES = {
    "LoadImage": ({"image"}, ("IMAGE", "MASK")),
    "SaveImage": ({"images", "filename_prefix"}, ()),
    "LoadVideo": ({"file"}, ("VIDEO",)),
    "GetVideoComponents": ({"video"}, ("IMAGE", "AUDIO", "FLOAT")),
    "CreateVideo": ({"images", "audio", "fps"}, ("VIDEO",)),
    "SaveVideo": ({"video", "filename_prefix", "format", "codec"}, ()),
}
"""ComfyUI's own nodes of the graphs: their inputs and what they return."""
WIDGETS: dict[str, Any] = {"octaves": 1, "iterations": 1, "step": 1.5, "seed": 0}


class InterruptProcessingException(Exception):
    """As ComfyUI raises."""


class Comfy:
    """What the nodes see of ComfyUI."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, int]] = []
        self.interrupted = False

    def throw_exception_if_processing_interrupted(self) -> None:
        if self.interrupted:
            raise InterruptProcessingException

    def make_bar(self, total: int) -> Any:
        comfy = self

        class ProgressBar:
            def update_absolute(self, value: int, total: int | None = None) -> None:
                comfy.shown.append((value, total or 0))

        return ProgressBar()


@pytest.fixture
def comfy(monkeypatch: pytest.MonkeyPatch) -> Comfy:
    made = Comfy()
    modules = {
        name: ModuleType(name) for name in ("comfy", "comfy.model_management", "comfy.utils")
    }
    modules["comfy.utils"].ProgressBar = made.make_bar  # type: ignore[attr-defined]
    hook = made.throw_exception_if_processing_interrupted
    modules["comfy.model_management"].throw_exception_if_processing_interrupted = hook  # type: ignore[attr-defined]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    return made


@pytest.fixture
def nodes(comfy: Comfy) -> Iterator[dict[str, Any]]:
    """Load the folder as ComfyUI loads one of `custom_nodes/`."""
    name = "comfyui_dreamflow"
    spec = importlib.util.spec_from_file_location(
        name, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield module.NODE_CLASS_MAPPINGS
    for loaded in [key for key in sys.modules if key.partition(".")[0] == name]:
        del sys.modules[loaded]


def batch(count: int, channels: int = 3) -> torch.Tensor:
    pictures = [torch.from_numpy(make_texture(48, 64, seed)).float() / 255 for seed in range(count)]
    images = torch.stack(pictures)
    return images if channels == 3 else torch.cat([images, torch.ones(count, 48, 64, 1)], -1)


def run(node: type, **inputs: Any) -> Any:
    """Call a node as ComfyUI does, and check what it declares of what it returns."""
    with torch.inference_mode():
        given = getattr(node(), node.FUNCTION)(**inputs)  # type: ignore[attr-defined]
    assert len(given) == len(node.RETURN_TYPES)  # type: ignore[attr-defined]
    return given[0]


def check_images(images: torch.Tensor, count: int) -> None:
    assert images.shape == (count, 48, 64, 3)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1


def test_every_node_has_what_comfyui_asks_of_one(nodes: dict[str, Any]) -> None:
    for node in nodes.values():
        inputs = node.INPUT_TYPES()
        assert set(inputs) <= {"required", "optional", "hidden"}
        assert callable(getattr(node, node.FUNCTION))
        assert isinstance(node.RETURN_TYPES, tuple)
        assert node.CATEGORY
        for kind, *options in (one for group in inputs.values() for one in group.values()):
            assert isinstance(kind, (str, list))
            default = options[0].get("default") if options else None
            assert default is None or not isinstance(kind, list) or default in kind


@pytest.mark.parametrize("channels", [3, 4])
def test_images_are_dreamed(
    nodes: dict[str, Any], comfy: Comfy, noise_network: Network, channels: int
) -> None:
    images = batch(2, channels)
    widgets = {"network": noise_network, "preset": "(none)", "layer": "conv2/3x3", **WIDGETS}
    dreams = run(nodes["DreamFlowImage"], images=images, **widgets)
    check_images(dreams, 2)
    assert not torch.equal(dreams, images[..., :3])
    assert comfy.shown == [(1, 2), (2, 2)]


def test_a_batch_is_dreamed_as_a_film(
    nodes: dict[str, Any], comfy: Comfy, noise_network: Network
) -> None:
    images = batch(1).repeat(4, 1, 1, 1)
    settings = run(nodes["DreamFlowSetting"], name="strength", value="0: 0, 3: 1 hold")
    settings = run(nodes["DreamFlowSetting"], name="decay", value="0.9", settings=settings)
    widgets = {"network": noise_network, "preset": "fur", "layer": "", **WIDGETS}
    dreams = run(
        nodes["DreamFlowVideo"],
        images=images,
        fps=24.0,
        stability=0.5,
        settings=settings,
        **widgets,
    )
    check_images(dreams, 4)
    assert torch.equal(dreams[0], images[0]), "the schedule begins at 0"
    assert not torch.equal(dreams[3], images[3])
    assert comfy.shown[-1] == (4, 4)


def test_an_image_is_zoomed_into(
    nodes: dict[str, Any], comfy: Comfy, noise_network: Network
) -> None:
    widgets = {"network": noise_network, "preset": "whirl", "layer": "", **WIDGETS}
    frames = run(
        nodes["DreamFlowZoom"], image=batch(1), seconds=0.25, fps=12.0, speed=1.5, **widgets
    )
    check_images(frames, 3)


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("DreamFlowImage", {"images": batch(1)}),
        ("DreamFlowVideo", {"images": batch(2), "fps": 24.0, "stability": 0.5}),
        ("DreamFlowZoom", {"image": batch(1), "seconds": 0.25, "fps": 12.0, "speed": 1.5}),
    ],
)
def test_an_interrupt_ends_a_dream_within_an_image(
    nodes: dict[str, Any],
    comfy: Comfy,
    noise_network: Network,
    kind: str,
    inputs: dict[str, Any],
) -> None:
    comfy.interrupted = True
    widgets = {"network": noise_network, "preset": "(none)", "layer": "conv2/3x3", **WIDGETS}
    with pytest.raises(InterruptProcessingException):
        run(nodes[kind], **inputs, **widgets)
    assert comfy.shown == []


def test_a_network_is_loaded(nodes: dict[str, Any]) -> None:
    assert run(nodes["DreamFlowNetwork"], name="pocket").name == "pocket"


@pytest.mark.parametrize(("name", "value"), [("octavs", "3"), ("octaves", "99")])
def test_a_wrong_setting_is_refused(nodes: dict[str, Any], name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        run(nodes["DreamFlowSetting"], name=name, value=value)
    assert refusal.value.setting == name


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_graph_is_valid(path: Path, nodes: dict[str, Any]) -> None:
    """As ComfyUI validates a prompt: nodes known, inputs complete, linked types and values fit."""
    graph = json.loads(path.read_text(encoding="utf-8"))
    for node in graph.values():
        kind, given = node["class_type"], node["inputs"]
        if kind in COMFY_NODES:
            assert set(given) == COMFY_NODES[kind][0]
            continue
        inputs = nodes[kind].INPUT_TYPES()
        declared = inputs["required"] | inputs.get("optional", {})
        assert set(inputs["required"]) <= set(given) <= set(declared), kind
        for name, value in given.items():
            wanted, *options = declared[name]
            if isinstance(value, list):
                source = graph[value[0]]["class_type"]
                returned = COMFY_NODES[source][1] if source in COMFY_NODES else ()
                returned = returned or nodes[source].RETURN_TYPES
                assert returned[value[1]] == wanted, (kind, name)
            elif isinstance(wanted, list):
                assert value in wanted, (kind, name)
            else:
                assert isinstance(value, {"INT": int, "FLOAT": float, "STRING": str}[wanted])
                bounds = options[0] if options else {}
                assert "min" not in bounds or bounds["min"] <= value <= bounds["max"]
