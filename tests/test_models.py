"""The weights of networks: three formats read bit for bit or refused, and `dreamflow models`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import SAMPLE_STILL, WEIGHTS_FILE, CommandResult, random_weights
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from noise_weights import noise_state
from torch import Tensor, nn

from dreamflow.core.errors import OutputError, SettingsError, WeightsError
from dreamflow.media.stills.read import read_picture
from dreamflow.networks.catalogue import find_network_spec
from dreamflow.networks.loading import load_network
from dreamflow.networks.traced import torchvision_zoo as zoo
from dreamflow.networks.weights.cache import SHIPPED_WEIGHTS_FOLDER, find_torch_hub_folder
from dreamflow.networks.weights.caffemodel import (
    DamagedCaffeModelError,
    parse_net_parameter,
    read_caffemodel,
)
from dreamflow.networks.weights.formats import read_state_dict, read_weights
from dreamflow.networks.weights.manage import (
    import_weights,
    is_offline,
    remove_weights,
    verify_weights,
)
from dreamflow.networks.weights.registry import (
    BUILTIN_NETWORK_WEIGHTS,
    list_featured_torchvision_weights,
    parse_torchvision_url,
)

SQUEEZENET = "torchvision:squeezenet1_1"


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def message(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def caffe_blob(tensor: Tensor, old: bool, packed: bool = True, double: bool = False) -> bytes:
    """Return a blob as Caffe writes it: data, and its shape in the old notation or the new."""
    shape = list(tensor.shape)
    if old:
        sides = [1] * (4 - len(shape)) + shape
        head = b"".join(number_field(key, side) for key, side in enumerate(sides, start=1))
    else:
        head = message(7, message(1, b"".join(map(varint, shape))))
    values = tensor.numpy().astype("<f8" if double else "<f4").reshape(-1)
    field = 8 if double else 5
    if packed:
        return head + message(field, values.tobytes())
    tag = varint(field << 3 | (1 if double else 5))
    return head + b"".join(tag + value.tobytes() for value in values)


def write_caffemodel(tensors: dict[str, Tensor], old: bool, **notation: bool) -> bytes:
    """Return a NetParameter: a name, the image's size, a layer without weights, and the layers."""
    net = message(1, b"GoogleNet") + message(3, b"data") + number_field(4, 10)
    blobs: dict[str, list[Tensor]] = {}
    for key in sorted(tensors, key=lambda key: (key.rpartition(".")[0], key.endswith("bias"))):
        blobs.setdefault(key.rpartition(".")[0], []).append(tensors[key])
    net += message(2, message(4, b"relu") + number_field(5, 18)) if old else b""
    for name, parts in blobs.items():
        kind = 14 if parts[0].dim() == 2 else 4
        if old:
            layer = message(2, b"in") + message(4, name.encode()) + number_field(5, kind)
        else:
            layer = message(1, name.encode()) + message(2, b"Convolution")
        for part in parts:
            layer += message(6 if old else 7, caffe_blob(part, old, **notation))
        net += message(2 if old else 100, layer)
    return net


def same(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return actual.keys() == expected.keys() and all(
        actual[key].shape == expected[key].shape
        and actual[key].numpy().tobytes() == expected[key].numpy().tobytes()
        for key in expected
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights folder of an empty $DREAMFLOW_HOME; no other folder has weights either."""
    monkeypatch.setenv("DREAMFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("DREAMFLOW_OFFLINE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache"))
    return tmp_path / "home" / "weights"


@pytest.fixture(scope="module")
def googlenet_weights() -> dict[str, Tensor]:
    return random_weights() | {
        "loss3/classifier.weight": torch.randn(1000, 1024),
        "loss3/classifier.bias": torch.randn(1000),
    }


SMALL = {
    "conv.weight": torch.randn(4, 3, 2, 2),
    "conv.bias": torch.randn(4),
    "fc.weight": torch.randn(5, 4),
    "fc.bias": torch.randn(5),
}


@pytest.mark.parametrize("old", [True, False], ids=["layers", "layer"])
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "unpacked"])
@pytest.mark.parametrize("double", [True, False], ids=["double", "float"])
def test_a_caffe_model_is_read_bit_for_bit(old: bool, packed: bool, double: bool) -> None:
    data = write_caffemodel(SMALL, old, packed=packed, double=double)
    assert same(parse_net_parameter(memoryview(data)), SMALL)


@pytest.mark.weights
@pytest.mark.parametrize("old", [True, False], ids=["layers", "layer"])
def test_real_weights_are_imported_bit_for_bit(old: bool, home: Path, tmp_path: Path) -> None:
    real = safetensors.torch.load_file(WEIGHTS_FILE)
    (tmp_path / "bvlc_googlenet.caffemodel").write_bytes(write_caffemodel(real, old))
    path = import_weights(tmp_path / "bvlc_googlenet.caffemodel")
    assert path == home / "bvlc_googlenet.safetensors"
    assert same(safetensors.torch.load_file(path), real)
    assert "those that were imported" in verify_weights("googlenet")
    assert load_network("googlenet", device="cpu").layers


DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "text": (b"<!DOCTYPE html><html>not found</html>", "damaged"),
    "no weights": (message(1, b"net"), "no weights"),
    "varint bomb": (b"\x08" + b"\xff" * 5000, "more than ten bytes"),
    "length bomb": (b"\x12" + varint(2**62), "a field of 4,611,686,018,427,387,904 bytes"),
    "fields bomb": (b"\x20\x01" * 1_000_001, "more than 1,000,000 fields"),
    "no number": (b"\x00\x00", "without a number"),
    "unknown wire type": (b"\x0b", "unknown wire type 3"),
    "name that is not text": (message(2, message(4, b"\xff\xfe")), "not text"),
    "twice": (write_caffemodel(SMALL, True) * 2, "occurs twice"),
    "huge shape": (
        message(100, message(1, b"a") + message(7, message(7, message(1, varint(2**39) * 4)))),
        "claims 549755813888 x",
    ),
    "negative shape": (
        message(100, message(1, b"a") + message(7, message(7, message(1, varint(2**64 - 1))))),
        "claims 18446744073709551615 values",
    ),
    "many axes": (
        message(100, message(1, b"a") + message(7, message(7, message(1, b"\x01" * 9999)))),
        "more than 32 axes",
    ),
    "too few values": (
        message(2, message(4, b"a") + message(6, number_field(1, 9) + message(5, b"\0" * 8))),
        "claims 9 x 1 x 1 x 1 values, and the file has 2",
    ),
    "half a value": (message(2, message(4, b"a") + message(6, message(5, b"\0" * 7))), "7 bytes"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_caffe_models_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    body, reason = DAMAGED[name]
    path = tmp_path / "bad.caffemodel"
    path.write_bytes(body)
    with pytest.raises(WeightsError, match="is not a Caffe model, or is damaged") as raised:
        read_caffemodel(path)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


@given(data=st.data(), old=st.booleans(), packed=st.booleans())
@settings(max_examples=80)
def test_any_damage_is_an_error_of_its_own_or_none(data: Any, old: bool, packed: bool) -> None:
    body = bytearray(write_caffemodel(SMALL, old, packed=packed))
    if data.draw(st.booleans()):
        body = body[: data.draw(st.integers(0, len(body) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DamagedCaffeModelError):
        parse_net_parameter(memoryview(bytes(body)))


def test_a_cut_caffe_model_is_not_imported(home: Path, tmp_path: Path) -> None:
    whole = write_caffemodel(random_weights(), old=True)
    path = tmp_path / "cut.caffemodel"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        import_weights(path)
    assert not home.exists() or not list(home.iterdir())


class Evil:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("old", [True, False], ids=["pickle", "archive"])
def test_a_pickle_with_code_is_refused_by_the_codes_name(old: bool, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    path = tmp_path / "evil.pth"
    evil = {"a": torch.zeros(2), "b": Evil(f"touch {touched}")}
    torch.save(evil, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(WeightsError, match=r"holds code \((posix|nt)\.system\).*was not run"):
        read_weights(path)
    path.write_bytes(pickle.dumps(Evil(f"touch {touched}")))
    with pytest.raises(
        WeightsError, match=r"evil\.pth holds code \((posix|nt)\.system\)"
    ) as raised:
        read_weights(path)
    assert "\n" not in str(raised.value)
    assert not touched.exists()


def test_a_pickled_model_is_refused_with_a_hint(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Conv2d(3, 4, 1)), tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=r"torch.nn.modules.container.Sequential.*state_dict"):
        read_weights(tmp_path / "model.pt")


def test_state_dicts_are_read_alone_and_in_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    for saved in (SMALL, {"state_dict": SMALL, "epoch": 3}, {"model": SMALL}):
        torch.save(saved, path)
        assert same(read_state_dict(path), SMALL)
    for saved, reason in (([1, 2], "but a list"), ({"epoch": 3}, "no tensors")):
        torch.save(saved, path)
        with pytest.raises(WeightsError, match=reason):
            read_weights(path)


def test_archives_larger_than_their_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\0" * 10_000_000)
    assert path.stat().st_size < 20_000
    with pytest.raises(WeightsError, match="would grow to 10,000,000 bytes"):
        read_weights(path)
    torch.save({"a": torch.zeros(1).expand(10**12)}, path)
    with pytest.raises(WeightsError, match="claims more values"):
        read_weights(path)


@pytest.fixture(scope="module")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Weights of each format that is read."""
    folder = tmp_path_factory.mktemp("small")
    tensors = {"a.weight": torch.ones(4, 3, 3, 3), "a.bias": torch.zeros(4)}
    torch.save(tensors, folder / "zip.pth")
    torch.save({"state_dict": tensors, "epoch": 3}, folder / "checkpoint.ckpt")
    torch.save(tensors, folder / "old.pt", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(tensors, folder / "a.safetensors")
    np.savez(folder / "arrays.bin", a=np.ones(4))
    return sorted(folder.iterdir())


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damaged_weights_are_read_or_refused_in_one_line(
    data: st.DataObject, small_weights: list[Path], tmp_path: Path
) -> None:
    original = data.draw(st.sampled_from(small_weights))
    content = bytearray(original.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # The directory of an archive is at its end.
        at = data.draw(
            st.integers(0, len(content) - 1) | st.integers(len(content) - 200, len(content) - 1)
        )
        content[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    damaged = tmp_path / original.name
    damaged.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert read_weights(damaged)[0]
        except WeightsError as error:
            refusal = str(error)
            assert "\n" not in refusal


@pytest.mark.parametrize(
    ("field", "value"),
    [(b"PK\x06\x07", 16), (b"PK\x01\x02", 46), (b"PK\x06\x06", 40)],
)
def test_an_archive_with_a_damaged_directory_is_refused(
    field: bytes, value: int, small_weights: list[Path], tmp_path: Path
) -> None:
    content = bytearray((small_weights[0].parent / "zip.pth").read_bytes())
    at = content.rfind(field) + value
    content[at : at + 4] = b"\xff\xfe\x80\xff"
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError):
        read_weights(tmp_path / "a.pth")


def test_cut_pytorch_and_safetensors_files_are_refused_in_one_line(tmp_path: Path) -> None:
    torch.save(SMALL, tmp_path / "a.pth")
    torch.save(SMALL, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(SMALL, tmp_path / "c.safetensors")
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for share in (0, 0.2, 0.5, 0.9):
            path.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(WeightsError) as raised:
                read_weights(path)
            assert path.name in str(raised.value)
            assert "\n" not in str(raised.value)


def test_import_infers_the_network_from_the_layers(
    home: Path, tmp_path: Path, googlenet_weights: dict[str, Tensor]
) -> None:
    for classes, name in ((1000, "googlenet"), (205, "places205"), (365, "places365")):
        cut = {k: v[:classes] if "classifier" in k else v for k, v in googlenet_weights.items()}
        (tmp_path / "any.caffemodel").write_bytes(write_caffemodel(cut, old=classes != 365))
        path = import_weights(tmp_path / "any.caffemodel")
        assert path == home / BUILTIN_NETWORK_WEIGHTS[name].filenames[0]
        assert same(safetensors.torch.load_file(path), cut)
        assert load_network(name, device="cpu").name == name
    odd = {k: v[:7] if "classifier" in k else v for k, v in googlenet_weights.items()}
    safetensors.torch.save_file(
        {k: v.clone() for k, v in odd.items()}, tmp_path / "odd.safetensors"
    )
    with pytest.raises(SettingsError) as raised:
        import_weights(tmp_path / "odd.safetensors")
    assert raised.value.setting == "network"
    with pytest.raises(OutputError) as exists:
        import_weights(tmp_path / "odd.safetensors", "googlenet")
    assert exists.value.setting == "overwrite"
    import_weights(tmp_path / "odd.safetensors", "googlenet", overwrite=True)


def test_a_state_dict_is_imported_by_its_file_name_or_as_told(home: Path, tmp_path: Path) -> None:
    state = noise_state(SQUEEZENET)
    for name, network in (("squeezenet1_1-b8a52dc0.pth", None), ("mine.pt", SQUEEZENET)):
        torch.save(state, tmp_path / name)
        path = import_weights(tmp_path / name, network, overwrite=network is not None)
        assert path == home / "torchvision-squeezenet1_1.safetensors"
    assert same(safetensors.torch.load_file(path), state)
    with safetensors.safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
        metadata = file.metadata()
    assert metadata["network"] == SQUEEZENET
    assert metadata["source"] == "mine.pt"
    assert load_network(SQUEEZENET, device="cpu").weights_hash
    with pytest.raises(SettingsError) as raised:
        import_weights(tmp_path / "mine.pt")
    assert raised.value.where == str(tmp_path / "mine.pt")
    with pytest.raises(WeightsError, match="do not fit torchvision:alexnet"):
        import_weights(tmp_path / "mine.pt", "torchvision:alexnet")
    with pytest.raises(SettingsError, match="did you mean"):
        import_weights(tmp_path / "mine.pt", "torchvision:alexnets")


def test_a_flipped_bit_is_detected(home: Path, tmp_path: Path) -> None:
    torch.save(noise_state(SQUEEZENET), tmp_path / "mine.pt")
    path = import_weights(tmp_path / "mine.pt", SQUEEZENET)
    assert "those that were imported" in verify_weights(SQUEEZENET)
    body = bytearray(path.read_bytes())
    body[-3] ^= 1
    path.write_bytes(body)
    with pytest.raises(WeightsError, match="is damaged"):
        verify_weights(SQUEEZENET)
    with pytest.raises(WeightsError) as raised:
        load_network(SQUEEZENET, device="cpu")
    assert raised.value.where == str(path)
    assert remove_weights(SQUEEZENET) == [path]
    with pytest.raises(WeightsError, match="there are no weights"):
        remove_weights(SQUEEZENET)
    with pytest.raises(WeightsError, match="not DreamFlow's to remove"):
        remove_weights("pocket")


class FileServer(ThreadingHTTPServer):
    """Serves bytes by path, and records the paths requested."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FileHandler)
        self.files: dict[str, bytes] = {}
        self.requested: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class FileHandler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.requested.append(self.path)
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def file_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = FileServer()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def empty_cli(
    home: Path, cli: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CommandResult]:
    """The command line on an empty home."""
    monkeypatch.setenv("DREAMFLOW_HOME", str(home.parent))
    return cli


def test_pull_from_a_mirror_verifies_and_imports(
    empty_cli: Callable[..., CommandResult],
    file_server: FileServer,
    home: Path,
    googlenet_weights: dict[str, Tensor],
) -> None:
    places = {k: v[:365] if "classifier" in k else v for k, v in googlenet_weights.items()}
    file_server.files = {
        "/googlenet_places365.caffemodel": write_caffemodel(places, old=False),
        "/bvlc_googlenet.caffemodel": b"not these",
    }
    mirror = file_server.url
    run = empty_cli("models", "pull", "places365", "--mirror", mirror)
    assert run.code == 0
    assert "no checksum is published" in run.err
    assert [path.name for path in home.iterdir()] == ["googlenet_places365.safetensors"]
    assert same(safetensors.torch.load_file(next(home.iterdir())), places)
    assert "is there already" in empty_cli("models", "pull", "places365").out
    run = empty_cli("models", "pull", "googlenet", "--mirror", mirror)
    assert run.code == 1
    assert "405fc5acd08a3bb12de8ee5e23a96bec22f08204" in run.err
    assert "Traceback" not in run.err
    assert len(list(home.iterdir())) == 1
    run = empty_cli("models", "pull", SQUEEZENET, "--mirror", mirror)
    assert run.code == 1
    assert "404" in run.err
    assert SQUEEZENET not in os.listdir(home)
    file_server.files["/googlenet_places365.caffemodel"] = b"<html>moved</html>"
    run = empty_cli("models", "pull", "places365", "--mirror", mirror, "--overwrite")
    assert run.code == 1
    assert run.err.count("\n") == 1
    assert [path.name for path in home.iterdir()] == ["googlenet_places365.safetensors"]


def test_without_a_published_checksum_the_first_download_is_the_measure(
    empty_cli: Callable[..., CommandResult],
    file_server: FileServer,
    home: Path,
    googlenet_weights: dict[str, Tensor],
) -> None:
    places = {k: v[:365] if "classifier" in k else v for k, v in googlenet_weights.items()}
    served = write_caffemodel(places, old=False)
    file_server.files = {"/googlenet_places365.caffemodel": served}
    pull = ("models", "pull", "places365", "--mirror", file_server.url)
    assert empty_cli(*pull).code == 0
    before = next(home.iterdir()).read_bytes()
    changed = {name: tensor + 1 for name, tensor in places.items()}
    file_server.files = {"/googlenet_places365.caffemodel": write_caffemodel(changed, old=False)}
    run = empty_cli(*pull, "--overwrite")
    assert run.code == 1
    assert hashlib.sha256(served).hexdigest() in run.err
    assert [path.read_bytes() for path in home.iterdir()] == [before]
    file_server.files = {"/googlenet_places365.caffemodel": served}
    assert empty_cli(*pull, "--overwrite").code == 0


def test_the_published_sources_are_the_official_ones() -> None:
    source = find_network_spec("googlenet").weights.source
    assert source is not None
    assert source.algorithm == "sha1"
    assert source.url == "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel"
    source = find_network_spec("torchvision:vgg16").weights.source
    assert source is not None
    assert source.url.startswith("https://download.pytorch.org/models/")
    assert (source.filename, source.digest) == ("vgg16-397923af.pth", "397923af")
    assert parse_torchvision_url("https://x/inception_v3_google-0cc3c7bd.pth").digest == "0cc3c7bd"


def test_featured_classifiers_are_published_where_torchvision_states() -> None:
    for name, weights in list_featured_torchvision_weights().items():
        assert weights == find_network_spec(name).weights, name


def test_weights_are_listed_without_pytorch(home: Path, tmp_path: Path) -> None:
    """Unless a file has a name that only torchvision knows."""
    hub = tmp_path / "hub" / "hub" / "checkpoints"
    script = (
        "import sys\n"
        "from dreamflow.cli import main\n"
        "sys.argv = ['dreamflow', 'models', 'list']\n"
        "try: main()\n"
        "except SystemExit: print('torch' in sys.modules)\n"
    )

    def list_with(*names: str) -> str:
        hub.mkdir(parents=True, exist_ok=True)
        for name in names:
            (hub / name).write_bytes(b"weights")
        line = [sys.executable, "-W", "ignore", "-c", script]
        env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(line, capture_output=True, text=True, check=True, env=env).stdout

    no_classifier = "raft_large_C_T_SKHT_V2-ff5fadd5.pth"
    listing = list_with("vgg16-397923af.pth", no_classifier)
    assert listing.endswith("False\n")
    assert str(hub / "vgg16-397923af.pth") in listing
    assert "torchvision:resnet101" not in listing
    listing = list_with("resnet101-cd907fc2.pth")
    assert listing.endswith("True\n")
    assert str(hub / "resnet101-cd907fc2.pth") in listing


def test_pytorchs_hub_folder_is_found_without_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("TORCH_HOME", tmp_path), ("XDG_CACHE_HOME", tmp_path), ("HOME", tmp_path)):
        for other in ("TORCH_HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(other, raising=False)
        monkeypatch.setenv(name, str(value))
        expected = find_torch_hub_folder()
        with monkeypatch.context() as patched:
            patched.delitem(sys.modules, "torch")
            assert find_torch_hub_folder() == expected


def test_offline_downloads_nothing(
    empty_cli: Callable[..., CommandResult],
    file_server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mirror = ("--mirror", file_server.url)
    run = empty_cli("models", "pull", "googlenet", "--offline", *mirror)
    assert run.code == 1
    assert "--offline" in run.err
    monkeypatch.setenv("DREAMFLOW_OFFLINE", "1")
    run = empty_cli("models", "pull", SQUEEZENET, *mirror)
    assert run.code == 1
    assert "DREAMFLOW_OFFLINE" in run.err
    assert not file_server.requested
    monkeypatch.setenv("DREAMFLOW_OFFLINE", "0")
    assert not is_offline()


def test_the_commands_show_where_weights_are(
    empty_cli: Callable[..., CommandResult], home: Path, tmp_path: Path
) -> None:
    run = empty_cli("frame", "x.jpg", "y.png", "--network", SQUEEZENET, "--layer", "features.2")
    assert run.code == 1
    torch.save(noise_state(SQUEEZENET), tmp_path / "squeezenet1_1-b8a52dc0.pth")
    run = empty_cli("models", "import", tmp_path / "squeezenet1_1-b8a52dc0.pth")
    path = home / "torchvision-squeezenet1_1.safetensors"
    assert run.code == 0
    assert str(path) in run.out
    run = empty_cli("models", "list")
    for text in (str(path), "comes with DreamFlow", "dreamflow models pull googlenet"):
        assert text in run.out
    assert "--network places205" in run.out
    rows = json.loads(empty_cli("models", "list", "--all", "--json").out)
    assert len(rows) > 60
    (row,) = (row for row in rows if row["network"] == SQUEEZENET)
    assert row["path"] == str(path)
    assert empty_cli("models", "path", SQUEEZENET).out.strip() == str(path)
    assert empty_cli("models", "path").out.strip() == str(home)
    run = empty_cli("models", "path", "torchvision:vgg16")
    assert run.code == 1
    assert "`dreamflow models pull torchvision:vgg16`" in run.err
    run = empty_cli("models", "verify")
    assert run.code == 0
    assert SQUEEZENET in run.out
    assert "pocket" in run.out
    run = empty_cli("models", "remove", SQUEEZENET)
    assert run.code == 0
    assert not path.exists()
    run = empty_cli("models", "pull", "places205")
    assert run.code == 1
    assert "models import FILE --network places205" in run.err


def test_shipped_weights_have_their_checksum(home: Path, tmp_path: Path) -> None:
    assert verify_weights("pocket").endswith("that of the file that comes with DreamFlow")
    data = bytearray((SHIPPED_WEIGHTS_FOLDER / "pocket.safetensors").read_bytes())
    data[-1] ^= 1
    damaged = tmp_path / "pocket.safetensors"
    damaged.write_bytes(data)
    with pytest.raises(WeightsError, match="is damaged: its SHA256 is"):
        verify_weights("pocket", damaged, shipped_folder=tmp_path)


def test_without_torchvision_the_other_networks_are_listed(
    empty_cli: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ImportError("no torchvision here")

    monkeypatch.setattr(zoo, "import_torchvision", broken)
    for cached in (
        zoo.list_classifier_names,
        zoo.find_classifier_info,
        zoo.describe_classifier_layers,
    ):
        cached.cache_clear()
    run = empty_cli("models", "list", "--all")
    assert run.code == 0
    assert "places365" in run.out
    assert "warning: torchvision cannot be" in run.err
    run = empty_cli("layers", "--network", SQUEEZENET)
    assert run.code == 1
    assert "no torchvision here" in run.err
    assert run.err.count("\n") == 1


def test_weights_of_any_format_are_given_by_path(
    empty_cli: Callable[..., CommandResult], tmp_path: Path, googlenet_weights: dict[str, Tensor]
) -> None:
    path = tmp_path / "mine.caffemodel"
    path.write_bytes(write_caffemodel(googlenet_weights, old=True))
    small = ["--size", "48", "--octaves", "1", "--iterations", "1"]
    run = empty_cli(
        *("frame", SAMPLE_STILL, tmp_path / "a.png", "--network", "googlenet", "--weights", path),
        *("--layer", "conv2/3x3", *small),
    )
    assert run.code == 0, run
    torch.save(noise_state(SQUEEZENET), tmp_path / "mine.pth")
    run = empty_cli(
        *("frame", SAMPLE_STILL, tmp_path / "b.png", "--network", SQUEEZENET),
        *("--weights", tmp_path / "mine.pth", "--layer", "features.4.cat", *small),
    )
    assert run.code == 0, run
    assert read_picture(tmp_path / "b.png").shape[1] == 48
