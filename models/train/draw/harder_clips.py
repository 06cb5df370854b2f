"""Harder copies of a clip with its truth, to show what voting over a pass is worth.

Run: python -m train.draw.harder_clips --help

Writes `NAME-KIND.mp4` for each kind and `clips.json`, which `varco-edge evaluate --clips` takes. Deterministic.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ..paths import MODELS
from .camera import motion
from .video import encoder, finish

Hardening = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _noise(picture: np.ndarray, gain: float, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return np.clip(picture * gain + rng.standard_normal(picture.shape, np.float32) * sigma, 0, 255)


def _smaller(picture: np.ndarray, scale: float) -> np.ndarray:
    h, w = (round(v * scale / 2) * 2 for v in picture.shape[:2])
    return cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)


# Name, what is done to each frame, and x264's rate factor: 25 is a good link, 40 a bad one.
KINDS: dict[str, tuple[Hardening, int]] = {
    "half": (lambda p, rng: _smaller(p, 0.5), 25),
    "third": (lambda p, rng: _smaller(p, 0.34), 25),
    "motion": (lambda p, rng: motion(p, 9.0, 0.0), 25),
    "night": (lambda p, rng: _noise(p, 0.12, 6.0, rng), 25),
    "poor-link": (lambda p, rng: p, 42),
    "night-half": (lambda p, rng: _noise(_smaller(p, 0.5), 0.2, 7.0, rng), 32),
}


def frames(path: Path) -> Iterator[np.ndarray]:
    """The pictures of a clip, BGR u8."""
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise SystemExit(f"cannot open `{path}`")
    while True:
        more, picture = video.read()
        if not more:
            return
        yield picture


def write(source: Path, target: Path, harden: Hardening, rate_factor: int, fps: float) -> None:
    """Encodes the hardened copy of `source` with ffmpeg."""
    running, rng = None, np.random.default_rng(1)
    for picture in tqdm(frames(source), desc=target.stem, mininterval=5, leave=False):
        hard = harden(picture.astype(np.float32), rng).astype(np.uint8)
        if running is None:
            running = encoder(target, hard.shape[1], hard.shape[0], fps, "bgr24", "fast", rate_factor)
        assert running.stdin is not None
        running.stdin.write(hard.tobytes())
    if running is None:
        raise SystemExit(f"`{source}` has no frames")
    finish(running)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--clip",
        type=Path,
        default=MODELS.parent / "deploy" / "clips" / "street.mp4",
        help="clip with its truth in a .json of the same name",
    )
    parser.add_argument("--kind", action="append", choices=sorted(KINDS), help="only this kind; may be repeated")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    a = parser.parse_args()
    truth = json.loads(a.clip.with_suffix(".json").read_text())
    a.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind in a.kind or KINDS:
        name = f"{a.clip.stem}-{kind}.mp4"
        write(a.clip, a.out / name, *KINDS[kind], truth["fps"])
        rows.append({"clip": name, "plates": [{"text": p["text"]} for p in truth["plates"]]})
    (a.out / "clips.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
