"""Rules of what a still picture is searched and read by, and of the numbers that must be the edge's own."""

import numpy as np
import pytest
from PIL import Image

from train.read.chain import jointly
from train.read.quads import Found, Rules, agreed, mirror, resized
from train.read.rectify import enlarge, rectify
from train.read.straighten import onto, seen_at, straighten


def box(left: float, confidence: float, width: float = 80.0) -> Found:
    quad = [[left, 100], [left + width, 100], [left + width, 120], [left, 120]]
    return Found(np.array(quad, np.float32), confidence)


def test_scaling_goes_down_first_as_pillow_does_in_two_calls() -> None:
    luma = np.random.default_rng(1).integers(0, 256, (300, 500), dtype=np.uint8)
    for scale in (0.25, 0.6, 1.0, 1.5625):
        small = resized(luma, scale)
        height, width = small.shape
        whole = (
            Image.fromarray(luma)
            .resize((500, height), Image.Resampling.BILINEAR)
            .resize((width, height), Image.Resampling.BILINEAR)
        )
        off = np.abs(small.astype(int) - np.asarray(whole))
        assert off.max() <= 1
        assert (off > 0).mean() < 0.03


def test_searches_that_agree_are_sure_and_a_lone_one_is_doubted() -> None:
    rules = Rules(confidence_min=0.3)
    (plate,) = agreed([[box(100, 0.9)], [box(110, 0.6)], [box(100, 0.9)]], rules)
    assert plate.confidence == pytest.approx(0.8)
    assert plate.quad[0, 0] == pytest.approx(102.5)
    assert [f.confidence for f in agreed([[box(100, 0.96)], [], []], rules)] == pytest.approx([0.32])
    assert agreed([[box(100, 0.8)], [], []], rules) == []
    assert len(agreed([[box(100, 0.9)], [box(104, 0.8), box(130, 0.7)]], rules)) == 1


def test_a_find_mirrored_twice_is_itself() -> None:
    found = box(100, 0.5)
    assert mirror(found, 640).quad[0, 0] == pytest.approx(640 - 180)
    assert np.array_equal(mirror(mirror(found, 640), 640).quad, found.quad)


def test_both_nets_are_heard_the_detector_more_and_the_recogniser_within_bounds() -> None:
    assert jointly(0.7, 0.7, 4.0, 0.99) == pytest.approx(0.7)
    assert jointly(0.4, 0.9, 4.0, 0.99) > jointly(0.9, 0.4, 4.0, 0.99)
    assert jointly(1.0, 0.5, 4.0, 0.99) == jointly(0.99, 0.5, 4.0, 0.99)


def test_straightening_for_judging_is_that_for_training_within_a_step() -> None:
    luma = np.kron(np.random.default_rng(3).integers(0, 255, (40, 60)), np.ones((8, 8))).astype(np.uint8)
    quad = np.array([[90, 80], [250, 95], [245, 150], [85, 130]], np.float32)
    off = np.abs(straighten(luma, quad).astype(int) - rectify(luma, quad))
    assert off.mean() < 1.5
    assert straighten(luma, np.zeros((4, 2), np.float32)).tolist() == [[128] * 160] * 48


def test_corners_seen_are_found_again_and_hostile_ones_are_none() -> None:
    quad = np.array([[90, 80], [250, 95], [245, 150], [85, 130]], np.float32)
    grown = enlarge(quad)
    there = seen_at(quad, np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32))
    assert there is not None
    assert np.allclose(there, grown, atol=1e-3)
    assert seen_at(quad, np.full((4, 2), 9.0, np.float32)) is None
    assert seen_at(quad, np.full((4, 2), 0.5, np.float32)) is None
    assert onto(np.array([[0, 0], [40, 40], [40, 0], [0, 40]], np.float32)) is None
