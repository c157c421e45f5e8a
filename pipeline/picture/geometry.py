"""Points, boxes and affine maps, with the project's conventions said once.

Points are (x, y), y down, integer = pixel centre, so a resize by s maps p to (p + 0.5) * s - 0.5. Boxes are half-open
x0 y0 x1 y1 in pixel edges: the box of the whole image is (0, 0, w, h). Affine maps are (2, 3) float64 acting on points.
Sizes are (height, width): `size_hw` is the full frame's, `crop_hw` that of a crop in its own pixels, for what the networks
see the working size. A crop map scales both axes alike: pixels stay square whatever the crop's shape.
"""

import cv2
import numpy as np

Array = np.ndarray

ASPECT_SLACK = 1e-3  # relative; boxes come out of sums of floats


def apply_affine(matrix: Array, points: Array) -> Array:
    """Map points (..., 2) by matrix (2, 3); NaN in, NaN out."""
    points = np.asarray(points)
    return points @ np.asarray(matrix[:, :2]).T.astype(np.float64) + matrix[:, 2]


def invert_affine(matrix: Array) -> Array:
    """Inverse of a (2, 3) affine map."""
    linear = np.linalg.inv(np.asarray(matrix[:, :2], dtype=np.float64))
    return np.concatenate([linear, -linear @ np.asarray(matrix[:, 2:], dtype=np.float64)], axis=1)


def compose_affine(a: Array, b: Array) -> Array:
    """The map p → a(b(p)), both (2, 3)."""
    linear = a[:, :2] @ b[:, :2]
    return np.concatenate([linear, a[:, :2] @ b[:, 2:] + a[:, 2:]], axis=1)


def scaling(scale: float) -> Array:
    """Map (2, 3) of a picture's pixels to those of one `scale` times as large: centres of pixels are whole numbers in both."""
    offset = 0.5 * scale - 0.5
    return np.array([[scale, 0.0, offset], [0.0, scale, offset]])


def box_to_crop(box_xyxy: Array, crop_hw: tuple[int, int]) -> Array:
    """Map (2, 3) from full pixels to a crop (h, w) that shows the half-open box; ValueError unless the box has its aspect."""
    x0, y0, x1, y1 = (float(v) for v in box_xyxy)
    height, width = crop_hw
    if abs((y1 - y0) * width - (x1 - x0) * height) > ASPECT_SLACK * (y1 - y0) * width:
        raise ValueError(f"a box of {x1 - x0:g} x {y1 - y0:g} has not the aspect of a crop of {width} x {height}")
    scale = width / (x1 - x0)
    return np.array([[scale, 0.0, (0.5 - x0) * scale - 0.5], [0.0, scale, (0.5 - y0) * scale - 0.5]])


def crop_to_box(matrix: Array, crop_hw: tuple[int, int]) -> Array:
    """Half-open box (4) in full pixels that an axis-aligned crop map (2, 3) to (h, w) shows; inverse of box_to_crop."""
    scale = matrix[0, 0]
    x0 = 0.5 - (matrix[0, 2] + 0.5) / scale
    y0 = 0.5 - (matrix[1, 2] + 0.5) / scale
    return np.array([x0, y0, x0 + crop_hw[1] / scale, y0 + crop_hw[0] / scale])


def box_of_points(points: Array, margin: float) -> Array:
    """Square half-open box (4) about all finite points (..., 2), its side the larger extent × margin; NaN if there are none."""
    flat = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return np.full(4, np.nan)
    low, high = flat.min(axis=0), flat.max(axis=0)
    centre = (low + high) / 2 + 0.5  # pixel centres → edge coordinates
    half = max(float((high - low).max()), 1.0) * margin / 2
    return np.concatenate([centre - half, centre + half])


def mask_box(mask: Array) -> tuple[int, int, int, int] | None:
    """Half-open box in whole pixels of what is not 0 in (h w); None when nothing is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else None


def disc(radius_px: int) -> Array:
    """A round kernel (2 r + 1, 2 r + 1) uint8 for cv2's morphology."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1, 2 * radius_px + 1))


def sample_crop(image: Array, matrix: Array, crop_hw: tuple[int, int], border: str = "replicate") -> Array:
    """See image (h w c) or (h w) uint8 or float32 through a crop map (2, 3): (*crop_hw[, c]), same dtype.

    Shrinking averages areas: the crop is first sampled k times finer (linear) and then averaged k × k, k = ceil(1 / scale).
    border: `replicate` the edge pixels, or `zero` (for mattes).
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    height, width = crop_hw
    k = max(1, int(np.ceil(1.0 / scale - 1e-6)))
    finer = np.array([[k, 0.0, (k - 1) / 2], [0.0, k, (k - 1) / 2]])
    mode = cv2.BORDER_REPLICATE if border == "replicate" else cv2.BORDER_CONSTANT
    fine = cv2.warpAffine(image, compose_affine(finer, matrix), (width * k, height * k), flags=cv2.INTER_LINEAR, borderMode=mode)
    return fine if k == 1 else cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)


def paste_crop(crop_image: Array, matrix: Array, size_hw: tuple[int, int], interpolation: str = "cubic") -> Array:
    """Inverse of sample_crop by interpolation: an image (h w[ c]) float32 of size_hw, zero where the crop does not reach."""
    flags = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}[interpolation]
    image = np.ascontiguousarray(crop_image, dtype=np.float32)
    return cv2.warpAffine(image, np.asarray(matrix), (size_hw[1], size_hw[0]), flags=flags | cv2.WARP_INVERSE_MAP)


def similarity_from_points(source: Array, destination: Array) -> Array:
    """Least-squares similarity (2, 3) without reflection taking source (n, 2) to destination (n, 2), n >= 2 (Umeyama 1991).

    Pairs with a NaN are left out; all NaN (2, 3) when fewer than two remain.
    """
    from skimage.transform import estimate_transform  # for faces alone: a third of a second to import

    source, destination = np.asarray(source, np.float64), np.asarray(destination, np.float64)
    ok = np.isfinite(source).all(axis=1) & np.isfinite(destination).all(axis=1)
    found = estimate_transform("similarity", source[ok], destination[ok]) if ok.sum() > 1 else None
    return found.params[:2] if found else np.full((2, 3), np.nan)
