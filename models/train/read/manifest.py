"""The manifest: what the edge must know of both nets, read as the edge reads it. `fit.manifest` writes it."""

import hashlib
import tomllib
from pathlib import Path

from .quads import Rules


def digest(path: Path) -> str:
    """SHA-256 of a file, lower-case hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(models: Path) -> dict:
    """The manifest as a dictionary, its hashes checked."""
    manifest = tomllib.loads((models / "manifest.toml").read_text())
    for part in ("detector", "recogniser"):
        found = digest(models / manifest[part]["file"])
        if found != manifest[part]["sha256"]:
            raise SystemExit(
                f"{manifest[part]['file']} has sha256 {found}, the manifest says {manifest[part]['sha256']}"
            )
    return manifest


def rules_of(manifest: dict) -> Rules:
    """The detector's decoding rules."""
    d = manifest["detector"]
    return Rules(**{name: d[name] for name in Rules.__dataclass_fields__})
