"""The command-line arguments that several scripts share: where data, indexes and models lie."""

import argparse
from pathlib import Path

MODELS = Path(__file__).resolve().parent.parent
SHARED = MODELS.parent.parent / "shared" / "data"


def data_dir_argument(parser: argparse.ArgumentParser) -> None:
    """`--data`: pools, fonts and checkpoints; large, never in the repository."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path.home() / ".cache" / "varco-models",
        help="folder of fonts, pools and checkpoints (large)",
    )


def index_argument(parser: argparse.ArgumentParser, name: str = "train") -> None:
    """`--index`: an index in the JSONL format of the shared pictures."""
    parser.add_argument("--index", type=Path, default=SHARED / f"{name}.jsonl", help="index of pictures (JSONL)")
