"""Rendering, training, exporting and judging of Varco's two models. Never part of production."""
