"""Straightens a plate: the quad, enlarged by the manifest's margins, becomes the recogniser's 160 x 48 picture."""

import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX, OVERSAMPLE = 160, 48, 2
MARGIN_X, MARGIN_Y = 0.03, 0.08
# A plate read less surely than this, or cut askew by more, is cut again by the corners that the recogniser sees.
LOOK_AGAIN_BELOW, LOOK_AGAIN_MOVED_PX = 0.8, 8.0
LOOKS_MAX = 3
# A plate that slants, and in a still picture a compact one, is looked at wider: with its sides grown by these shares,
# then cut again by the corners seen. The last two of those looks say what the others left out.
WIDER = {
    "margin_x": 0.25,
    "margin_y": 0.5,
    "cuts": 3,
    "counted": 2,
    "added_max": 3,
    "sure": 0.9,
    "moved_min": 0.05,
    "slant_deg": 25.0,
    "compact": 2.6,
}
# A still picture's plate is cut again where it was seen, and round that with its sides grown by these shares.
STILL_MARGINS = (0.0, 0.025, -0.025)


def enlarge(quad: np.ndarray, margin_x: float = MARGIN_X, margin_y: float = MARGIN_Y) -> np.ndarray:
    """Moves each corner of a quad f32 [4, 2], TL TR BR BL, outwards along both sides by these fractions of the sides.

    In 32-bit numbers, as the edge does it.
    """
    quad = quad.astype(np.float32)
    sideways, lengthways = quad[[1, 0, 3, 2]], quad[[3, 2, 1, 0]]
    return quad + (quad - sideways) * np.float32(margin_x) + (quad - lengthways) * np.float32(margin_y)


UNIT = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


def within(quad: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Where other corners f32 [4, 2] lie in the straightened picture of `quad`, margins and all.

    0..1 from its upper left, a little outside too.
    """
    matrix = cv2.getPerspectiveTransform(enlarge(quad), UNIT)
    return cv2.perspectiveTransform(true[None].astype(np.float32), matrix)[0]


def moved(corners: np.ndarray) -> float:
    """How far the worst of the corners f32 [4, 2] seen in a straightened picture is from where a faultless quad has it.

    In px of that picture, along either side.
    """
    x, y = MARGIN_X / (1 + 2 * MARGIN_X), MARGIN_Y / (1 + 2 * MARGIN_Y)
    faultless = np.array([[x, y], [1 - x, y], [1 - x, 1 - y], [x, 1 - y]])
    return float(np.abs((corners - faultless) * (WIDTH_PX, HEIGHT_PX)).max())


def height_px(quad: np.ndarray) -> float:
    """Mean length of the left and the right side of a quad f32 [4, 2]."""
    return float(np.linalg.norm(quad[[0, 1]] - quad[[3, 2]], axis=1).mean())


def width_px(quad: np.ndarray) -> float:
    """Mean length of its upper and lower side."""
    return float(np.linalg.norm(quad[[0, 3]] - quad[[1, 2]], axis=1).mean())


def slant_deg(quad: np.ndarray) -> float:
    """By how many degrees a quad f32 [4, 2] is askew: 0 where a side has no length.

    It is how far the angle at the upper left or the lower right is from a right one, the worse of the two.
    """

    def slant(at: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
        length = float(np.linalg.norm(a - at) * np.linalg.norm(b - at))
        return float(np.degrees(np.arcsin(min(1.0, abs(float(np.dot(a - at, b - at))) / length)))) if length else 0.0

    tl, tr, br, bl = quad.astype(np.float32)
    return max(slant(tl, tr, bl), slant(br, bl, tr))


def rectify(luma: np.ndarray, quad: np.ndarray, margin_x: float = MARGIN_X, margin_y: float = MARGIN_Y) -> np.ndarray:
    """Luma u8 [H, W] and a quad in px (pixel k covers k..k+1) to u8 [48, 160].

    Bilinear sampling on a grid twice as fine, edge pixels repeated outside, then the mean of 2 x 2.
    """
    w, h = WIDTH_PX * OVERSAMPLE, HEIGHT_PX * OVERSAMPLE
    target = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(enlarge(quad, margin_x, margin_y) - 0.5, target)
    fine = cv2.warpPerspective(luma, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(fine, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
