"""Face orientation as a vector field and the similarity of two of them (§3.2, Eq. 6, Fig. 4)."""

from collections.abc import Sequence

import numpy as np

from pipeline.body.skeleton import Skeleton
from pipeline.errors import InputError

SAME = 1e-9  # a smaller distance is no distance: Eq. 6 divides by it


def face_landmarks(skeleton: Skeleton) -> tuple[str, ...]:
    """Joints of the skeleton's face region; empty when it has none or no face vectors."""
    return skeleton.face.joints if skeleton.face and skeleton.face_vectors else ()


def choose_vectors(
    six: Sequence[tuple[str, str]], landmarks: Sequence[str], count: int
) -> list[tuple[str, str]]:
    """The joint pairs compared: 6, or the first 2, 3 or 4 of them; 5 are the predecessor's, with the mouth.

    Table 2's row "5 face vectors" names no vectors. Our reading: the three between eyes and nose, then nose → right
    and left mouth corner. InputError when the skeleton lacks one.
    """
    pairs = [*six[:3], ("nose", "right_mouth"), ("nose", "left_mouth")] if count == 5 else list(six[:count])
    missing = sorted({joint for pair in pairs for joint in pair} - set(landmarks))
    if missing or len(pairs) < count:
        raise InputError(f"face.vectors is {count}, which needs the joints {', '.join(missing) or 'of six vectors'}; choose fewer.")
    return pairs


def vector_field(landmarks: np.ndarray, names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Vectors (... v 2) from the first to the second joint of each pair; landmarks (... l 2) in px; NaN in, NaN out."""
    start, end = ([list(names).index(pair[i]) for pair in pairs] for i in (0, 1))
    landmarks = np.asarray(landmarks, np.float64)
    return landmarks[..., end, :] - landmarks[..., start, :]


def orientation_distances(query: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Denominator of Eq. 6: Σ_i ‖v̂_i - v_i‖₂ of query (v 2) to each of pool (n v 2) → (n).

    Vectors missing on either side are left out and the sum is scaled up to all v; NaN with fewer than half of them.
    """
    lengths = np.linalg.norm(pool - query, axis=2)
    seen = np.isfinite(lengths)
    count = seen.sum(axis=1)
    total = np.where(seen, lengths, 0).sum(axis=1)
    return np.where(2 * count >= len(query), total * len(query) / np.maximum(count, 1), np.nan)


def similarity_weights(distances: np.ndarray) -> np.ndarray:
    """Weights S_i / Σ S_j of Eq. 7 with S = 1 / distance (m); a face at distance zero takes all (shared if several do)."""
    same = distances < SAME
    similarity = same.astype(np.float64) if same.any() else 1.0 / distances
    return similarity / similarity.sum()


class CandidateChooser:
    """Chooses the top m faces frame after frame; those of the previous frame keep their place unless clearly beaten.

    `hysteresis` h: a face chosen in the previous frame competes with (1 - h) of its distance, so that the chosen faces
    do not alternate; the weights come from the true distances. Looks back only. Not in the paper.
    """

    def __init__(self, candidates: int, hysteresis: float) -> None:
        self.candidates, self.hysteresis = candidates, hysteresis
        self._previous = np.empty(0, np.int64)

    def choose(self, distances: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices (k) and weights (k) of the nearest faces, k <= m, of distances (n) where allowed (n) bool and finite."""
        legal = allowed & np.isfinite(distances)
        rank = np.where(legal, distances, np.inf)
        rank[self._previous] *= 1 - self.hysteresis
        chosen = np.argsort(rank, kind="stable")[: min(self.candidates, int(legal.sum()))]
        self._previous = chosen
        return chosen, similarity_weights(distances[chosen]) if len(chosen) else np.empty(0)


def allowed_faces(frame: np.ndarray, sharpness: np.ndarray, min_sharpness: float, query: int | None, neighbours: int) -> np.ndarray:
    """Which faces (n) may be chosen: sharp enough and, for a query frame of the same clip, further than `neighbours` frames."""
    sharp = sharpness >= min_sharpness
    return sharp if query is None else sharp & (np.abs(frame - query) > neighbours)
