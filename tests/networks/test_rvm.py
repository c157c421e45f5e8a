"""RVM by OpenCV: what goes in and comes out, files that are not it, and OpenCV's Tanh. The network itself comes from its package."""

import cv2
import numpy as np
import pytest
from backend_cases import fetched
from tiny_onnx import write_operator, write_pointwise, write_recurrent

from pipeline.errors import InputError
from pipeline.networks.onnx_tanh import with_bounded_tanh
from pipeline.networks.rvm import FILE, STRIDES, load_rvm
from pipeline.video.reading import read_video


def image(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def computed(model: bytes, values: np.ndarray) -> np.ndarray:
    network = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
    network.setInput(values)
    return network.forward()


def test_tanh_of_any_number_is_right(tmp_path):
    values = np.linspace(-200, 200, 3 * 9 * 7, dtype=np.float32).reshape(1, 3, 9, 7)
    model = write_operator(tmp_path / "tanh.onnx", "Tanh").read_bytes()
    np.testing.assert_allclose(computed(with_bounded_tanh(model), values), np.tanh(values), atol=1e-6)


def test_a_model_without_tanh_stays_as_it_is_and_noise_is_refused(tmp_path):
    model = write_operator(tmp_path / "other.onnx", "Sigmoid").read_bytes()
    assert with_bounded_tanh(model) == model
    for cut in (model[:-1], b"\xff" * 12, b"\x07"):
        with pytest.raises(ValueError, match=r"byte \d+$"):
            with_bounded_tanh(cut)


def test_pixels_go_in_as_rgb_from_zero_to_one_and_states_come_back(tmp_path):
    write_recurrent(tmp_path / FILE, [300.0, 5.0, -2.0], 0.25)
    see, picture = load_rvm(tmp_path, 1), image(0, 32, 48)
    before, raw = picture.copy(), picture / 255 @ [300.0, 5.0, -2.0] + 0.25
    means = [raw.reshape(32 // s, s, 48 // s, s).mean(axis=(1, 3)) for s in STRIDES]
    opacity, states = see(picture, ())
    assert (opacity.shape, opacity.dtype) == ((32, 48), np.float32)
    for state, mean in zip(states, means, strict=True):
        np.testing.assert_allclose(state[0, 0], np.tanh(mean), atol=1e-5)
    np.testing.assert_allclose(opacity, 1 / (1 + np.exp(-(raw + states[-1].mean()))), atol=1e-4)
    kept = [state.copy() for state in states]
    again, later = see(image(1, 32, 48) // 200, tuple(-3 * state for state in states))
    assert not np.array_equal(later[0], kept[0])
    see(image(2, 16, 64), ())  # another size, and back
    np.testing.assert_array_equal(see(image(1, 32, 48) // 200, tuple(-3 * state for state in kept))[0], again)
    for state, old in zip(states, kept, strict=True):
        np.testing.assert_array_equal(state, old)
    np.testing.assert_array_equal(see(picture, ())[0], opacity)
    np.testing.assert_array_equal(picture, before)


def test_what_is_not_the_network_is_one_line_with_its_cure(tmp_path):
    cure = "Run: dvc repro fetch_matte_weights$"
    with pytest.raises(InputError, match="matte: rvm needs its network .*rvm_mobilenetv3_fp32.onnx, found none. " + cure):
        load_rvm(tmp_path, 1)
    for content in (b"", b"<html>", bytes(range(256)) * 9):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(InputError, match=r"must be RVM's ONNX file, which OpenCV 5\S* reads, found: [^\n]+ " + cure):
            load_rvm(tmp_path, 1)
    write_pointwise(tmp_path / FILE, [1.0, 1.0, 1.0], 0.0)
    with pytest.raises(InputError, match=r"must be RVM's ONNX file[^\n]+ " + cure):
        load_rvm(tmp_path, 1)
    write_recurrent(tmp_path / FILE, [1.0, 1.0, 1.0], 0.0, strides=(2, 4, 8, 8))
    with pytest.raises(InputError, match=r"must give one opacity a pixel and states of strides \(2, 4, 8, 16\), found [^\n]+ " + cure):
        load_rvm(tmp_path, 1)


@pytest.mark.slow
def test_the_network_of_the_package_finds_a_man_who_walks(tmp_path):
    see = load_rvm(fetched("rvm", tmp_path / "weights"), 1)
    video = fetched("demo_single_cam02", tmp_path / "demo") / "cam02.mp4"
    frames = [cv2.resize(frame, (272, 480), interpolation=cv2.INTER_AREA) for frame in next(iter(read_video(video))).frames[:3]]
    states = ()
    for frame in frames:
        opacity, states = see(frame, states)
        assert opacity[150:175, 138:150].min() > 0.9  # the trunk
        assert opacity[320:].max() < 0.1  # the floor before him
        assert all(np.isfinite(state).all() for state in states)
    assert np.abs(opacity - see(frames[-1], ())[0]).max() > 0.1  # it remembers
