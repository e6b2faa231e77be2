"""The store: weights of three formats, taken over bit for bit, or refused in one line."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
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
from test_every_network import noise_state
from torch import Tensor, nn

from dreamflow.core.errors import OutputError, SettingsError, WeightsError
from dreamflow.networks.catalogue import find_network_spec
from dreamflow.networks.loading import load_network
from dreamflow.networks.traced import torchvision_zoo as zoo
from dreamflow.networks.weights import caffemodel, folders
from dreamflow.networks.weights import manage as models
from dreamflow.networks.weights.caffemodel import parse_net_parameter, read_caffemodel
from dreamflow.networks.weights.formats import read_state_dict, read_weights
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
    """Write a blob as Caffe does: data, and its shape in the old notation or the new."""
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


def write_caffemodel(tensors: dict[str, Tensor], old: bool, **how: bool) -> bytes:
    """Write a NetParameter: a name, the picture's size, a layer without weights, and the layers."""
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
            layer += message(6 if old else 7, caffe_blob(part, old, **how))
        net += message(2 if old else 100, layer)
    return net


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(
        found[key].shape == expected[key].shape
        and found[key].numpy().tobytes() == expected[key].numpy().tobytes()
        for key in expected
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty $DREAMFLOW_HOME, and no other place with weights."""
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
    found = parse_net_parameter(
        memoryview(write_caffemodel(SMALL, old, packed=packed, double=double))
    )
    assert same(found, SMALL)


@pytest.mark.weights
@pytest.mark.parametrize("old", [True, False], ids=["layers", "layer"])
def test_the_real_weights_are_imported_bit_for_bit(old: bool, home: Path, tmp_path: Path) -> None:
    real = safetensors.torch.load_file(WEIGHTS_FILE)
    (tmp_path / "bvlc_googlenet.caffemodel").write_bytes(write_caffemodel(real, old))
    path = models.import_weights(tmp_path / "bvlc_googlenet.caffemodel")
    assert path == home / "bvlc_googlenet.safetensors"
    assert same(safetensors.torch.load_file(path), real)
    assert "those that were imported" in models.verify_weights("googlenet")
    assert load_network("googlenet", device="cpu").layers


DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "text": (b"<!DOCTYPE html><html>not found</html>", "damaged"),
    "no weights": (message(1, b"net"), "no weights"),
    "varint bomb": (b"\x08" + b"\xff" * 5000, "more than ten bytes"),
    "length bomb": (b"\x12" + varint(2**62), "a field of 4,611,686,018,427,387,904 bytes"),
    "fields bomb": (b"\x20\x01" * 1_000_001, "more than 1,000,000 fields"),
    "no number": (b"\x00\x00", "without a number"),
    "unknown kind": (b"\x0b", "unknown kind 3"),
    "name of no text": (message(2, message(4, b"\xff\xfe")), "no text"),
    "twice": (write_caffemodel(SMALL, True) * 2, "there twice"),
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
        "claims 9 x 1 x 1 x 1 values, and 2 are there",
    ),
    "half a value": (message(2, message(4, b"a") + message(6, message(5, b"\0" * 7))), "7 bytes"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_caffe_models_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    body, said = DAMAGED[name]
    path = tmp_path / "bad.caffemodel"
    path.write_bytes(body)
    with pytest.raises(WeightsError, match="is no Caffe model, or is damaged") as raised:
        read_caffemodel(path)
    assert said in str(raised.value) and "\n" not in str(raised.value)


@given(data=st.data(), old=st.booleans(), packed=st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_damage_is_a_clear_error_or_none(data: Any, old: bool, packed: bool) -> None:
    body = bytearray(write_caffemodel(SMALL, old, packed=packed))
    if data.draw(st.booleans()):
        body = body[: data.draw(st.integers(0, len(body) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_net_parameter(memoryview(bytes(body)))
    except caffemodel._DamagedCaffeModelError as error:
        assert str(error)


def test_a_cut_file_never_imports(home: Path, tmp_path: Path) -> None:
    whole = write_caffemodel(random_weights(), old=True)
    path = tmp_path / "cut.caffemodel"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        models.import_weights(path)
    assert not home.exists() or not list(home.iterdir())


class Evil:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("old", [True, False], ids=["pickle", "archive"])
def test_a_pickle_with_code_in_it_is_refused_by_name(old: bool, tmp_path: Path) -> None:
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
    assert "\n" not in str(raised.value) and not touched.exists()


def test_a_whole_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Conv2d(3, 4, 1)), tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=r"torch.nn.modules.container.Sequential.*state_dict"):
        read_weights(tmp_path / "model.pt")


def test_state_dicts_are_read_alone_and_wrapped(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    for saved in (SMALL, {"state_dict": SMALL, "epoch": 3}, {"model": SMALL}):
        torch.save(saved, path)
        assert same(read_state_dict(path), SMALL)
    for saved, said in (([1, 2], "but a list"), ({"epoch": 3}, "no tensors")):
        torch.save(saved, path)
        with pytest.raises(WeightsError, match=said):
            read_weights(path)


def test_archives_that_grow_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\0" * 10_000_000)
    assert path.stat().st_size < 20_000
    with pytest.raises(WeightsError, match="would grow to 10,000,000 bytes"):
        read_weights(path)
    torch.save({"a": torch.zeros(1).expand(10**12)}, path)
    with pytest.raises(WeightsError, match="claims more values"):
        read_weights(path)


def test_cut_files_of_pytorch_and_safetensors_are_one_line(tmp_path: Path) -> None:
    torch.save(SMALL, tmp_path / "a.pth")
    torch.save(SMALL, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(SMALL, tmp_path / "c.safetensors")
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for share in (0, 0.2, 0.5, 0.9):
            path.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(WeightsError) as raised:
                read_weights(path)
            assert path.name in str(raised.value) and "\n" not in str(raised.value)


def test_import_tells_whose_weights_they_are(
    home: Path, tmp_path: Path, googlenet_weights: dict[str, Tensor]
) -> None:
    for classes, name in ((1000, "googlenet"), (205, "places205"), (365, "places365")):
        cut = {k: v[:classes] if "classifier" in k else v for k, v in googlenet_weights.items()}
        (tmp_path / "any.caffemodel").write_bytes(write_caffemodel(cut, old=classes != 365))
        path = models.import_weights(tmp_path / "any.caffemodel")
        assert path == home / BUILTIN_NETWORK_WEIGHTS[name].filenames[0]
        assert same(safetensors.torch.load_file(path), cut)
        assert load_network(name, device="cpu").name == name
    odd = {k: v[:7] if "classifier" in k else v for k, v in googlenet_weights.items()}
    safetensors.torch.save_file(
        {k: v.clone() for k, v in odd.items()}, tmp_path / "odd.safetensors"
    )
    with pytest.raises(SettingsError, match="--network"):
        models.import_weights(tmp_path / "odd.safetensors")
    with pytest.raises(OutputError, match="--overwrite"):
        models.import_weights(tmp_path / "odd.safetensors", "googlenet")
    models.import_weights(tmp_path / "odd.safetensors", "googlenet", overwrite=True)


def test_a_state_dict_is_imported_by_its_name_or_yours(home: Path, tmp_path: Path) -> None:
    state = noise_state(SQUEEZENET)
    for name, network in (("squeezenet1_1-b8a52dc0.pth", None), ("mine.pt", SQUEEZENET)):
        torch.save(state, tmp_path / name)
        path = models.import_weights(tmp_path / name, network, overwrite=network is not None)
        assert path == home / "torchvision-squeezenet1_1.safetensors"
    assert same(safetensors.torch.load_file(path), state)
    with safetensors.safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
        note = file.metadata()
    assert note["network"] == SQUEEZENET and note["source"] == "mine.pt"
    assert load_network(SQUEEZENET, device="cpu").weights_hash
    with pytest.raises(SettingsError, match="does not tell whose"):
        models.import_weights(tmp_path / "mine.pt")
    with pytest.raises(WeightsError, match="do not fit torchvision:alexnet"):
        models.import_weights(tmp_path / "mine.pt", "torchvision:alexnet")
    with pytest.raises(SettingsError, match="did you mean"):
        models.import_weights(tmp_path / "mine.pt", "torchvision:alexnets")


def test_a_bit_that_fell_over_is_found(home: Path, tmp_path: Path) -> None:
    torch.save(noise_state(SQUEEZENET), tmp_path / "mine.pt")
    path = models.import_weights(tmp_path / "mine.pt", SQUEEZENET)
    assert "those that were imported" in models.verify_weights(SQUEEZENET)
    body = bytearray(path.read_bytes())
    body[-3] ^= 1
    path.write_bytes(body)
    with pytest.raises(WeightsError, match="is damaged"):
        models.verify_weights(SQUEEZENET)
    assert models.remove_weights(SQUEEZENET) == [path]
    with pytest.raises(WeightsError, match="there are no weights"):
        models.remove_weights(SQUEEZENET)
    with pytest.raises(WeightsError, match="not DreamFlow's to remove"):
        models.remove_weights("pocket")


class Shelf(ThreadingHTTPServer):
    daemon_threads = True
    files: dict[str, bytes]


class Shelved(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Shelf(("127.0.0.1", 0), Shelved)
    made.files = {}
    thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def store(
    home: Path, cli: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CommandResult]:
    """The command line on an empty home."""
    monkeypatch.setenv("DREAMFLOW_HOME", str(home.parent))
    return cli


def test_pull_from_a_mirror_checks_imports_and_says_so(
    store: Callable[..., CommandResult],
    shelf: Shelf,
    home: Path,
    googlenet_weights: dict[str, Tensor],
) -> None:
    places = {k: v[:365] if "classifier" in k else v for k, v in googlenet_weights.items()}
    shelf.files = {
        "/googlenet_places365.caffemodel": write_caffemodel(places, old=False),
        "/bvlc_googlenet.caffemodel": b"not these",
    }
    mirror = f"http://127.0.0.1:{shelf.server_address[1]}/"
    run = store("models", "pull", "places365", "--mirror", mirror)
    assert run.code == 0 and "no checksum is published" in run.err
    assert [path.name for path in home.iterdir()] == ["googlenet_places365.safetensors"]
    assert same(safetensors.torch.load_file(next(home.iterdir())), places)
    assert "is there already" in store("models", "pull", "places365").out
    run = store("models", "pull", "googlenet", "--mirror", mirror)
    assert run.code == 1 and "405fc5acd08a3bb12de8ee5e23a96bec22f08204" in run.err
    assert "Traceback" not in run.err and len(list(home.iterdir())) == 1
    run = store("models", "pull", SQUEEZENET, "--mirror", mirror)
    assert run.code == 1 and "404" in run.err and SQUEEZENET not in os.listdir(home)
    shelf.files["/googlenet_places365.caffemodel"] = b"<html>moved</html>"
    run = store("models", "pull", "places365", "--mirror", mirror, "--overwrite")
    assert run.code == 1 and "no Caffe model" in run.err and run.err.count("\n") == 1
    assert [path.name for path in home.iterdir()] == ["googlenet_places365.safetensors"]


def test_the_published_sources_are_the_official_ones() -> None:
    source = find_network_spec("googlenet").weights.source
    assert source is not None and source.algorithm == "sha1"
    assert source.url == "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel"
    source = find_network_spec("torchvision:vgg16").weights.source
    assert source is not None and source.url.startswith("https://download.pytorch.org/models/")
    assert (source.filename, source.digest) == ("vgg16-397923af.pth", "397923af")
    assert parse_torchvision_url("https://x/inception_v3_google-0cc3c7bd.pth").digest == "0cc3c7bd"


def test_the_well_known_are_published_where_torchvision_says() -> None:
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

    def listed(name: str) -> str:
        hub.mkdir(parents=True, exist_ok=True)
        (hub / name).write_bytes(b"weights")
        line = [sys.executable, "-W", "ignore", "-c", script]
        env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(line, capture_output=True, text=True, check=True, env=env).stdout

    told = listed("vgg16-397923af.pth")
    assert told.endswith("False\n") and str(hub / "vgg16-397923af.pth") in told
    assert "torchvision:resnet101" not in told
    told = listed("raft_large_C_T_SKHT_V2-ff5fadd5.pth")
    assert told.endswith("False\n"), "that is no classifier's"
    told = listed("resnet101-cd907fc2.pth")
    assert told.endswith("True\n") and str(hub / "resnet101-cd907fc2.pth") in told


def test_the_hub_is_where_pytorch_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TORCH_HOME", tmp_path), ("XDG_CACHE_HOME", tmp_path), ("HOME", tmp_path)):
        for other in ("TORCH_HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(other, raising=False)
        monkeypatch.setenv(name, str(value))
        expected = folders.find_torch_hub_folder()
        with monkeypatch.context() as patched:
            patched.delitem(sys.modules, "torch")
            assert folders.find_torch_hub_folder() == expected


def test_offline_fetches_nothing(
    store: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "download_file", lambda *a, **k: pytest.fail("it was fetched"))
    run = store("models", "pull", "googlenet", "--offline")
    assert run.code == 1 and "--offline" in run.err
    monkeypatch.setenv("DREAMFLOW_OFFLINE", "1")
    run = store("models", "pull", SQUEEZENET)
    assert run.code == 1 and "DREAMFLOW_OFFLINE" in run.err
    monkeypatch.setenv("DREAMFLOW_OFFLINE", "0")
    assert not models.is_offline()


def test_the_commands_tell_where_weights_are(
    store: Callable[..., CommandResult], home: Path, tmp_path: Path
) -> None:
    run = store("frame", "x.jpg", "y.png", "--network", SQUEEZENET, "--layer", "features.2")
    assert run.code == 1
    torch.save(noise_state(SQUEEZENET), tmp_path / "squeezenet1_1-b8a52dc0.pth")
    run = store("models", "import", tmp_path / "squeezenet1_1-b8a52dc0.pth")
    path = home / "torchvision-squeezenet1_1.safetensors"
    assert run.code == 0 and str(path) in run.out
    run = store("models", "list")
    assert str(path) in run.out and "comes with DreamFlow" in run.out
    assert "dreamflow models pull googlenet" in run.out and "--network places205" in run.out
    rows = json.loads(store("models", "list", "--all", "--json").out)
    assert (
        len(rows) > 60
        and {"network": SQUEEZENET, "path": str(path)}.items()
        <= next(row for row in rows if row["network"] == SQUEEZENET).items()
    )
    assert store("models", "path", SQUEEZENET).out.strip() == str(path)
    assert store("models", "path").out.strip() == str(home)
    run = store("models", "path", "torchvision:vgg16")
    assert run.code == 1 and "`dreamflow models pull torchvision:vgg16`" in run.err
    run = store("models", "verify")
    assert run.code == 0 and SQUEEZENET in run.out and "pocket" in run.out
    run = store("models", "remove", SQUEEZENET)
    assert run.code == 0 and not path.exists()
    run = store("models", "pull", "places205")
    assert run.code == 1 and "models import FILE --network places205" in run.err


def test_what_is_shipped_has_its_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamflow.networks.weights.folders.list_user_weights_folders", lambda: [])
    assert models.verify_weights("pocket").endswith("that of the file that comes with DreamFlow")
    data = bytearray((folders.SHIPPED_WEIGHTS_FOLDER / "pocket.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "pocket.safetensors").write_bytes(data)
    for module in ("weights.manage", "weights.folders"):
        monkeypatch.setattr(f"dreamflow.networks.{module}.SHIPPED_WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(WeightsError, match=r"is damaged: its SHA256 is .*; install DreamFlow anew"):
        models.verify_weights("pocket")


def test_without_torchvision_the_others_are_listed_all_the_same(
    store: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ImportError("no torchvision here")

    monkeypatch.setattr(zoo, "import_torchvision", broken)
    for known in (
        zoo.list_classifier_names,
        zoo.find_classifier_info,
        zoo.describe_classifier_layers,
    ):
        known.cache_clear()
    run = store("models", "list", "--all")
    assert run.code == 0 and "places365" in run.out and "warning: torchvision cannot be" in run.err
    run = store("layers", "--network", SQUEEZENET)
    assert run.code == 1 and "no torchvision here" in run.err and run.err.count("\n") == 1


def test_weights_of_any_format_are_named_directly(
    store: Callable[..., CommandResult], tmp_path: Path, googlenet_weights: dict[str, Tensor]
) -> None:
    path = tmp_path / "mine.caffemodel"
    path.write_bytes(write_caffemodel(googlenet_weights, old=True))
    small = ["--size", "48", "--octaves", "1", "--iterations", "1"]
    run = store(
        *("frame", SAMPLE_STILL, tmp_path / "a.png", "--network", "googlenet", "--weights", path),
        *("--layer", "conv2/3x3", *small),
    )
    assert run.code == 0, run
    torch.save(noise_state(SQUEEZENET), tmp_path / "mine.pth")
    run = store(
        *("frame", SAMPLE_STILL, tmp_path / "b.png", "--network", SQUEEZENET),
        *("--weights", tmp_path / "mine.pth", "--layer", "features.4.cat", *small),
    )
    assert run.code == 0, run
    found = np.frombuffer((tmp_path / "b.png").read_bytes(), np.uint8)
    assert found.size > 100 and struct.unpack(">I", found[16:20].tobytes())[0] == 48
