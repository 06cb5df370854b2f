"""Reads a picture as the edge does."""
