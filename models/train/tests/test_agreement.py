"""What is said in two places is the same in both: manifest and code, training's forms and proto's, both locks."""

import re
import shutil
from pathlib import Path

import pytest

from train.fit.manifest import RULES, Thresholds, text
from train.paths import MODELS
from train.read import manifest, prior
from train.read.countries import ALL, ALPHABET, COUNTRIES

PROTO_SYNTAX = MODELS.parent / "proto" / "src" / "syntax.rs"
# Shapes of proto that no plate was drawn in: such a text is read under no form. A new training should draw them.
NEVER_DRAWN = {("PL", "LLLDDDD"), ("PL", "LLLDDDDD"), ("NL", "LDDDLL"), ("AT", "LDDDDLL")}
# Letters that proto has in such a country's shapes and training never drew there.
LETTERS_NEVER_DRAWN = {"FR": "Q", "NL": "AEIOQU"}


def test_the_shipped_manifest_is_what_export_writes() -> None:
    assert text(MODELS, RULES, Thresholds()) == (MODELS / "manifest.toml").read_text()


def test_a_model_that_the_manifest_does_not_mean_is_refused(tmp_path: Path) -> None:
    for name in ("manifest.toml", "detector.onnx", "recogniser.onnx"):
        shutil.copy(MODELS / name, tmp_path)
    assert manifest.read(tmp_path) == manifest.read(MODELS)
    broken = bytearray((tmp_path / "recogniser.onnx").read_bytes())
    broken[-1] ^= 1
    (tmp_path / "recogniser.onnx").write_bytes(broken)
    with pytest.raises(SystemExit, match=r"recogniser\.onnx has sha256"):
        manifest.read(tmp_path)


def shapes() -> list[tuple[str, str, str]]:
    """Country, shape and letters that it never uses, of each shape that proto knows."""
    found = re.findall(r'^ {4}syntax\("(\w+)", "(\w+)", "(\w*)"\)', PROTO_SYNTAX.read_text(), flags=re.MULTILINE)
    assert len(found) > 40
    return found


def classes(shape: str, without: str) -> list[set[str]]:
    """Which characters a shape of proto has at each place."""
    of_class = {"L": set(ALL) - set(without), "D": set("0123456789")}
    return [of_class.get(sign, {sign}) for sign in shape]


def test_the_shapes_that_proto_knows_are_forms_of_training_too() -> None:
    known = {country.code: country for country in COUNTRIES}
    undrawn, letters = set(), {}
    for code, shape, without in shapes():
        country, wanted = known[code], classes(shape, without)
        lacking = []
        for signs in prior.written(country):
            if "%" in signs or len(signs) != len(shape):
                continue
            drawn = [{ALPHABET[k] for k in may.nonzero()[0]} for may in prior.allowed(signs, country.letters)]
            if all(a & b for a, b in zip(wanted, drawn, strict=True)):
                lacking.append(set().union(*(a - b for a, b in zip(wanted, drawn, strict=True))))
        if not lacking:
            undrawn.add((code, shape))
        elif least := min(lacking, key=len):
            letters[code] = "".join(sorted(least))
    assert undrawn == NEVER_DRAWN
    assert letters == LETTERS_NEVER_DRAWN


def test_both_locks_pin_the_same_versions() -> None:
    def pins(name: str) -> dict[str, str]:
        lines = (MODELS / "train" / name).read_text().splitlines()
        return {k.lower(): v for k, v in (re.split(r"==| ", line)[:2] for line in lines if "==" in line)}

    tests, training = pins("requirements-test.lock"), pins("requirements.lock")
    assert len(tests) > 10
    assert {name: training.get(name) for name in tests} == tests
