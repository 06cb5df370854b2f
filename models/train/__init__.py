"""Rendering, training, exporting and judging of Varco's two models. Never part of production."""

import os

# Before ONNX Runtime is loaded anywhere here: since 1.29 its published builds report to their maker.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
