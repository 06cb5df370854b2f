"""The one way in which clips are written: raw pictures into ffmpeg's H.264, without B frames, on one thread."""

import subprocess
from pathlib import Path


def encoder(
    target: Path,
    width_px: int,
    height_px: int,
    fps: float,
    pixels: str,
    preset: str,
    rate_factor: int,
    more: tuple[str, ...] = (),
) -> subprocess.Popen:
    """Starts ffmpeg, which takes pictures of the format `pixels` (`rgb24`, `bgr24`) on its input.

    `rate_factor` is x264's constant rate factor.
    """
    command = [
        "ffmpeg",
        "-y",
        "-loglevel",
        "error",
        "-f",
        "rawvideo",
        "-pix_fmt",
        pixels,
        "-s",
        f"{width_px}x{height_px}",
        "-r",
        str(fps),
        "-i",
        "-",
        "-an",
        "-c:v",
        "libx264",
        "-preset",
        preset,
        "-crf",
        str(rate_factor),
        *more,
        "-bf",
        "0",
        "-pix_fmt",
        "yuv420p",
        "-threads",
        "1",
        str(target),
    ]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def finish(running: subprocess.Popen) -> None:
    """Closes ffmpeg's input and waits for it."""
    running.communicate()
    if running.returncode:
        raise SystemExit(f"ffmpeg ended with {running.returncode}")
