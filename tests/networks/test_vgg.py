"""The feature networks are those whose weights they load."""

from pathlib import Path

import pytest
import torch
from waves import wave

from pipeline.errors import InputError
from pipeline.networks.vgg import StVgg16, Vgg19, load_features, load_st_vgg16, load_vgg19

WEIGHTS = Path("data/weights/metrics/st_vgg16/vgg_shift_tolerant.pth")


@pytest.mark.skipif(not WEIGHTS.exists(), reason="needs the weights: dvc repro fetch_metric_weights")
def test_distance_golden():
    """The numbers are those of the wheel's own package, stlpips-pytorch 0.0.2:

    stlpips.LPIPS(net="vgg", variant="shift_tolerant")(wave(0.0), wave(0.7))
    """
    network = load_st_vgg16(WEIGHTS)
    torch.testing.assert_close(network.distance(wave(0.0), wave(0.7))[0], torch.tensor([0.4124544561, 0.3538111448]), rtol=1e-4, atol=1e-6)
    means = [float(x.mean()) for x in network.features(wave(0.0))]
    assert means == pytest.approx([0.0842521787, 0.0202884227, 0.029445272, 0.1253136992, 1.4382652044], rel=1e-4)


def test_distance_is_zero_for_equal_images_and_symmetric():
    torch.manual_seed(0)
    network, a, b = StVgg16().eval(), wave(0.0), wave(0.7)
    with torch.no_grad():
        assert network.distance(a, a)[0].abs().max() == 0
        torch.testing.assert_close(network.distance(a, b)[0], network.distance(b, a)[0])
        assert all(torch.equal(*pair) for pair in zip(network.distance(a, a, b), (network.distance(a, c)[0] for c in (a, b)), strict=True))


def test_features_are_finest_first_and_stop_where_asked():
    with torch.no_grad():
        maps = StVgg16().features(torch.zeros(1, 3, 64, 64), depth=3)
        assert [tuple(m.shape[1:]) for m in maps] == [(64, 64, 64), (128, 33, 33), (256, 17, 17)]
        assert [m.shape[1] for m in Vgg19().features(torch.zeros(1, 3, 32, 32))] == [64, 128, 256, 512, 512]


def test_sixteenth_convolution_is_the_last():
    names = [name for name in Vgg19().net.state_dict() if name.endswith("weight")]
    assert len(names) == 16
    assert names[-1] == "features.34.weight"  # conv5_4 in torchvision's numbering
    with torch.no_grad():
        assert Vgg19().features(torch.randn(1, 3, 32, 32))[-1].min() < 0  # the convolution's output, before its ReLU


def test_loaded_networks_are_frozen(tmp_path):
    state = {f"features.{k.removeprefix('features.')}": v for k, v in Vgg19().net.state_dict().items()}
    torch.save({**state, "classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "vgg19.pth")
    assert not any(p.requires_grad for p in load_vgg19(tmp_path / "vgg19.pth").parameters())


def test_wrong_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_st_vgg16(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(InputError, match="must hold a torch state dict"):
        load_st_vgg16(tmp_path / "text.pth")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "vgg_shift_tolerant.pth")
    with pytest.raises(InputError, match="must hold the weights of this feature network"):
        load_features("st_vgg16", tmp_path)
