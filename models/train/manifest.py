"""The manifest: what the edge must know of both nets. Written by `export` and `quantise`, read by `evaluate`."""

import hashlib
import tomllib
from pathlib import Path

from . import prior
from .fonts import ALPHABET
from .quads import Rules
from .recogniser import STEPS
from .rectify import HEIGHT_PX, LOOK_AGAIN_BELOW, LOOK_AGAIN_MOVED_PX, LOOKS_MAX, MARGIN_X, MARGIN_Y, OVERSAMPLE, STILL_MARGINS, WIDER, WIDTH_PX
from .syntax import COUNTRIES, COUNTRY_CLASSES

GOLDEN = ("luma", "heat", "quad", "plates", "characters", "country", "plate", "corners")

FIND_WEIGHT_FRAME, FIND_WEIGHT_STILL, FIND_WEIGHT_AGAIN, AGAIN_MIN, WORD_MAX = 2.0, 4.0, 4.0, 0.66, 0.99  # how both nets together say that a find is a plate, chosen on dev pictures

TEMPLATE = """version = 1

[detector]
file = "{detector_file}"
sha256 = "{detector_sha256}"
input = "luma"            # u8 [1, 1, H, W], luma 0..255, scaled inside the graph; H and W are multiples of pad_multiple_px
colour = "luma"
scale = "inside the graph"
long_side_px = {long_side_px}        # the picture is scaled so that its long side is this
scale_min = {scale_min}           # but it is not shrunk further than this, so that far plates stay, until the long side is the next
long_side_max_px = {long_side_max_px}
enlarge_max = {enlarge_max}         # a small picture is enlarged at most so much
wide_px = {wide_px}             # plates wider than this in the input are found in a copy of it that is shrunk by the next
wide_shrink = {wide_shrink}
still_scales = [{still_scales}] # a still picture is searched, mirrored, at these multiples of its scale too, and what all see together counts
again_scale = {again_scale}        # a picture in which no plate was seen is searched once more at this multiple of its scale, where noise and blur average away
pad_multiple_px = {pad_multiple_px}      # padded right and bottom
pad_value = {pad_value}
stride_px = {stride_px}
heat = "heat"             # f32 [1, 1, H/8, W/8], probability
quad = "quad"             # f32 [1, 8, H/8, W/8], corners in input px from the cell's centre ((j + 0.5) * 8, (i + 0.5) * 8): TLx TLy TRx TRy BRx BRy BLx BLy
confidence_min = {confidence_min}     # finds below it are not even looked at
iou_max = {iou_max}             # suppression on the quads' upright boxes, the more confident is kept
detections_max = {detections_max}

[recogniser]
file = "{recogniser_file}"
sha256 = "{recogniser_sha256}"
input = "plates"          # u8 [N, 1, {height}, {width}]
width_px = {width}
height_px = {height}
oversample = {oversample}            # warped bilinearly to this many times the size, then averaged
margin_x = {margin_x}           # the quad is enlarged by these fractions of its sides before warping
margin_y = {margin_y}
looks_max = {looks_max}             # a plate is straightened and read at most so often, each time by the `corners` then seen, and its looks vote:
look_again_below = {again_below}    # while no look is surer than this,
look_again_moved_px = {again_moved} # or a corner lies farther than this, along either side of the straightened picture, from where a faultless quad has it
still_margins = [{still_margins}] # a still picture's plate is cut again where it was seen, and round that with its sides grown by these fractions; those looks vote too
# Where it was seen, a plate is also cut with its sides grown by `margin_x` and `margin_y` at each end, and from there `cuts` times by the corners then
# seen. When each of the last `counted` of these looks has all characters of the plate's text in their order and up to `added_max` more, the text is
# that of the surest of those whose additions are each so `sure`, if it sees a corner elsewhere by `moved_min` of the plate's height: the first cuts left
# something out. So are looked at plates that slant by `slant_deg` or more, and in a still picture those at most `compact` times as wide as high.
wider = {{ {wider} }}
characters = "characters" # f32 [N, {steps}, {classes}] probabilities, CTC; the upper row's 40 steps, then the lower row's
country = "country"       # f32 [N, {country_count}] probabilities
plate = "plate"           # f32 [N, 1], probability that the picture shows a plate at all
corners = "corners"       # f32 [N, 8], where the plate's corners lie in the straightened picture: TLx TLy TRx TRy BRx BRy BLx BLy, 0..1
plate_word_max = {word_max}     # the word of `plate` counts as at most so sure, of a plate and of none
# A find is a plate by the mean of the logarithms of both nets' odds, the detector's weighing `find_weight` times the recogniser's: one below `min` is none.
plate_frame = {{ find_weight = {weight_frame}, min = {plate_min} }} # in one of many frames of a camera
plate_still = {{ find_weight = {weight_still}, min = {still_plate_min} }} # in a still picture, by all its searches together
plate_again = {{ find_weight = {weight_again}, min = {again_min} }} # in the search at `again_scale`
alphabet = "{alphabet}"   # class index; the blank is the last class
countries = [{countries}]
confidence = "{confidence_rule}"      # of a read: the least ("min") or the geometric mean ("mean") of its characters' probabilities
confidence_min = {read_confidence_min}      # a read below it counts as «cannot read»

[syntax]                  # how plates are written: evidence for a read, never a filter
free_share = {free_share}          # weight of texts that follow no form
boost_max = {boost_max}          # a form makes its texts at most so many times likelier
# A form: `@` one of `letters`, `$` one of `serial`, `&` any letter, `#` a digit, `?` a digit or one of `letters`, `%` one of the `codes` that were
# issued, others themselves; with its share of the country's plates. A form with a code counts once for each, each with the whole share.
{syntax}

[golden]                  # files under `golden`, one a tensor
{golden}
"""


def digest(path: Path) -> str:
    """SHA-256 of a file, lower-case hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
            out.append("codes = [" + ", ".join(f'"{c}"' for c in country.codes) + "]")
        out.append("forms = [" + ", ".join(f'["{signs}", {share:.4f}]' for signs, share in prior.written(country).items()) + "]")
    return "\n".join(out)


def write(models: Path, rules: Rules, confidence_rule: str, read_confidence_min: float, plate_min: float, still_plate_min: float, detector: str = "detector.onnx", recogniser: str = "recogniser.onnx", golden: bool = True) -> None:
    """Writes `manifest.toml` for the two ONNX files in `models`; without `golden` its list of golden tensors is empty."""
    text = TEMPLATE.format(
        detector_file=detector, detector_sha256=digest(models / detector), recogniser_file=recogniser, recogniser_sha256=digest(models / recogniser),
        long_side_px=rules.long_side_px, long_side_max_px=rules.long_side_max_px, scale_min=rules.scale_min, wide_px=rules.wide_px, wide_shrink=rules.wide_shrink, still_scales=", ".join(map(str, rules.still_scales)), again_scale=rules.again_scale, enlarge_max=float(rules.enlarge_max), pad_multiple_px=rules.pad_multiple_px, pad_value=rules.pad_value, stride_px=rules.stride_px,
        confidence_min=rules.confidence_min, iou_max=rules.iou_max, detections_max=rules.detections_max,
        width=WIDTH_PX, height=HEIGHT_PX, oversample=OVERSAMPLE, margin_x=MARGIN_X, margin_y=MARGIN_Y, looks_max=LOOKS_MAX, again_below=LOOK_AGAIN_BELOW, again_moved=LOOK_AGAIN_MOVED_PX, still_margins=", ".join(map(str, STILL_MARGINS)), wider=", ".join(f"{key} = {value}" for key, value in WIDER.items()), steps=STEPS, classes=len(ALPHABET) + 1,
        country_count=len(COUNTRY_CLASSES), alphabet=ALPHABET, countries=", ".join(f'"{c}"' for c in COUNTRY_CLASSES),
        confidence_rule=confidence_rule, read_confidence_min=read_confidence_min, weight_frame=FIND_WEIGHT_FRAME, weight_still=FIND_WEIGHT_STILL, word_max=WORD_MAX, plate_min=plate_min, still_plate_min=still_plate_min, weight_again=FIND_WEIGHT_AGAIN, again_min=AGAIN_MIN, free_share=prior.FREE_SHARE, boost_max=prior.BOOST_MAX, syntax=syntax_lines(), golden="\n".join(f'{name} = "{name}.npy"' for name in GOLDEN if golden),
    )
    (models / "manifest.toml").write_text(text)


def read(models: Path) -> dict:
    """The manifest as a dictionary, its hashes checked."""
    manifest = tomllib.loads((models / "manifest.toml").read_text())
    for part in ("detector", "recogniser"):
        found = digest(models / manifest[part]["file"])
        if found != manifest[part]["sha256"]:
            raise SystemExit(f"{manifest[part]['file']} has sha256 {found}, the manifest says {manifest[part]['sha256']}")
    return manifest


def rules_of(manifest: dict) -> Rules:
    """The detector's decoding rules."""
    d = manifest["detector"]
    return Rules(**{name: d[name] for name in Rules.__dataclass_fields__})
