"""Make the sample media files of DreamFlow, wholly from code and fixed seeds.

valley.mp4  4 s, 480x270, 24 fps, with sound: a slow pan over a mountain lake at golden hour,
            while a hot-air balloon drifts by.
balloon.mp4 its matte: white where the balloon is.
meadow.jpg  960x640: another lake of the same kind under a big cloudy sky.
"""

import argparse
import subprocess
import tempfile
import wave
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from foreground import build_balloon, build_bank
from landscape import (
    DURATION_S,
    FloatArray,
    View,
    build_clouds,
    build_land,
    composite_over,
    fractal_noise,
    mix,
    render_scene,
    smoothstep,
)
from numpy.typing import NDArray

SUPERSAMPLING = 2  # every picture is drawn at twice its size and averaged down
FPS, AUDIO_RATE_HZ = 24, 48000


def prepare_maps(view: View) -> dict[str, FloatArray]:
    """Everything that stays the same through a clip."""
    top, colour = build_land(view.seed)
    return {
        "top": top,
        "colour": colour,
        "soft": cv2.GaussianBlur(colour, (0, 0), 1.5),
        "grain": fractal_noise((1024, 2048), 10, view.seed + 200, 3, 0.7),
        "clouds": build_clouds(view),
    }


def tone_map(light: FloatArray) -> FloatArray:
    """Linear light to display values, with a soft shoulder like film."""
    shown = 1 - np.exp(-1.15 * np.clip(light, 0, None))
    shown = shown ** (1 / 2.2)
    shown = mix(shown, smoothstep(0.0, 1.0, shown), 0.45)
    grey = shown.mean(axis=-1, keepdims=True)
    return np.clip(grey + 1.18 * (shown - grey), 0, 1)


def downsample_to_8bit(picture: FloatArray) -> NDArray[np.uint8]:
    """Average the enlarged picture down to its real size, as 8-bit values."""
    size = picture.shape[1] // SUPERSAMPLING, picture.shape[0] // SUPERSAMPLING
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return (np.clip(small, 0, 1) * 255 + 0.5).astype(np.uint8)


def shift_subpixel(
    picture: FloatArray, matrix: list[list[float]], size: tuple[int, int]
) -> FloatArray:
    """Move a picture by parts of a pixel into a frame of the given size."""
    return cv2.warpAffine(picture, np.array(matrix, np.float32), size, flags=cv2.INTER_LINEAR)


def write_sound(path: Path) -> None:
    """A calm pad of detuned partials (D major ninth) over a breath of wind, as a WAV file."""
    rng = np.random.default_rng(11)
    t = np.arange(DURATION_S * AUDIO_RATE_HZ) / AUDIO_RATE_HZ
    both = np.zeros((len(t), 2))
    for index, semitones in enumerate((0, 7, 12, 16, 19, 23, 26)):
        pitch = 73.416 * 2 ** (semitones / 12)
        for partial in range(1, 6):
            for cents in (-5, 0, 6):
                swell = 1 + 0.35 * np.sin(2 * np.pi * t / (2.7 + 0.4 * index) + rng.uniform(0, 6.3))
                speed = pitch * partial * 2 ** (cents / 1200)
                tone = swell * np.sin(2 * np.pi * speed * t + rng.uniform(0, 6.3))
                side = 0.5 + 0.3 * np.sin(1.9 * index + cents)
                level = partial**-1.9 / (1 + index * 0.22)
                both += level * tone[:, None] * np.array([1 - side, side])
    hertz = np.fft.rfftfreq(len(t), 1 / AUDIO_RATE_HZ)[:, None]
    shape = np.exp(-((np.log(np.maximum(hertz, 1) / 420) / 0.8) ** 2))
    wind = np.fft.irfft(np.fft.rfft(rng.standard_normal(both.shape), axis=0) * shape, axis=0)
    gust = 0.6 + 0.4 * np.sin(2 * np.pi * t / 3.1 - 1)[:, None]
    both = both / np.abs(both).max() + 0.10 * gust * wind / wind.std() * 0.6
    both *= (np.sin(np.clip(np.minimum(t / 0.9, (DURATION_S - t) / 1.3), 0, 1) * np.pi / 2) ** 2)[
        :, None
    ]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(AUDIO_RATE_HZ)
        file.writeframes((both / np.abs(both).max() * 0.6 * 32767).astype("<i2").tobytes())


def build_encode_command(view: View, audio: Path, target: Path) -> list[str]:
    """Return the ffmpeg command that encodes raw frames and sound into a film."""
    tags = "colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    colour = f"scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams={tags}"
    size = f"{view.width // SUPERSAMPLING}x{view.height // SUPERSAMPLING}"
    return [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(FPS), "-i", "-"),
        *("-i", str(audio), "-vf", colour, "-t", str(DURATION_S)),
        *("-c:v", "libx264", "-preset", "slow", "-crf", "16", "-threads", "1"),
        *("-c:a", "aac", "-b:a", "96k", "-fflags", "+bitexact", "-flags", "+bitexact"),
        *("-movflags", "+faststart", str(target)),
    ]


def make_clip(target: Path, matte: Path) -> None:
    """Render the sample clip and its matte."""
    view = View(960, 540, 0.56, 864, (0.66, 0.14), 12, 50, 0.32, 7)
    maps, balloon = prepare_maps(view), build_balloon(124)
    bank = build_bank(view, [(0.02, 0.62), (0.10, 0.45), (1.13, 0.48), (1.24, 0.7)], 14000)
    covers: list[FloatArray] = []
    size = view.width, view.height
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "pad.wav"
        write_sound(audio)
        with subprocess.Popen(
            build_encode_command(view, audio, target), stdin=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            for frame in range(FPS * DURATION_S):
                time = frame / FPS
                light = render_scene(view, maps, time)
                # The balloon drifts against the pan, rises, and sways a little on the way.
                x, y = 190 + 66 * time, 178 - 26 * time + 3 * np.sin(time * 1.6)
                floating = shift_subpixel(balloon, [[1, 0, x], [0, 1, y]], size)
                light = composite_over(light, floating)
                near = shift_subpixel(
                    bank, [[1, 0, -view.bank_travel_px * time / DURATION_S], [0, 1, 0]], size
                )
                covers.append(floating[..., 3:] * (1 - near[..., 3:]))
                process.stdin.write(
                    downsample_to_8bit(composite_over(tone_map(light), near)).tobytes()
                )
        if process.returncode:
            raise SystemExit(f"ffmpeg ended with code {process.returncode}")
    make_matte(view, covers, matte)


def make_matte(view: View, covers: list[FloatArray], target: Path) -> None:
    """Write how much of each pixel is covered, frame by frame, as grey."""
    size = f"{view.width // SUPERSAMPLING}x{view.height // SUPERSAMPLING}"
    line = [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo"),
        *("-pix_fmt", "rgb24", "-s", size, "-r", str(FPS), "-i", "-", "-pix_fmt", "yuv420p"),
        *("-c:v", "libx264", "-preset", "slow", "-crf", "12", "-threads", "1"),
        *("-fflags", "+bitexact", "-flags", "+bitexact", str(target)),
    ]
    pictures = (downsample_to_8bit(np.repeat(cover, 3, axis=2)).tobytes() for cover in covers)
    subprocess.run(line, input=b"".join(pictures), check=True)


def make_still(target: Path) -> None:
    """Render the sample picture."""
    view = View(1920, 1280, 0.62, 1500, (0.68, 0.26), 0, 0, 0.7, 23)
    shown = composite_over(
        tone_map(render_scene(view, prepare_maps(view), 0)),
        build_bank(view, [(0.93, 0.5), (0.845, 0.3)], 24000)[:, :1920],
    )
    picture = downsample_to_8bit(shown)[
        :, ::-1, ::-1
    ]  # mirrored, so that its light falls from the other side
    if not cv2.imwrite(str(target), picture, [cv2.IMWRITE_JPEG_QUALITY, 90]):
        raise SystemExit(f"cannot write {target}")


def main() -> None:
    """Make the sample clip and the sample picture."""
    parser = argparse.ArgumentParser(description="Make the sample clip and the sample picture.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, metavar="FOLDER")
    out: Path = parser.parse_args().out
    cv2.setNumThreads(1)
    out.mkdir(parents=True, exist_ok=True)
    make_clip(out / "valley.mp4", out / "balloon.mp4")
    make_still(out / "meadow.jpg")
    for name in ("valley.mp4", "balloon.mp4", "meadow.jpg"):
        print(f"{name}: {(out / name).stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
