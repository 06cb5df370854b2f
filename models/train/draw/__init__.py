"""Draws plates, their surroundings, what a camera makes of them, and clips."""
