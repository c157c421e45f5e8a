"""Distances between sets of frames in the features of the Inception network: FID, and IS of one set (§4.2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # torch takes a second to import, and the other metrics do without it
    from torch import Tensor

METRICS = ("fid", "is")
ASSET = "fid_inception"
SPLITS, SEED = 10, 2020  # torch-fidelity's
ENOUGH = 2048  # frames below which the covariance of 2048 features has no full rank
BATCH = 8
Inception = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # uint8 (n h w 3) → features (n 2048), logits (n 1008)


def load_inception_metrics(metrics: Sequence[str], weights: Path) -> Inception | None:
    """The network of FID and IS if one of them is listed; `weights` is the folder that holds a folder per asset.

    InputError when it is listed and its file or package is missing.
    """
    if not set(METRICS) & set(metrics):
        return None
    import torch

    from pipeline.networks.inception import load_inception

    network = load_inception(weights / ASSET)

    def features(images: np.ndarray) -> "tuple[np.ndarray, np.ndarray]":
        with torch.inference_mode():
            found: tuple[Tensor, Tensor] = network(torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2))
        return found[0].double().numpy(), found[1].double().numpy()

    return features


@dataclass
class Gallery:
    """Sets of frames by name, as the network sees them; without a network it stays empty."""

    inception: Inception | None
    features: dict[str, list[np.ndarray]] = field(default_factory=dict)
    logits: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(self, name: str, images: np.ndarray) -> None:
        """Add frames (n h w 3) uint8 to a set."""
        if self.inception is None:
            return
        for start in range(0, len(images), BATCH):
            seen = self.inception(images[start : start + BATCH])
            self.features.setdefault(name, []).append(seen[0])
            self.logits.setdefault(name, []).append(seen[1])

    def scores(self, name: str, true: str) -> dict[str, float]:
        """fid of a set to the true one, and is of the set; NaN where the frames are too few."""
        if name not in self.features:
            return {}
        distance = frechet_distance(*(np.concatenate(self.features[s]) for s in (name, true))) if true in self.features else np.nan
        return {"fid": distance, "is": inception_score(np.concatenate(self.logits[name]))}

    def settings(self, name: str, true: str, against: str) -> dict[str, Any]:
        """How FID and IS were computed, in words, with a warning where the frames are few; empty without a network."""
        if name not in self.features:
            return {}
        n, m = (sum(map(len, self.features.get(s, []))) for s in (name, true))
        few = f" WARNING: under {ENOUGH} frames it is biased upwards: compare it with that of as many frames, not with published numbers."
        network = "Inception 2015-12-05 by torch-fidelity (TF1 bilinear to 299 px)"
        return {
            "fid": f"{network}, 2048 features, unbiased covariance; {n} frames against {m} {against}.{few if min(n, m) < ENOUGH else ''}",
            "is": f"{network}, 1008 logits, mean over {SPLITS} splits of {n} frames shuffled with seed {SEED}",
        }


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of Gaussians fitted to features (n d) and (m d), covariances unbiased; NaN under two rows.

    With A, B the centred rows over √(n - 1), the trace of (Σa Σb)^½ is the sum of the singular values of A Bᵀ: exact, and
    real, where the root of a covariance without full rank is neither.
    """
    if min(len(a), len(b)) < 2:
        return float("nan")
    rows = [_root(x.astype(np.float64)) for x in (a, b)]
    shared = np.linalg.svd(rows[0] @ rows[1].T, compute_uv=False).sum()
    mean = a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)
    return float(max(0.0, mean @ mean + sum(float((r**2).sum()) for r in rows) - 2 * shared))


def _root(features: np.ndarray) -> np.ndarray:
    """Matrix R (min(n, d) d) with Rᵀ R = the unbiased covariance of features (n d)."""
    return np.asarray(np.linalg.qr((features - features.mean(axis=0)) / np.sqrt(len(features) - 1), mode="r"))


def inception_score(logits: np.ndarray, shuffle: bool = True) -> float:
    """exp of the mean divergence between a frame's classes and its split's, logits (n 1008), mean over SPLITS; NaN under SPLITS rows."""
    n = len(logits)
    if n < SPLITS:
        return float("nan")
    order = np.random.RandomState(SEED).permutation(n) if shuffle else np.arange(n)
    shifted = logits[order].astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    p = np.exp(log_p)
    chunks = [slice(i * n // SPLITS, (i + 1) * n // SPLITS) for i in range(SPLITS)]
    scores = [np.exp((p[c] * (log_p[c] - np.log(p[c].mean(axis=0)))).sum(axis=1).mean()) for c in chunks]
    return float(np.mean(scores))
