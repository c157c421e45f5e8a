import json
import math
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import InputError
from pipeline.evaluation.perceptual import _on_uint8, load_distances
from pipeline.networks.lpips import Lpips, load_lpips
from pipeline.networks.vgg import StVgg16

ORACLES = os.environ.get("MOTION_COPY_ORACLES")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with an untrained ST-VGG16, whose heads are positive as the published ones are."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    state = StVgg16().state_dict()
    (folder / "st_vgg16").mkdir()
    torch.save({k: v.abs() if k.startswith("lin") else v for k, v in state.items()}, folder / "st_vgg16" / "vgg_shift_tolerant.pth")
    return folder


def images(seed, n=2, size=32):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3)).astype(np.uint8)


def test_distance_is_zero_for_equal_images_and_one_number_an_image(weights):
    st_lpips = load_distances(["psnr", "st_lpips"], weights)["st_lpips"]
    assert st_lpips(images(0), images(0))[0] == pytest.approx([0, 0])
    assert [found.shape for found in st_lpips(images(0), images(1), images(2))] == [(2,), (2,)]


def test_a_picture_that_stands_twice_is_looked_at_once():
    seen = []

    class Network(StVgg16):
        def apart(self, own, b):
            seen.append(b)
            return super().apart(own, b)

    distance, a, b = _on_uint8(Network()), images(1), images(2)
    found = distance(images(0), a, b, a.copy(), b)
    assert len(seen) == 2
    assert found[0].tolist() == found[2].tolist() == distance(images(0), a)[0].tolist()
    assert found[1].tolist() == found[3].tolist() != found[0].tolist()


def test_images_too_small_for_the_network_have_no_distance(weights):
    st_lpips = load_distances(["st_lpips"], weights)["st_lpips"]
    assert np.isnan(st_lpips(images(0, size=24), images(1, size=24))[0]).all()


def test_networks_are_given_rgb_from_minus_one_to_one(weights):
    seen = []

    class Network(StVgg16):
        def known(self, a):
            seen.append(a)
            return []

        def apart(self, own, b):
            seen.append(b)
            return torch.zeros(len(b))

    picture = np.zeros((1, 32, 32, 3), np.uint8)
    picture[..., 0], picture[0, 3, 5] = 255, (0, 51, 255)
    _on_uint8(Network())(picture, 255 - picture)
    for given, sign in zip(seen, (1, -1), strict=True):
        assert given.shape == (1, 3, 32, 32)
        assert (sign * given[0, :, 0, 0]).tolist() == pytest.approx([1, -1, -1])
        assert (sign * given[0, :, 3, 5]).tolist() == pytest.approx([-1, -0.6, 1])


def test_an_unlisted_distance_needs_no_file(tmp_path):
    assert load_distances(["psnr", "pose"], tmp_path) == {}


def test_a_listed_distance_without_its_file_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"vgg_shift_tolerant.pth.*fetch_metric_weights"):
        load_distances(["st_lpips"], tmp_path)
    with pytest.raises(InputError, match=r"lists alex, which needs .*st_alex/alex_shift_tolerant.pth"):
        load_distances(["alex"], tmp_path)
    with pytest.raises(InputError, match=r"lists lpips_alex, which needs .*alexnet-owt-7be5be79.pth"):
        load_distances(["lpips_alex"], tmp_path)


def test_a_foreign_trunk_is_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "alexnet-owt-7be5be79.pth")
    with pytest.raises(InputError, match="must hold the trunk of alex"):
        load_lpips("alex", tmp_path)


def _seeded(key, shape):
    values = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).standard_normal(shape)
    scale = np.float32(math.sqrt(2) / math.sqrt(math.prod(shape[1:]))) if len(shape) > 1 else np.float32(0.01)
    return torch.from_numpy(values.astype(np.float32) * scale)


@pytest.mark.slow
@pytest.mark.skipif(not ORACLES, reason="MOTION_COPY_ORACLES names no folder of reference data")
@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_golden_lpips_of_a_seeded_trunk(net):
    golden = np.load(Path(ORACLES or "") / "metrics_golden.npz")
    network = Lpips(net).eval()
    trunk = {"features." + k.split(".", 1)[1]: v.shape for k, v in network.network.net.state_dict().items()}
    network.load_trunk({key: _seeded(key, tuple(shape)) for key, shape in trunk.items()})
    a, b = (torch.from_numpy(golden[name]).permute(2, 0, 1)[None].float() / 127.5 - 1 for name in ("img_a", "img_b"))
    with torch.inference_mode():
        value = float(network.distance(a, b)[0])
    assert value == pytest.approx(json.loads(str(golden["meta"]))["values"][f"lpips_{net}_seeded_trunk"], abs=1e-5)


@pytest.mark.slow
def test_raft_pads_to_the_sizes_it_takes(tmp_path):
    from torchvision.models.optical_flow import raft_large

    from pipeline.evaluation.temporal import load_flow

    (tmp_path / "raft").mkdir()
    torch.save(raft_large(weights=None).state_dict(), tmp_path / "raft" / "raft_large_C_T_SKHT_V2-ff5fadd5.pth")
    flow = load_flow("raft", tmp_path)(images(0, 1, 70)[0], images(1, 1, 70)[0])
    assert flow.shape == (70, 70, 2)
    assert flow.dtype == np.float32
    assert np.isfinite(flow).all()
