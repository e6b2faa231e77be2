"""Every clip there is becomes a video or ends with one clear line, in time, leaving no half."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest
from conftest import REPO_ROOT, SHARED_DIR

TIMEOUT_S = 300
"""For each file, on a machine however busy."""
SCRIPT = REPO_ROOT / "tests" / "scripts" / "render_files.py"


@pytest.mark.clips
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_every_file_is_rendered_or_refused(
    tmp_path: Path, noise_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = (SHARED_DIR / "clips", SHARED_DIR / "hostile")
    files = sorted(path for folder in folders for path in folder.iterdir() if path.is_file())
    process = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), str(TIMEOUT_S), *map(str, files)],
        env={**os.environ, "DREAMFLOW_HOME": str(noise_home), "PYTHONPATH": str(REPO_ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    faults: list[str] = []
    outcomes = json.loads(process.stdout)
    with capsys.disabled():
        print()
        for number, (file, outcome) in enumerate(zip(files, outcomes, strict=True)):
            folder = tmp_path / str(number)
            fault = find_fault(folder, outcome)
            printed = outcome["printed"].replace(f"{folder}/", "").replace(f"{file.parent}/", "")
            lines = " | ".join(printed.strip().splitlines())
            print(f"{fault or 'ok':8} {outcome['seconds']:5.1f} s  {file.name:38} {lines[:150]}")
            if fault:
                faults.append(f"{file.name}: {fault}: {lines}")
    assert not faults


def find_fault(folder: Path, outcome: dict[str, object]) -> str:
    """Return what is wrong with the outcome of a render, or ""."""
    printed, left = str(outcome["printed"]), {path.name for path in folder.iterdir()} - {"log"}
    errors = [line for line in printed.splitlines() if line.startswith("error: ")]
    if outcome["code"] not in (0, 1):
        return f"exit code {outcome['code']}"
    if "Traceback" in printed or "a fault in DreamFlow" in printed:
        return "a fault"
    if outcome["code"]:
        return "" if len(errors) == 1 and not left else f"left {left}, {len(errors)} errors"
    if left != {"d.mp4", "d.mp4.json"} or errors:
        return f"left {left}"
    with av.open(str(folder / "d.mp4")) as video:
        frames = sum(1 for _ in video.decode(video=0))
    reported = int(printed.split("d.mp4: ")[1].split()[0])
    return "" if frames == reported >= 1 else f"{frames} frames, but {reported} reported"
