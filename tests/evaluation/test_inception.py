import json
from pathlib import Path

import numpy as np
import pytest
import torch
from reference.oracle_folder import oracle
from reference.oracle_weights import digest, fill

from pipeline.artifacts.frames import open_frames
from pipeline.assets.catalogue import assets_of_evaluation, read_asset
from pipeline.errors import InputError
from pipeline.evaluation.imitation import PairInputs, evaluate_imitation
from pipeline.evaluation.inception import Gallery, frechet_distance, inception_score, load_inception_metrics
from pipeline.evaluation.reconstruction import METHODS, evaluate_reconstruction
from pipeline.evaluation.temporal import load_flow
from pipeline.networks.inception import WEIGHTS, load_inception
from pipeline.timeline.split import SplitParams


def drawn(seed, *shape):
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)


def test_golden_distance_on_which_four_libraries_agree():
    # pytorch-fid, torch-fidelity, torchmetrics and clean-fid, by the matrix root of the covariances
    assert frechet_distance(drawn(21, 300, 16), drawn(22, 250, 16) * 1.2 + 0.3) == pytest.approx(2.9092972990129695, abs=1e-9)


def test_golden_score_of_torch_fidelity():
    logits = drawn(23, 203, 1008) * 2
    assert inception_score(logits, shuffle=False) == pytest.approx(4.627111682680953, abs=1e-9)
    assert inception_score(logits) == pytest.approx(4.63943380185313, abs=1e-9)


def test_the_distance_of_two_gaussians_in_one_dimension_by_hand():
    # means 0 and 3, deviations 1 and 2: 3² + (2 - 1)²
    rows = np.array([[-1.0], [0.0], [1.0]])
    assert frechet_distance(rows, 2 * rows + 3) == pytest.approx(10)


def test_fewer_frames_than_features_give_a_real_distance():
    a, b = drawn(1, 5, 64), drawn(2, 7, 64)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    turned, _ = np.linalg.qr(drawn(3, 64, 64))
    assert frechet_distance(a @ turned, b @ turned) == pytest.approx(frechet_distance(a, b))
    assert frechet_distance(a, a + 1) == pytest.approx(64)


def test_scores_at_their_limits():
    same = np.zeros((20, 1008))
    assert inception_score(same) == pytest.approx(1)  # every frame says what the others say
    sure = np.tile(1000 * np.eye(4), (25, 1))
    assert inception_score(sure, shuffle=False) == pytest.approx(4, rel=0.05)  # four classes, each surely
    assert np.isnan(inception_score(same[:9]))
    assert np.isnan(frechet_distance(drawn(1, 1, 4), drawn(2, 9, 4)))


def means(images):
    """Stands for the network: colour means as features, brightness in tens as sure classes."""
    features = images.reshape(len(images), -1, 3).mean(axis=1)
    logits = np.zeros((len(images), 26))
    logits[np.arange(len(images)), (features.mean(axis=1) // 10).astype(int)] = 50
    return features, logits


def test_a_perfect_reconstruction_has_distance_zero(scene, params):
    more = params.model_copy(update={"metrics": [*params.metrics, "fid", "is"]})
    inputs = scene.open_fused(), scene.open_generated(), scene.open_crops(), scene.track, more, SplitParams(hold_out_fraction=0.6)
    scores, _ = evaluate_reconstruction(*inputs, {}, load_flow("dis", Path()), means)
    assert scores["reconstruction"]["fid"] == pytest.approx(0, abs=1e-9)
    assert scores["plate"]["fid"] > scores["reconstruction"]["fid"]
    assert scores["reconstruction"]["is"] == scores["reference"]["is"]
    assert all({"fid", "is"} <= set(scores[method]) for method in METHODS)
    assert "fid" not in scores["reference"]
    assert "12 frames against 12 true held-out frames" in scores["settings"]["fid"]
    assert "WARNING: under 2048 frames it is biased upwards" in scores["settings"]["fid"]
    assert not {"fid", "is"} & set(scores["settings"]["not_computed"])


def test_an_imitation_is_compared_with_all_true_crops(scene, params):
    more = params.model_copy(update={"metrics": ["fid", "is"]})
    frames, fused = open_frames(scene.folder / "frames.zarr"), scene.open_fused()
    inputs = PairInputs(scene.open_generated(), frames, scene.track, scene.track, scene.open_crops(), fused)
    scores = evaluate_imitation(inputs, more, load_flow("dis", Path()), means)
    assert scores["imitation"]["fid"] == pytest.approx(0, abs=1e-9)
    assert "20 frames against 20 true frames of the target" in scores["settings"]["fid"]


def test_unlisted_they_cost_nothing_and_are_explained(scene, params):
    assert load_inception_metrics(["psnr"], Path("nowhere")) is None
    gallery = Gallery(None)
    gallery.add("a", np.zeros((2, 8, 8, 3), np.uint8))
    assert gallery.scores("a", "a") == gallery.settings("a", "a", "") == {}
    inputs = scene.open_fused(), scene.open_generated(), scene.open_crops(), scene.track, params, SplitParams(hold_out_fraction=0.4)
    missing = evaluate_reconstruction(*inputs, {}, load_flow("dis", Path()))[0]["settings"]["not_computed"]
    assert missing["fid"] == f"add fid to evaluation.metrics, needs {WEIGHTS} and the package torch-fidelity (extra `fid`)"


def test_listed_they_are_fetched():
    assert "fid_inception" in assets_of_evaluation(["is"], "dis")
    assert "fid_inception" not in assets_of_evaluation(["psnr"], "dis")
    assert [file.name for file in read_asset("fid_inception").files] == [WEIGHTS]


def test_enough_frames_carry_no_warning():
    gallery = Gallery(means)
    gallery.add("a", np.zeros((2048, 2, 2, 3), np.uint8))
    assert "WARNING" not in gallery.settings("a", "a", "true")["fid"]


def test_without_package_or_file_it_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"torch-fidelity: pip install -e '\.\[fid\]'|put the file into data/incoming and run dvc repro"):
        load_inception(tmp_path)


def test_a_foreign_network_is_refused(tmp_path):
    pytest.importorskip("torch_fidelity")
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / WEIGHTS)
    with pytest.raises(InputError, match="must hold the Inception network of FID"):
        load_inception(tmp_path)


@pytest.mark.slow
def test_golden_features_of_the_published_layout(tmp_path):
    # the weights of the golden: gain 1, and statistics of batch normalisation that no layer can ignore
    pytest.importorskip("torch_fidelity")
    golden = np.load(oracle("metrics_golden.npz"))
    entries = json.loads(oracle("fid_inception_state_dict.json").read_text())
    spec = [(entry["key"], tuple(entry["shape"]), entry["dtype"]) for entry in entries]
    statistics = {
        "running_mean": lambda draw: 0.1 * draw,
        "running_var": lambda draw: 0.5 * np.exp(0.2 * draw),
        "bn.weight": lambda draw: 1 + 0.1 * draw,
    }
    weights = fill(spec, 1.0, statistics)
    assert digest(weights) == json.loads(str(golden["meta"]))["values"]["fid_inception_weights_sha256"]
    (tmp_path / "fid_inception").mkdir()
    torch.save({key: torch.from_numpy(np.asarray(value)) for key, value in weights.items()}, tmp_path / "fid_inception" / WEIGHTS)
    inception = load_inception_metrics(["fid"], tmp_path)
    assert inception is not None
    features, logits = inception(np.stack([golden["img_a"], golden["img_b"]]))
    assert features == pytest.approx(golden["torch_fidelity_2048"], abs=1e-4)
    assert logits == pytest.approx(golden["torch_fidelity_logits_unbiased"], abs=1e-4)
    assert inception(golden["img_b"][None])[0] == pytest.approx(features[1:], abs=1e-5)
