"""Exports both nets to ONNX, quantised or not, with manifest, golden tensors and small checkpoints.

Run: python -m train.fit.export --help
"""

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from ..nets.detector import Detector
from ..nets.detector import Exported as ExportedDetector
from ..nets.recogniser import Exported as ExportedRecogniser
from ..nets.recogniser import Recogniser, blank_input
from ..paths import MODELS, data_dir_argument, index_argument
from ..read import manifest as shipped_manifest
from ..read.quads import Rules
from ..read.runtime import session
from . import checkpoint, manifest, quantise
from .plates import fixed_views

OPSET = 17


def averaged(net: nn.Module, path: Path) -> tuple[nn.Module, int]:
    """The averaged weights of a checkpoint, ready to run, and its step."""
    average = checkpoint.Average(net)
    step = checkpoint.load(path, net, average)
    return average.net.eval(), step


def to_onnx(
    net: nn.Module, sample: torch.Tensor, path: Path, inputs: str, outputs: list[str], axes: dict[str, dict[int, str]]
) -> None:
    """Writes one ONNX file with the given tensor names and free axes."""
    torch.onnx.export(
        net,
        (sample,),
        str(path),
        input_names=[inputs],
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(path)
    model.producer_name, model.doc_string = "varco", ""
    onnx.save(model, path)


def export_float(detector: nn.Module, recogniser: nn.Module, folder: Path) -> tuple[Path, Path]:
    """Float ONNX files of both nets in `folder`."""
    d, r = folder / "detector.onnx", folder / "recogniser.onnx"
    maps = {2: "rows", 3: "columns"}
    to_onnx(
        ExportedDetector(detector),
        torch.zeros((1, 1, 448, 768), dtype=torch.uint8),
        d,
        "luma",
        ["heat", "quad"],
        {"luma": {2: "height", 3: "width"}, "heat": maps, "quad": maps},
    )
    count = {0: "plates"}
    to_onnx(
        ExportedRecogniser(recogniser),
        blank_input(2),
        r,
        "plates",
        ["characters", "country", "plate", "corners"],
        dict.fromkeys(("plates", "characters", "country", "plate", "corners"), count),
    )
    return d, r


def halve(source: Path, target: Path) -> None:
    """Writes a float model with its weights as fp16, cast back when it is loaded.

    It runs in fp32 and takes half the room.
    """
    model = onnx.load(source)
    casts, weights = [], []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or int(np.prod(tensor.dims)) < 64:
            weights.append(tensor)
            continue
        name = tensor.name + "_half"
        weights.append(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(np.float16), name))
        casts.append(onnx.helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    for store, items in ((model.graph.initializer, weights), (model.graph.node, nodes)):
        del store[:]
        store.extend(items)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def write_float(
    detector: nn.Module, recogniser: nn.Module, folder: Path, rules: Rules, thresholds: manifest.Thresholds
) -> None:
    """Both nets unquantised in `folder`, with a manifest: to compare with."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        for path in export_float(detector, recogniser, Path(name)):
            halve(path, folder / path.name)
    manifest.write(folder, rules, thresholds, golden=False)


def write_golden(models: Path, data: Path) -> None:
    """Inputs made of rendered plates only, and what the shipped nets give for them under ONNX Runtime."""
    golden = models / "golden"
    golden.mkdir(exist_ok=True)
    plates = fixed_views(data / "plain", 8, 3, 0.3)[0].numpy()
    luma = np.full((1, 1, 256, 384), 96, np.uint8)
    for k in range(6):
        y, x = 24 + (k // 2) * 76, 16 + (k % 2) * 184
        luma[0, 0, y : y + 48, x : x + 160] = plates[k, 0]
    run = {"luma": luma, "plates": plates}
    shipped = shipped_manifest.read(models)
    heat, quad = session(models / shipped["detector"]["file"]).run(["heat", "quad"], {"luma": luma})
    names = ["characters", "country", "plate", "corners"]
    read = dict(zip(names, session(models / shipped["recogniser"]["file"]).run(names, {"plates": plates}), strict=True))
    for name, value in {**run, "heat": heat, "quad": quad, **read}.items():
        np.save(golden / f"{name}.npy", value)


def keep_weights(net: nn.Module, step: int, path: Path) -> None:
    """A small checkpoint (averaged weights as fp16) from which a later session can go on."""
    path.parent.mkdir(exist_ok=True)
    weights = {k: v.half() if v.dtype == torch.float32 else v for k, v in net.state_dict().items()}
    torch.save({"average": weights, "step": step}, path)


def main() -> None:
    """Command line."""
    usual = manifest.Thresholds()
    parser = argparse.ArgumentParser(description=__doc__)
    data_dir_argument(parser)
    index_argument(parser)
    parser.add_argument("--detector", type=Path, help="checkpoint (default: the data folder's `detector.pt`)")
    parser.add_argument("--recogniser", type=Path, help="checkpoint (default: the data folder's `recogniser.pt`)")
    parser.add_argument("--models", type=Path, default=MODELS, help="where the files are written")
    parser.add_argument(
        "--float", action="append", default=[], choices=["detector", "recogniser"], help="ship this net unquantised"
    )
    parser.add_argument(
        "--float-too", action="store_true", help="also write both nets unquantised into `float`, to compare with"
    )
    parser.add_argument("--long-side", type=int, default=manifest.RULES.long_side_px)
    parser.add_argument("--enlarge-max", type=float, default=manifest.RULES.enlarge_max)
    parser.add_argument("--confidence-min", type=float, default=manifest.RULES.confidence_min)
    parser.add_argument("--read-confidence-min", type=float, default=usual.read_min)
    parser.add_argument(
        "--plate-min",
        type=float,
        default=usual.frame_min,
        help="least probability of being a plate, by both nets, in a camera's frame",
    )
    parser.add_argument("--still-plate-min", type=float, default=usual.still_min, help="the same in a still picture")
    parser.add_argument("--confidence", default=usual.confidence, choices=["min", "mean"])
    parser.add_argument(
        "--keep-weights", action="store_true", help="also write the small checkpoints that are committed"
    )
    a = parser.parse_args()
    checkpoints = a.data / "checkpoints"
    detector, detector_step = averaged(Detector(), a.detector or checkpoints / "detector.pt")
    recogniser, recogniser_step = averaged(Recogniser(), a.recogniser or checkpoints / "recogniser.pt")
    a.models.mkdir(parents=True, exist_ok=True)
    rules = replace(
        manifest.RULES, long_side_px=a.long_side, enlarge_max=a.enlarge_max, confidence_min=a.confidence_min
    )
    thresholds = manifest.Thresholds(
        a.confidence, a.read_confidence_min, frame_min=a.plate_min, still_min=a.still_plate_min
    )
    with tempfile.TemporaryDirectory() as name:
        d, r = export_float(detector, recogniser, Path(name))
        for part, path, calibrate in (
            ("detector", d, lambda: quantise.scene_inputs(a.index, rules)),
            ("recogniser", r, lambda: quantise.plate_inputs(a.index, a.data / "pool")),
        ):
            target = a.models / f"{part}.onnx"
            if part in a.float:
                shutil.copy(path, target)
            else:
                quantise.quantise(path, target, calibrate(), part)
    if a.float_too:
        write_float(detector, recogniser, a.models / "float", rules, thresholds)
    manifest.write(a.models, rules, thresholds)
    write_golden(a.models, a.data)
    if a.keep_weights:
        keep_weights(detector, detector_step, a.models / "weights" / "detector.pt")
        keep_weights(recogniser, recogniser_step, a.models / "weights" / "recogniser.pt")
    for path in sorted(a.models.glob("*.onnx")):
        print(f"{path.name} {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
