"""MODNet by OpenCV: what goes in, what comes out, and files that are not it. The network itself comes from its package."""

import cv2
import numpy as np
import pytest
from backend_cases import fetched
from tiny_onnx import write_pointwise

from pipeline.errors import InputError
from pipeline.networks.modnet import FILE, load_modnet


def image(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_pixels_go_in_as_rgb_from_minus_one_to_one(tmp_path):
    write_pointwise(tmp_path / FILE, [3.0, 0.5, -2.0], 0.25)
    see, picture = load_modnet(tmp_path, 1), image(0, 64, 96)
    before = picture.copy()
    expected = 1 / (1 + np.exp(-((picture / 127.5 - 1) @ [3.0, 0.5, -2.0] + 0.25)))
    found = see(picture)
    assert (found.shape, found.dtype) == ((64, 96), np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_allclose(see(picture[:32]), expected[:32], atol=1e-5)  # another size, and back
    np.testing.assert_array_equal(see(picture), found)


def test_what_is_not_the_network_is_one_line_with_its_cure(tmp_path):
    cure = r"Run: dvc repro fetch_edge_weights \(matting.edges: none does without it\)$"
    with pytest.raises(InputError, match=r"edges modnet needs its network .*modnet.onnx, found none. " + cure):
        load_modnet(tmp_path, 1)
    for content in (b"", b"<html>", bytes(range(256)) * 9):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(InputError, match=r"modnet.onnx must be MODNet's ONNX file, which OpenCV 5\S* reads, found: [^\n]+ " + cure):
            load_modnet(tmp_path, 1)
    write_pointwise(tmp_path / FILE, [1.0, 1.0, 1.0], 0.0, outputs=2)
    with pytest.raises(InputError, match=r"must give one opacity a pixel, found \(2, 32, 32\) for 32 × 32 pixels. " + cure):
        load_modnet(tmp_path, 1)


def test_the_network_of_the_package_finds_a_portrait(tmp_path):
    """Drawn: a head and shoulders; the same answer from any number of threads, whatever was seen before."""
    weights = fetched("modnet", tmp_path / "weights")
    picture = np.full((256, 256, 3), (90, 140, 190), np.uint8)
    cv2.ellipse(picture, (128, 250), (90, 80), 0, 0, 360, (60, 40, 120), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (128, 115), (45, 60), 0, 0, 360, (224, 172, 140), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (128, 85), (50, 42), 0, 180, 360, (60, 40, 30), -1, cv2.LINE_AA)
    one, two = load_modnet(weights, 1), load_modnet(weights, 2)
    found = one(picture)
    assert found[110:130, 118:138].min() > 0.9
    assert found[200:240, 100:156].min() > 0.9
    assert found[:20].max() < 0.1
    two(image(3, 96, 160))
    np.testing.assert_array_equal(two(picture), found)
