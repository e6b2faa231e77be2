"""Every clip there is comes out as a film or with one clear line, in time, and leaves no half."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest
from conftest import REPO_ROOT, SHARED_DIR

PATIENCE_S = 60


@pytest.mark.clips
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("kind", ["clips", "hostile"])
def test_rendered_or_refused(
    tmp_path: Path, noise_home: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(path for path in (SHARED_DIR / kind).iterdir() if path.is_file())
    done = subprocess.run(
        [
            *(
                sys.executable,
                str(REPO_ROOT / "tests" / "crowd.py"),
                str(tmp_path),
                str(PATIENCE_S),
            ),
            *map(str, files),
        ],
        env={**os.environ, "DREAMFLOW_HOME": str(noise_home), "PYTHONPATH": str(REPO_ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    faults: list[str] = []
    with capsys.disabled():
        print()
        for number, (file, result) in enumerate(zip(files, json.loads(done.stdout), strict=True)):
            folder = tmp_path / str(number)
            verdict = fault_of(folder, result)
            said = result["said"].replace(f"{folder}/", "").replace(f"{file.parent}/", "")
            lines = " | ".join(said.strip().splitlines())
            print(f"{verdict or 'ok':8} {result['seconds']:5.1f} s  {file.name:38} {lines[:150]}")
            if verdict:
                faults.append(f"{file.name}: {verdict}: {lines}")
    assert not faults


def fault_of(folder: Path, result: dict[str, object]) -> str:
    """Return what is wrong with an ending, or an empty text."""
    said, left = str(result["said"]), {path.name for path in folder.iterdir()} - {"log"}
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    if result["code"] not in (0, 1):
        return f"exit code {result['code']}"
    if "Traceback" in said or "a fault in DreamFlow" in said:
        return "a fault"
    if result["code"]:
        return "" if len(errors) == 1 and not left else f"left {left}, {len(errors)} errors"
    if left != {"d.mp4", "d.mp4.json"} or errors:
        return f"left {left}"
    with av.open(str(folder / "d.mp4")) as film:
        frames = sum(1 for _ in film.decode(video=0))
    told = int(said.split("d.mp4: ")[1].split()[0])
    return "" if frames == told >= 1 else f"{frames} frames, but {told} told"
