"""Writes the shipped nets as they were before they were quantised, for `varco-edge bench --compare` and `judge.report`.

Run: python -m train.fit.unquantised --help

They are made of what is shipped: the detector of its small checkpoint, the recogniser of its int8 file, read back.
"""

import argparse
from pathlib import Path

from ..nets import shipped
from ..nets.detector import Detector
from ..nets.recogniser import Recogniser
from ..paths import MODELS
from . import export, manifest


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the shipped nets and `weights`")
    parser.add_argument("--out", type=Path, default=MODELS / "float", help="folder to write")
    a = parser.parse_args()
    detector, _ = export.averaged(Detector(), a.models / "weights" / "detector.pt")
    recogniser = Recogniser().eval()
    shipped.read_into(recogniser, a.models / "recogniser.onnx")
    export.write_float(detector, recogniser, a.out, manifest.RULES, manifest.Thresholds())
    for path in sorted(a.out.glob("*.onnx")):
        print(f"{path} {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
