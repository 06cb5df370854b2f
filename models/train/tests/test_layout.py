"""Which folder of `train` may use which: none but those before it, so that no two need each other."""

import ast
from pathlib import Path

import train

ROOT = Path(train.__file__).parent
# Each folder with what it may use beside itself.
MAY_USE = {
    "": {"read"},
    "read": set(),
    "draw": {"", "read"},
    "judge": {"", "read", "draw"},
    "nets": {"", "read"},
    "fit": {"", "read", "draw", "nets"},
}
# Only these need PyTorch: all else runs where it is not installed.
WITH_TORCH = {"nets", "fit"}


def imports(file: Path) -> set[str]:
    """The dotted names that a file imports, its own package's from the root: `read.quads`, `torch`."""
    out = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            out |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            home = list(file.parent.relative_to(ROOT).parts)
            start = [] if node.level == 0 else ["train", *home[: len(home) + 1 - node.level]]
            module = ".".join(start + ([node.module] if node.module else []))
            out |= {f"{module}.{name.name}" for name in node.names}
    return out


def modules() -> list[Path]:
    return [f for f in ROOT.rglob("*.py") if "tests" not in f.parts and f.name != "__init__.py"]


def test_a_folder_uses_none_but_those_it_may() -> None:
    assert {f.parent.name for f in modules() if f.parent != ROOT} == set(MAY_USE) - {""}
    for file in modules():
        home = "" if file.parent == ROOT else file.parent.name
        for name in imports(file):
            if not name.startswith("train."):
                continue
            used = name.split(".")[1]
            used = used if (ROOT / used).is_dir() else ""
            assert used == home or used in MAY_USE[home], f"{file.relative_to(ROOT)} uses {name}"


def test_torch_is_needed_by_training_alone() -> None:
    needs = {f.parent.name for f in modules() if any(n == "torch" or n.startswith("torch.") for n in imports(f))}
    assert needs == WITH_TORCH
