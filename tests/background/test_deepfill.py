"""DeepFill v2 as a fill: files in both layouts, any mask, any size, and the whole chain against a plain one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from figure import static_background
from filled import deepfill_state, write_deepfill

from pipeline.background.backends.deepfill import load
from pipeline.background.backends.deepfill.attention import ContextualAttention, nearest
from pipeline.background.backends.deepfill.checkpoint import FUSE_KEY, read_generator
from pipeline.background.backends.deepfill.network import DeepFill, network_input
from pipeline.background.backends.deepfill.windows import shrunk, windows_about
from pipeline.errors import InputError


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    for layout in ("pt", "tf"):
        (folder / layout).mkdir()
    return {layout: write_deepfill(folder / layout, layout) for layout in ("pt", "tf")}


def rectangle(size_hw: tuple[int, int], y: slice, x: slice) -> np.ndarray:
    mask = np.zeros(size_hw, bool)
    mask[y, x] = True
    return mask


def plainly(layout: str, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The published software's steps, one by one, pixel formulas in float64: for sides that are multiples of 8."""
    network = DeepFill(layout).eval()
    network.load_state_dict(deepfill_state(layout))
    hole = mask.astype(np.float64)[..., None]
    colours = image.astype(np.float64) / 255 * 2 - 1
    channels = np.concatenate([colours * (1 - hole), np.ones_like(hole), hole], axis=2).transpose(2, 0, 1)[None]
    given = torch.tensor(channels, dtype=torch.float32)
    with torch.no_grad():
        _, fine = network(given, given[:, 4:])
    mixed = colours * (1 - hole) + fine[0].numpy().transpose(1, 2, 0) * hole
    return np.floor((mixed + 1) * 127.5)


@pytest.mark.parametrize("layout", ["pt", "tf"])
def test_whole_chain_equals_the_published_steps(files, layout):
    image = static_background((96, 120), seed=3)
    mask = rectangle((96, 120), np.s_[30:61], np.s_[41:77])
    mask[10:14, 100:120] = True
    filled = load(files[layout])(image, mask)
    expected = plainly(layout, image, mask)
    assert (filled[~mask] == image[~mask]).all()
    # A level may lie on either side of an integer, since float32 scales colours in another order.
    differing = np.abs(filled[mask].astype(int) - expected[mask])
    assert differing.max() <= 1
    assert (differing > 0).mean() < 0.01
    assert filled[mask].std() > 1  # these weights paint something


def test_layouts_differ_and_so_does_the_fusing(files):
    image, mask = static_background((64, 64), seed=1), rectangle((64, 64), np.s_[20:40], np.s_[20:50])
    pt, tf, tf_fused = (load(files[n], fuse=f)(image, mask) for n, f in (("pt", None), ("tf", None), ("tf", True)))
    assert (pt != tf).any()
    assert (tf != tf_fused).any()


def test_a_file_a_folder_and_older_or_bare_files_give_the_same(files, tmp_path):
    image, mask = static_background((40, 48), seed=2), rectangle((40, 48), np.s_[10:30], np.s_[12:40])
    expected = load(files["pt"])(image, mask)
    assert (load(files["pt"].parent)(image, mask) == expected).all()
    older = {key: value for key, value in deepfill_state("pt").items() if key != FUSE_KEY}
    for name, content in (("older", {"G": older}), ("bare", deepfill_state("pt"))):
        torch.save(content, tmp_path / f"{name}.pth")
        assert (load(tmp_path / f"{name}.pth")(image, mask) == expected).all()


def test_a_mask_of_another_size_is_refused(files):
    with pytest.raises(ValueError, match=r"as large as the image \(33, 50\), found \(33, 49\)"):
        load(files["tf"])(static_background((33, 50)), np.ones((33, 49), bool))


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (37, 61), (120, 1)])
def test_any_size_and_any_mask(files, size):
    rng = np.random.default_rng(sum(size))
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    for mask in (rng.random(size) < 0.3, rectangle(size, np.s_[size[0] // 2 :], np.s_[:])):
        before, mask_before = image.copy(), mask.copy()
        filled = load(files["pt"])(image, mask)
        assert filled.dtype == np.uint8
        assert filled.shape == image.shape
        assert (filled[~mask] == image[~mask]).all()
        assert (image == before).all()
        assert (mask == mask_before).all()


def test_what_lies_in_the_hole_does_not_count(files):
    image, mask = static_background((90, 130), seed=4), rectangle((90, 130), np.s_[20:51], np.s_[30:90])
    other = np.where(mask[..., None], 255 - image, image)
    for longest in (512, 64):
        run = load(files["pt"], longest_px=longest)
        assert (run(image, mask) == run(other, mask)).all()


def test_large_images_are_seen_through_windows(files):
    image = static_background((300, 420), seed=6)
    mask = rectangle((300, 420), np.s_[20:40], np.s_[20:45]) | rectangle((300, 420), np.s_[120:290], np.s_[300:400])
    filled = load(files["pt"], longest_px=200)(image, mask)
    assert (filled[~mask] == image[~mask]).all()
    small, large = windows_about(mask, 200)
    assert small == np.s_[0:104, 0:109]
    alone = load(files["pt"])(image[small], mask[small])  # it fits: seen in its own pixels
    assert (filled[small] == alone).all()
    assert mask[large].sum() == 170 * 100


def test_windows_hold_every_hole_once():
    rng = np.random.default_rng(0)
    mask = np.zeros((900, 1300), bool)
    for _ in range(12):
        y, x = rng.integers(0, 880), rng.integers(0, 1280)
        mask[y : y + rng.integers(1, 60), x : x + rng.integers(1, 60)] = True
    counts = np.zeros(mask.shape, int)
    for window in windows_about(mask, 512):
        counts[window] += 1
    assert counts.max() == 1
    assert (counts[mask] == 1).all()
    assert windows_about(np.zeros((900, 1300), bool), 512) == []


def test_shrinking_averages_known_pixels_only():
    image = np.full((40, 60, 3), 100, np.uint8)
    mask = rectangle((40, 60), np.s_[11:20], np.s_[20:30])
    image[mask] = 255
    small, hole = shrunk(image, mask, 30)
    assert small.shape == (20, 30, 3)
    assert (small[~hole] == 100).all()
    assert hole.sum() == 5 * 5  # rows 11-19 touch small rows 5-9, columns 20-29 are small columns 10-14
    assert hole[5:10, 10:15].all()


@pytest.mark.parametrize("layout", ["pt", "tf"])
def test_each_item_of_a_batch_obeys_its_own_mask(layout):
    network = DeepFill(layout).eval()
    network.load_state_dict(deepfill_state(layout))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    masks = torch.zeros(2, 1, 64, 64)
    masks[0, :, 8:30, 8:40] = masks[1, :, 30:60, 20:60] = 1
    with torch.inference_mode():
        together = network(network_input(images, masks), masks)
        for i in range(2):
            image, mask = images[i : i + 1], masks[i : i + 1]
            for alone, both in zip(network(network_input(image, mask), mask), together, strict=True):
                assert (alone[0] - both[i]).abs().max() < 1e-5


def test_hidden_patches_are_never_pasted():
    features = torch.randn(1, 4, 16, 24, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(1, 1, 64, 96)
    mask[..., 16:40, 24:56] = 1
    attention = ContextualAttention("pt")
    changed = features.clone()
    changed[..., 6:8, 8:12] += 5.0  # deep within the hole: as a source it must not show anywhere far from it
    far = np.s_[..., 12:, 18:]
    assert torch.allclose(attention(features, mask)[far], attention(changed, mask)[far], atol=1e-5)
    assert not attention(features, torch.ones_like(mask)).any()  # nothing to paste
    with pytest.raises(ValueError, match="8 times"):
        attention(features, mask[..., :48])


def test_attention_reproduces_a_repeated_texture():
    # 8 x 8 tiles of sharp random features: every patch in the hole has equals outside it, which it is rebuilt from.
    tile = 40 * torch.randn(1, 6, 8, 8, generator=torch.Generator().manual_seed(2))
    features = tile.repeat(1, 1, 6, 6)
    mask = torch.zeros(1, 1, 192, 192)
    mask[..., 80:112, 80:112] = 1
    rebuilt = ContextualAttention("pt", fuse=False)(features, mask)
    assert torch.allclose(rebuilt[..., 8:40, 8:40], features[..., 8:40, 8:40], atol=1e-2)


def test_nearest_neighbours_of_both_layouts():
    row = torch.arange(6.0)[None, None, None]
    assert nearest(row, (1, 3), "pt").flatten().tolist() == [0, 2, 4]
    assert nearest(row, (1, 3), "tf").flatten().tolist() == [0, 3, 5]  # 0, 2.5, 5
    assert nearest(row[..., :3], (1, 6), "pt").flatten().tolist() == [0, 0, 1, 1, 2, 2]
    assert nearest(row[..., :3], (1, 6), "tf").flatten().tolist() == [0, 0, 1, 1, 2, 2]  # 0, .4, .8, 1.2, 1.6, 2


def test_only_multiples_of_eight_enter_the_network():
    with pytest.raises(ValueError, match="multiples of 8"):
        DeepFill("pt")(torch.zeros(1, 5, 60, 64), torch.zeros(1, 1, 60, 64))


def test_files_that_are_not_the_weights(tmp_path, files):
    class Harmful:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    for name, content, said in (
        ("code", {"G": Harmful()}, "must hold tensors only"),
        ("other", {"G": {"conv9.weight": torch.zeros(1)}}, "found 1 keys, first conv9.weight"),
        ("list", [1, 2], "found 0 keys, first none"),
        ("half", {"G": dict(list(deepfill_state("tf").items())[:40])}, "in the layout tf"),
    ):
        path = tmp_path / f"{name}.pth"
        torch.save(content, path)
        with pytest.raises(InputError, match=said):
            load(path)
    assert not (tmp_path / "executed").exists()
    (tmp_path / "page.pth").write_text("<html>quota exceeded</html>")
    with pytest.raises(InputError, match=r"page.pth must hold tensors only, reading it failed \(UnpicklingError\): fetch it again"):
        load(tmp_path / "page.pth")
    with pytest.raises(InputError, match=r"must hold one \.pth file.*found code\.pth, half\.pth"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"found none\. Run: dvc repro fetch_fill_weights"):
        load(tmp_path / "nowhere")
    assert not any(p.requires_grad for p in read_generator(files["tf"]).parameters())
