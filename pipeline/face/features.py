"""The rejected way to find similar faces: distances between image features (Table 2, row "Image feature")."""

from pathlib import Path

import numpy as np
import torch

from pipeline.artifacts.faces import FaceIndex
from pipeline.body.regions import cut_region
from pipeline.errors import InputError
from pipeline.face.blend import Query, soft_disc
from pipeline.networks.vgg import load_st_vgg16

SIZE_PX = 64
BATCH = 16


class FaceDescriber:
    """Distances of faces by features of the shift-tolerant VGG16, where the paper takes VGG19."""

    def __init__(self, faces: FaceIndex, weights: Path | None) -> None:
        if weights is None:
            raise InputError("face.similarity image_features needs the st_vgg16 weights. Name them with --features")
        self._network = load_st_vgg16(weights)
        self._pool = np.concatenate([self._describe(_faces(faces, i)) for i in range(0, len(faces), BATCH)])

    def distances(self, query: Query) -> np.ndarray:
        """L2 distances (n) of the query's face to every face of the index."""
        return np.linalg.norm(self._pool - self._describe(_resized(query.patch)[None]), axis=1)

    @torch.no_grad()
    def _describe(self, faces: np.ndarray) -> np.ndarray:
        """Features (n d) float32 of faces (n s s 3) uint8, their surroundings greyed out."""
        seen = (faces.astype(np.float32) / 127.5 - 1) * soft_disc(SIZE_PX)[None, ..., None].astype(np.float32)
        maps = self._network.features(torch.from_numpy(seen).permute(0, 3, 1, 2))
        return maps[-1].flatten(1).numpy()


def _faces(faces: FaceIndex, start: int) -> np.ndarray:
    """The next BATCH faces (n s s 3) of the index, without what lies around their boxes."""
    shown = faces.crop_px / (faces.seen[:, 2] - faces.seen[:, 0])
    corners = (faces.box - np.tile(faces.seen[:, :2], 2)) * shown[:, None]
    return np.stack([cut_region(crop, corners[i], SIZE_PX) for i, crop in enumerate(faces.crops[start : start + BATCH], start)])


def _resized(image: np.ndarray) -> np.ndarray:
    return cut_region(image, np.array([0.0, 0.0, image.shape[1], image.shape[0]]), SIZE_PX)
