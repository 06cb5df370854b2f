"""Writes the manifest: what the edge must know of both nets. `read.manifest` reads it."""

from dataclasses import dataclass
from pathlib import Path

from ..read import prior
from ..read.countries import ALPHABET, COUNTRIES, COUNTRY_CLASSES
from ..read.decode import CLASSES, COLUMNS, STEPS
from ..read.manifest import digest
from ..read.quads import Rules
from ..read.rectify import (
    HEIGHT_PX,
    LOOK_AGAIN_BELOW,
    LOOK_AGAIN_MOVED_PX,
    LOOKS_MAX,
    MARGIN_X,
    MARGIN_Y,
    OVERSAMPLE,
    STILL_MARGINS,
    WIDER,
    WIDTH_PX,
)

GOLDEN = ("luma", "heat", "quad", "plates", "characters", "country", "plate", "corners")
TEMPLATE = Path(__file__).with_suffix(".template")
# The detector's rules as shipped: below 0.2 hardly a find is a plate, see the model card.
RULES = Rules(confidence_min=0.2)


@dataclass(frozen=True)
class Thresholds:
    """What counts as a plate and as a read. All were chosen on dev pictures, see the model card.

    A find is a plate by both nets' log odds, the detector's weighing `weight_…` times the recogniser's, from `…_min`
    on: in a camera's frame, in a still picture, and in the search at a small scale. The recogniser's word counts as at
    most `word_max` sure. A read less sure than `read_min` by the `confidence` rule (`min` or `mean` of its letters) is
    none.
    """

    confidence: str = "min"
    read_min: float = 0.4
    word_max: float = 0.99
    weight_frame: float = 2.0
    frame_min: float = 0.58
    weight_still: float = 4.0
    still_min: float = 0.54
    weight_again: float = 4.0
    again_min: float = 0.66


def syntax_lines() -> str:
    """The forms of each country as TOML."""
    known = {c.code: c for c in COUNTRIES if c.code != "XX"}
    out = []
    for code in COUNTRY_CLASSES:
        if code not in known:
            continue
        country = known[code]
        out += [f"[syntax.countries.{code}]", f'letters = "{country.letters}"']
        if country.serial:
            out.append(f'serial = "{country.serial}"')
        if country.codes:
            out.append(f"codes = [{_quoted(country.codes)}]")
        forms = (f'["{signs}", {share:.4f}]' for signs, share in prior.written(country).items())
        out.append(f"forms = [{', '.join(forms)}]")
    return "\n".join(out)


def text(models: Path, rules: Rules, thresholds: Thresholds, golden: bool = True) -> str:
    """The manifest of the two ONNX files in `models`; without `golden` its list of golden tensors is empty."""
    detector, recogniser = models / "detector.onnx", models / "recogniser.onnx"
    of_rules = {name: getattr(rules, name) for name in Rules.__dataclass_fields__}
    of_rules["still_scales"] = _listed(rules.still_scales)
    of_thresholds = {name: getattr(thresholds, name) for name in Thresholds.__dataclass_fields__}
    return TEMPLATE.read_text().format(
        **of_rules,
        **of_thresholds,
        detector_file=detector.name,
        detector_sha256=digest(detector),
        recogniser_file=recogniser.name,
        recogniser_sha256=digest(recogniser),
        width=WIDTH_PX,
        height=HEIGHT_PX,
        oversample=OVERSAMPLE,
        margin_x=MARGIN_X,
        margin_y=MARGIN_Y,
        looks_max=LOOKS_MAX,
        again_below=LOOK_AGAIN_BELOW,
        again_moved=LOOK_AGAIN_MOVED_PX,
        still_margins=_listed(STILL_MARGINS),
        wider=", ".join(f"{key} = {value}" for key, value in WIDER.items()),
        columns=COLUMNS,
        steps=STEPS,
        classes=CLASSES,
        alphabet=ALPHABET,
        country_count=len(COUNTRY_CLASSES),
        countries=_quoted(COUNTRY_CLASSES),
        free_share=prior.FREE_SHARE,
        boost_max=prior.BOOST_MAX,
        syntax=syntax_lines(),
        golden="\n".join(f'{name} = "{name}.npy"' for name in GOLDEN if golden),
    )


def write(models: Path, rules: Rules, thresholds: Thresholds, golden: bool = True) -> None:
    """Writes `manifest.toml` beside the two ONNX files (see `text`)."""
    (models / "manifest.toml").write_text(text(models, rules, thresholds, golden))


def _quoted(words: tuple[str, ...]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(map(str, numbers))
