"""How near one frame is to the true one, on uint8 images: PSNR and SSIM (§4.2), and how sharp it is (not in the paper)."""

import cv2
import numpy as np

IDENTICAL_DB = 100.0  # the PSNR of identical images is infinite, which no table and no JSON can hold
SSIM_CONVENTION = "scikit-image default: 7x7 uniform window, sample covariance, RGB, data_range 1"
PSNR_CONVENTION = (
    "mean over frames of 10 log10(255^2 / mean squared error over pixels and channels of the uint8 crop); "
    f"identical frames count as {IDENTICAL_DB:g} dB"
)


def psnr(true: np.ndarray, pred: np.ndarray, where: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 images (h w 3), over the pixels `where` (h w) bool; NaN over no pixel.

    At most IDENTICAL_DB. The difference is taken in float64: in uint8 it would wrap round and flatter the result.
    """
    difference = true.astype(np.float64) - pred.astype(np.float64)
    if where is not None:
        difference = difference[where]
    if difference.size == 0:
        return float("nan")
    error = float(np.mean(difference**2))
    return IDENTICAL_DB if error == 0 else min(IDENTICAL_DB, 10.0 * float(np.log10(255.0**2 / error)))


def ssim(true: np.ndarray, pred: np.ndarray) -> float:
    """Structural similarity of two uint8 images (h w 3) by SSIM_CONVENTION; NaN for images under 7 px."""
    from skimage.metrics import structural_similarity

    if min(true.shape[:2]) < 7:
        return float("nan")
    a, b = true.astype(np.float64) / 255, pred.astype(np.float64) / 255
    return float(np.asarray(structural_similarity(a, b, data_range=1.0, channel_axis=-1)))


def sharpness(true: np.ndarray, pred: np.ndarray, matte: np.ndarray) -> float:
    """Mean change of luma's gradient inside the matte of pred over that of true: 1 is as sharp, less is blurred, more is noise.

    Images (h w 3) uint8, matte (h w) uint8, inside above one half; the Laplacian's magnitude. The gradient itself would not
    do: blur spreads an edge without lowering its sum. NaN without a person, or where the true one has no detail.
    """
    person = matte > 127
    details = []
    for image in (pred, true):
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        detail = np.abs(cv2.Laplacian(luma, cv2.CV_32F))
        details.append(float(detail[person].mean()) if person.any() else 0.0)
    return details[0] / details[1] if details[1] > 0 else float("nan")


def person_pixels(matte: np.ndarray, dilate_px: float) -> np.ndarray:
    """Pixels (h w) bool within dilate_px (Euclidean) of the person, matte (h w) uint8 above one half."""
    person = matte > 127
    if not person.any() or dilate_px == 0:
        return person
    distance = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance <= dilate_px
