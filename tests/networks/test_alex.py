"""The shift-tolerant AlexNet is the package's own: same layout, same numbers."""

import importlib
import importlib.util
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from waves import wave

from pipeline.assets.catalogue import read_asset
from pipeline.errors import InputError
from pipeline.networks.alex import FILE, StAlex, load_st_alex

WEIGHTS = Path("data/weights/metrics/st_alex") / FILE
WHEEL = read_asset("st_alex").files[0].origin.wheel


@pytest.mark.skipif(not WEIGHTS.exists(), reason="needs the weights: dvc repro fetch_metric_weights")
def test_distance_golden():
    """The numbers are those of the wheel's own package, stlpips-pytorch 0.0.2:

    stlpips.LPIPS(net="alex", variant="shift_tolerant")(wave(0.0), wave(0.7))
    """
    network = load_st_alex(WEIGHTS)
    torch.testing.assert_close(network.distance(wave(0.0), wave(0.7))[0], torch.tensor([0.1985355765, 0.1708647013]), rtol=1e-5, atol=1e-7)
    means = [float(x.mean()) for x in network.features(wave(0.0))]
    assert means == pytest.approx([0.3735071719, 0.1021949351, 0.0331252664, 0.0155171697, 0.0080819875], rel=1e-5)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[torch.nn.Module]:
    """The wheel's own network. Its package is imported once and reads files beside itself, so that its folder serves all tests."""
    if not WEIGHTS.exists() or WHEEL is None or not (Path(".scratch/downloads") / WHEEL.sha256).exists():
        pytest.skip("needs the weights and the wheel that they came in: dvc repro fetch_metric_weights")
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(Path(".scratch/downloads") / WHEEL.sha256) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.endswith((".py", FILE))])
    with pytest.MonkeyPatch.context() as patch:
        for name, needed in (("torchsummary", "summary"), ("IPython", "embed")):  # imported by the package, not used by its networks
            if importlib.util.find_spec(name) is None:
                empty = types.ModuleType(name)
                setattr(empty, needed, None)
                patch.setitem(sys.modules, name, empty)
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("stlpips_pytorch.stlpips").LPIPS(net="alex", variant="shift_tolerant", verbose=False)


@pytest.mark.slow
@pytest.mark.parametrize("size_hw", [(32, 32), (45, 77), (200, 61)])
def test_the_wheels_own_network_gives_the_same_numbers(size_hw, theirs):
    draw = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 3, *size_hw, generator=draw) * 2 - 1 for _ in range(2))
    with torch.no_grad():
        torch.testing.assert_close(load_st_alex(WEIGHTS).distance(a, b)[0], theirs(a, b).flatten(), rtol=1e-6, atol=1e-8)


def test_distance_is_zero_for_equal_images_and_symmetric():
    torch.manual_seed(0)
    network, a, b = StAlex().eval(), wave(0.0), wave(0.7)
    with torch.no_grad():
        assert network.distance(a, a)[0].abs().max() == 0
        torch.testing.assert_close(network.distance(a, b)[0], network.distance(b, a)[0])


def test_another_network_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"lists alex, which needs .*Run: dvc repro fetch_metric_weights, or unlist it"):
        load_st_alex(tmp_path / FILE)
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / FILE)
    with pytest.raises(InputError, match="must hold the shift-tolerant AlexNet"):
        load_st_alex(tmp_path / FILE)


def test_a_loaded_network_is_frozen(tmp_path):
    torch.save(StAlex().state_dict(), tmp_path / FILE)
    assert not any(p.requires_grad for p in load_st_alex(tmp_path / FILE).parameters())
