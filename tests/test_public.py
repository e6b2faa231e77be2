"""The public surface: what `import dreamflow` offers, and that it loads nothing heavy."""

from __future__ import annotations

import inspect
import subprocess
import sys

import dreamflow

SURFACE = {
    "CarryOptions",
    "Clip",
    "ClipOptions",
    "DreamFlowError",
    "DreamFlowWarning",
    "DreamOptions",
    "Frame",
    "MachineOptions",
    "MeasuredDream",
    "Network",
    "RenderResult",
    "Shot",
    "ShowOptions",
    "SweepOptions",
    "UserInterrupt",
    "ZoomOptions",
    "__version__",
    "dream_image",
    "dream_sweep",
    "dream_video",
    "dream_zoom",
    "list_shots",
    "load_network",
    "make_guide",
    "measure",
    "network_of",
    "open_clip",
    "read_picture",
    "render",
    "write_picture",
    "write_video",
}


def test_the_public_surface_is_unchanged() -> None:
    assert set(dreamflow.__all__) == SURFACE
    assert set(dir(dreamflow)) == SURFACE


def test_every_public_name_is_documented_and_annotated() -> None:
    for name in SURFACE - {"__version__"}:
        member = getattr(dreamflow, name)
        assert inspect.getdoc(member), name
        if inspect.isfunction(member):
            hints = inspect.get_annotations(member, eval_str=False)
            assert "return" in hints
            assert set(inspect.signature(member).parameters) < set(hints)


def test_importing_loads_nothing_heavy() -> None:
    script = "import sys, dreamflow; assert not {'torch', 'cv2', 'av'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_probing_loads_what_it_needs_alone() -> None:
    """The process that probes films begins anew in each command: what it loads is waited for."""
    script = (
        "import sys, dreamflow.media.read.probing.probe_process\n"
        "assert not {'torch', 'cv2', 'PIL', 'msgspec'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_torchvision_is_not_needed_to_dream() -> None:
    script = (
        "import sys; import dreamflow; dreamflow.dream_video; dreamflow.open_clip\n"
        "assert 'torchvision' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_torchvision_works_beside_this_torch() -> None:
    """Its models work even where its compiled operators do not fit this PyTorch."""
    script = (
        "import torch\n"
        "from dreamflow.networks.traced.torchvision_import import import_torchvision\n"
        "module, mended = import_torchvision()\n"
        "from torchvision.models import squeezenet1_1\n"
        "from torchvision.models.feature_extraction import create_feature_extractor\n"
        "net = create_feature_extractor(squeezenet1_1(weights=None).eval(), ['features.3'])\n"
        "assert net(torch.zeros(1, 3, 64, 64))['features.3'].shape[1] == 128\n"
        "assert import_torchvision() == (module, mended)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)


def test_a_missing_opencv_gives_advice() -> None:
    script = (
        "import sys; sys.modules['cv2'] = None\n"
        "sys.argv = ['dreamflow', 'video', 'a.mp4', 'b.mp4']\n"
        "from dreamflow.cli import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "opencv-python-headless" in done.stderr
    assert "Traceback" not in done.stderr
