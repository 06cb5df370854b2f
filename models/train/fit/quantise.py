"""Static quantisation: activations u8, weights s8 per channel, calibrated on real pictures marked `train`."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from ..draw.camera import Strength, view
from ..draw.pool import PlatePool
from ..indexes import box_quad, read_index
from ..read.quads import Rules, prepare
from ..read.rectify import rectify

SCENES, PLATES = 60, 240


class Reader(CalibrationDataReader):
    """Feeds a list of inputs once."""

    def __init__(self, inputs: list[dict[str, np.ndarray]]) -> None:
        self.rest = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input by its name, or nothing after the last."""
        return next(self.rest, None)


def scene_inputs(index: Path, rules: Rules) -> list[dict[str, np.ndarray]]:
    """Whole `train` scenes, a third of them darkened, for the detector."""
    pictures = [p for p in read_index(index, use="train") if p.kind == "scene"]
    rng = np.random.default_rng(3)
    out = []
    for k in rng.permutation(len(pictures))[:SCENES]:
        luma = pictures[int(k)].luma()
        if len(out) % 3 == 2:
            luma = (luma * rng.uniform(0.1, 0.6)).astype(np.uint8)
        out.append({"luma": prepare(luma, rules)[0]})
    return out


def plate_inputs(index: Path, pool: Path) -> list[dict[str, np.ndarray]]:
    """Real `train` boxes and rendered plates, for the recogniser."""
    rng = np.random.default_rng(4)
    plates = []
    pictures = read_index(index, use="train")
    for k in rng.permutation(len(pictures)):
        picture = pictures[int(k)]
        big = [p for p in picture.plates if p.get("width") and p["width"] > 45]
        if big:
            plates.append(rectify(picture.luma(), box_quad(big[0])))
        if len(plates) >= PLATES // 2:
            break
    rendered = PlatePool(pool)
    for _ in range(PLATES // 2):
        canvas, quad, *_ = rendered[int(rng.integers(len(rendered)))]
        plates.append(view(canvas, quad, rng, Strength(level=0.7)))
    stacked = np.stack(plates)[:, None]
    return [{"plates": stacked[k : k + 8]} for k in range(0, len(stacked), 8)]


def quantise(source: Path, target: Path, inputs: list[dict[str, np.ndarray]], part: str) -> None:
    """Writes the quantised copy of `source`. The input's own scaling and the outputs stay in float."""
    with tempfile.TemporaryDirectory() as name:
        ready = Path(name) / "ready.onnx"
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        model = onnx.load(ready)
        convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
        kept = {node.name for node in convolutions if _leads_out(model, node, 37 if part == "recogniser" else 8)}
        # Over two channels only, at the full size: in integers it takes four times as long as in float.
        if part == "detector":
            first = convolutions[0]  # what feeds it stays in float as well, or ONNX Runtime quantises it all the same
            kept |= {first.name, *(node.name for node in model.graph.node if first.input[0] in node.output)}
        quantize_static(
            str(ready),
            str(target),
            Reader(inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add", "Resize", "Concat", "Relu"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=sorted(kept),
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )


def _leads_out(model: onnx.ModelProto, node: onnx.NodeProto, outputs: int) -> bool:
    """Whether the convolution is the last before the characters' softmax (37 outputs) or the corners (8).

    Those are small, and worth their precision.
    """
    weights = {t.name: t for t in model.graph.initializer}
    return len(node.input) > 1 and node.input[1] in weights and weights[node.input[1]].dims[0] == outputs
