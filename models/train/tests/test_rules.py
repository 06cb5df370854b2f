"""Rules of plate syntax, decoding, quads and judging. No picture and no weights are needed."""

import numpy as np
import pytest

from train.draw.camera import LEGIBLE, Strength, shoot, strokes_left
from train.draw.layout import fill, random_layout, text_of
from train.judge.evaluate import interval
from train.read import prior
from train.read.countries import ALPHABET, COUNTRIES, COUNTRY_CLASSES, Country, country_class
from train.read.decode import BLANK, edit_distance, folded, greedy, weighed
from train.read.quads import Rules, iou, match, prepare
from train.read.rectify import HEIGHT_PX, WIDTH_PX, enlarge, rectify


def one_hot(labels: list[int], value: float = 0.9) -> np.ndarray:
    out = np.full((len(labels), BLANK + 1), (1 - value) / BLANK, np.float32)
    out[np.arange(len(labels)), labels] = value
    return out


def test_an_italian_plate_never_has_i_o_q_or_u() -> None:
    rng = np.random.default_rng(1)
    italy = next(c for c in COUNTRIES if c.code == "IT")
    for _ in range(300):
        text = fill("AA=999AA", italy.letters, rng)
        assert not set(text) & set("IOQU")
        assert len(text_of(text)) == 7


def test_literals_stay_and_signs_are_not_text() -> None:
    layout = fill("{Z}A=/999-AA", "B", np.random.default_rng(1))
    assert layout[:4] == "ZB=/"
    assert text_of(layout).startswith("ZB")
    assert "-" not in text_of(layout)


@pytest.mark.parametrize("country", COUNTRIES, ids=lambda c: c.code)
def test_every_pattern_gives_letters_and_digits_that_fit(country: Country) -> None:
    rng = np.random.default_rng(2)
    for pattern, _ in country.one_row + country.two_row:
        text = text_of(fill(pattern, country.letters, rng))
        assert 2 <= len(text) <= 10
        assert set(text) <= set(ALPHABET)


def test_runs_merge_and_a_blank_parts_equal_characters() -> None:
    a, b = ALPHABET.index("A"), ALPHABET.index("1")
    read = greedy(one_hot([a, a, BLANK, a, BLANK, b, b]))
    assert read.text == "AA1"
    assert read.letters() == pytest.approx(0.9)


def test_a_character_that_was_nearly_said_is_a_doubt() -> None:
    steps = one_hot([0, 0, BLANK, 1, BLANK, BLANK], 0.999)
    assert greedy(steps).whole > 0.98
    steps[4] = 0.0
    steps[4, [BLANK, ALPHABET.index("1")]] = 0.55, 0.45
    read = greedy(steps)
    assert read.text == "AB"
    assert read.letters() > 0.99
    assert read.confidence() == pytest.approx(0.55, abs=0.02)


def test_issued_codes_are_likelier() -> None:
    country = np.zeros(len(COUNTRY_CLASSES), np.float32)
    country[COUNTRY_CLASSES.index("SK")] = 0.9
    symbols = np.full((7, 36), 1e-4, np.float32)
    for place, (sign, other) in enumerate(zip("RA123CD", "BA123CD", strict=True)):
        symbols[place, ALPHABET.index(other)] = 0.45
        symbols[place, ALPHABET.index(sign)] = 0.55 if sign != other else 0.99
    both_issued = prior.weigh(symbols, country)
    assert ALPHABET[both_issued[0].argmax()] == "R"  # RA and BA are districts
    symbols[0, ALPHABET.index("Q")], symbols[0, ALPHABET.index("R")] = 0.55, 1e-4
    assert ALPHABET[prior.weigh(symbols, country)[0].argmax()] == "B"  # QA is none


def test_an_empty_read_has_no_confidence() -> None:
    assert greedy(one_hot([BLANK] * 5)).confidence() == 0.0


def test_folding_and_edit_distance() -> None:
    assert folded("AO1I") == "A011"
    assert edit_distance("AB123", "AB12") == 1
    assert edit_distance("", "ABC") == 3


def test_prepare_pads_right_and_bottom_and_keeps_the_scale() -> None:
    picture, sx, sy = prepare(np.zeros((720, 1280), np.uint8), Rules())
    assert picture.shape == (1, 1, 448, 768)
    assert sx == pytest.approx(1280 / 768)
    assert sy == pytest.approx(720 / 432)
    assert picture[0, 0, 432:].min() == 114


def test_boxes_match_once_and_best_first() -> None:
    a, b = np.array([0, 0, 10, 10.0]), np.array([2, 0, 12, 10.0])
    assert iou(a, b) == pytest.approx(80 / 120)
    assert match([b, a], [a], 0.5) == [(1, 0)]


def test_margins_enlarge_a_square_on_all_sides() -> None:
    quad = np.array([[0, 0], [100, 0], [100, 50], [0, 50]], np.float32)
    assert np.allclose(enlarge(quad, 0.1, 0.2), [[-10, -10], [110, -10], [110, 60], [-10, 60]])


def test_a_straight_quad_is_cut_out_unchanged() -> None:
    rng = np.random.default_rng(3)
    picture = np.kron(rng.integers(0, 255, (40, 60)), np.ones((8, 8))).astype(np.uint8)
    w, h = WIDTH_PX / 1.06, HEIGHT_PX / 1.16
    quad = np.array(
        [
            [80 + 0.03 * w, 80 + 0.08 * h],
            [80 + 1.03 * w, 80 + 0.08 * h],
            [80 + 1.03 * w, 80 + 1.08 * h],
            [80 + 0.03 * w, 80 + 1.08 * h],
        ],
        np.float32,
    )
    cut = rectify(picture, quad).astype(int)
    assert np.abs(cut - picture[80 : 80 + HEIGHT_PX, 80 : 80 + WIDTH_PX]).mean() < 12


def test_wilson_interval_holds_the_share() -> None:
    low, high = interval(58, 59)
    assert low < 58 / 59 < high
    assert 0.90 < low < 0.92


def italian(likely: float) -> np.ndarray:
    out = np.zeros(len(COUNTRY_CLASSES), np.float32)
    out[country_class("IT")] = likely
    out[country_class("XX")] = 1 - likely
    return out


def spelled(text: str, doubts: dict[int, tuple[str, float]]) -> np.ndarray:
    """Steps that spell `text`; at the places of `doubts` another symbol has that probability."""
    steps = np.full((2 * len(text), BLANK + 1), 1e-4, np.float32)
    for k, c in enumerate(text):
        steps[2 * k + 1, BLANK] = 1
        other, p = doubts.get(k, ("", 0.0))
        steps[2 * k, ALPHABET.index(c)] = 1 - p
        if other:
            steps[2 * k, ALPHABET.index(other)] = p
    return steps


def test_a_doubtful_letter_among_digits_becomes_the_digit_it_looks_like() -> None:
    read = greedy(spelled("ED48SKC", {4: ("5", 0.3)}))
    assert read.text == "ED48SKC"
    assert weighed(read, italian(0.9)).text == "ED485KC"
    assert weighed(read, italian(0.0)).text == "ED48SKC"


def test_a_sure_text_of_another_form_stays() -> None:
    for text in ("RK755AJ", "4S89215", "K1SS7ME"):
        read = greedy(spelled(text, {1: ("8", 0.01)}))
        assert weighed(read, italian(1.0)).text == text


def test_every_form_of_a_country_is_met_by_its_own_plates() -> None:
    rng = np.random.default_rng(4)
    for country in COUNTRIES:
        own = [f for f in prior.forms() if COUNTRY_CLASSES[f.country] == country.code]
        if not own or country.code == "XX":
            continue
        text = text_of(random_layout(country, rng, False))
        assert any(
            len(f.signs) == len(text) and all(f.allowed[k, ALPHABET.index(c)] for k, c in enumerate(text)) for f in own
        ), (country.code, text)


def striped() -> np.ndarray:
    sharp = np.full((HEIGHT_PX, WIDTH_PX), 200, np.uint8)
    for x in range(20, 150, 16):
        sharp[5:20, x : x + 5] = sharp[28:43, x : x + 5] = 20
    return sharp


def test_a_plate_of_which_a_row_or_a_character_is_gone_is_not_legible() -> None:
    sharp = striped()
    gone = sharp.copy()
    gone[24:] = np.random.default_rng(1).integers(190, 210, gone[24:].shape)
    assert strokes_left(sharp, sharp, 2) > 0.99
    assert strokes_left(sharp, gone, 2) < LEGIBLE - 0.2
    hidden = sharp.copy()
    hidden[:, 64:96] = 200  # two strokes, a character's width
    assert strokes_left(sharp, hidden, 1) < LEGIBLE - 0.2


def test_a_plate_hangs_in_its_street_and_the_canvas_shows_no_edge() -> None:
    canvas, quad = np.full((96, 256), 90, np.uint8), np.array([[28, 22], [228, 22], [228, 74], [28, 74]], np.float32)
    canvas[22:74, 28:228] = 250
    street = np.full((50, 80), 160, np.uint8)
    for seed in range(20):
        picture, where = shoot(canvas, quad, np.random.default_rng(seed), Strength(0.0, 100.0, 125.0), street)
        assert np.all(where >= (100, 50))
        assert np.all(where <= np.array(picture.shape[::-1]) - (100, 50))
        x, y = where.mean(0).astype(int)
        assert picture[y, x] == 250
        assert np.all(np.abs(picture[[0, 0, -1, -1], [0, -1, 0, -1]].astype(int) - 160) <= 1)
        steps = np.abs(np.diff(picture[:, : max(1, int(where[:, 0].min()) - 12)].astype(int), axis=1))
        assert steps.max(initial=0) < 25, "fades"
