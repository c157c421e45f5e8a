"""The subject as what differs from a still background: for cameras that do not move.

Not in the paper, which segments by Mask R-CNN (§3.1).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.picture.stillness import brightness, lighting_gains, masked_median, masked_noise

GREY_LEVELS = 3.0
LEAST_PIXELS = 50  # of the grid about the subject: fewer tell nothing of the light
SHADOW_DARKEST = 0.45
SHADOW_BRIGHT = 90.0
SHADOW_CHROMA = 0.035
NOISE_STEP = 2
NOISE_SAMPLES = 6
SURROUNDINGS_PX = 320
LIKE_SHARE = 0.25
STOOD_LEVELS = 20.0


@dataclass(frozen=True)
class Background:
    """What stands still: image (h w 3) float32 RGB 0..255, noise (h w) float32 in levels, known (h w) bool, has_colour."""

    image: np.ndarray
    noise: np.ndarray
    known: np.ndarray
    has_colour: bool


def fit_background(samples: np.ndarray, hidden: np.ndarray) -> Background:
    """Learn the background from samples (n h w 3) uint8, looking past what hidden (n h w) bool marks as subject.

    A pixel hidden in every sample is not `known`; it takes the samples that look most like its surroundings, which is
    right for a subject that moves within what hides it.
    """
    gains = lighting_gains(samples, hidden)
    never = np.all(hidden, axis=0)
    image, _ = masked_median(samples, hidden, gains)
    seen = hidden.copy()
    if never.any():
        there = samples[:, never][:, :, None]
        unlike = _unlike(there[:, :, 0], gains, _surroundings(image, never)[never])
        likeliest, plain = (masked_median(there, mask[..., None], gains)[0][:, 0] for mask in (unlike, np.zeros_like(unlike)))
        # Picking samples is biased by their noise; it is worth that only where a subject stood for most of the time.
        stood = _largest(np.abs(likeliest - plain)) > STOOD_LEVELS
        seen[:, never] = unlike & stood
        image[never] = np.where(stood[:, None], likeliest, plain)
    # Noise is smooth over the picture: every second pixel tells it.
    step = np.s_[::NOISE_STEP, ::NOISE_STEP]
    coarse = masked_noise(samples[:, *step], seen[:, *step], gains, image[step])
    few = (~seen[:, *step]).sum(axis=0) < NOISE_SAMPLES
    if few.any() and not few.all():  # so few samples agree by chance: there the background is as noisy as elsewhere
        coarse[few] = np.maximum(coarse[few], np.median(coarse[~few]))
    noise = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    apart = _largest(image) + _largest(-image)
    return Background(image, noise, np.logical_not(never), bool(np.percentile(apart, 95) > GREY_LEVELS))


def _surroundings(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The image (h w 3) float32 with the hole (h w) bool filled smoothly from around it, at a reduced size."""
    h, w = hole.shape
    scale = min(1.0, SURROUNDINGS_PX / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    known = np.logical_not(hole).astype(np.float32)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(image * known[..., None], size, interpolation=cv2.INTER_AREA)
    small = (colour / np.maximum(weight, 1e-3)[..., None]).round().clip(0, 255).astype(np.uint8)
    gap = (weight < 0.3).astype(np.uint8)
    filled = small if gap.all() else cv2.inpaint(small, gap, 3, cv2.INPAINT_TELEA)
    return cv2.resize(filled, (w, h), interpolation=cv2.INTER_LINEAR).astype(np.float32)


def _unlike(values: np.ndarray, gains: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Which of values (n k 3) uint8, after their gains (n 3), are not among the quarter most like expected (k 3): (n k) bool."""
    apart = np.stack([_largest(np.abs(v / g.astype(np.float32) - expected)) for v, g in zip(values, gains, strict=True)])
    rank = max(0, round(LIKE_SHARE * len(values)) - 1)
    return apart > np.partition(apart, rank, axis=0)[rank]


def shrunk(background: Background, size_hw: tuple[int, int]) -> Background:
    """The background at a smaller size; known only where all of it is."""
    size = size_hw[::-1]
    image, noise, known = (
        cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (background.image, background.noise, background.known.astype(np.float32))
    )
    return Background(image, noise, known > 0.99, background.has_colour)


def hide_boxes(boxes: np.ndarray, grow: float, size_hw: tuple[int, int]) -> np.ndarray:
    """Masks (n h w) bool of boxes (n 4) xyxy, each grown by `grow` times its larger side; nothing for NaN."""
    hidden = np.zeros((len(boxes), *size_hw), bool)
    for mask, box in zip(hidden, boxes, strict=True):
        if not np.isfinite(box).all():
            continue
        x0, y0, x1, y1 = grown_box(box, grow, size_hw)
        mask[y0:y1, x0:x1] = True
    return hidden


def grown_box(box: np.ndarray, grow: float, size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box xyxy widened on all sides by `grow` times its larger side, in whole pixels inside the image."""
    pad = grow * max(box[2] - box[0], box[3] - box[1])
    x0, y0 = np.floor(box[:2] - pad).clip(0).astype(int)
    x1, y1 = np.ceil(box[2:] + pad).clip(0).astype(int)
    return int(min(x0, size_hw[1])), int(min(y0, size_hw[0])), int(min(x1, size_hw[1])), int(min(y1, size_hw[0]))


def difference(frame: np.ndarray, background: Background, box: tuple[int, int, int, int]) -> np.ndarray:
    """How far frame (h w 3) uint8 is from the background inside box x0 y0 x1 y1: levels float32, shadows count as none.

    The frame's brightness is first matched to the background's by the pixels outside the box.
    """
    part = np.s_[box[1] : box[3], box[0] : box[2]]
    level = frame[part].astype(np.float32) * (1 / _gain(frame, background.image, box)).astype(np.float32)
    still = background.image[part]
    apart = _largest(cv2.absdiff(level, still))
    if background.has_colour:
        apart[_is_shadow(level, still)] = 0
    return apart


def threshold(background: Background, sensitivity: float, floor: float) -> np.ndarray:
    """Levels (h w) float32 above which a difference is more than noise: `sensitivity` deviations, at least `floor`."""
    spread = cv2.blur(background.noise, (5, 5))
    return np.maximum(spread * np.float32(sensitivity), np.float32(floor))


def _gain(frame: np.ndarray, image: np.ndarray, outside: tuple[int, int, int, int]) -> np.ndarray:
    use = np.ones(frame.shape[:2], bool)
    x0, y0, x1, y1 = outside
    use[y0:y1, x0:x1] = False
    return brightness(frame, image, use, LEAST_PIXELS)


def _largest(values: np.ndarray) -> np.ndarray:
    """The largest of three channels (h w); by numpy's own reduction it would take ten times longer."""
    return np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2])


def _is_shadow(level: np.ndarray, still: np.ndarray) -> np.ndarray:
    """Pixels (h w) bool darker than the background but of its chromaticity; light areas only, since black has none."""
    total, bright = (x[..., 0] + x[..., 1] + x[..., 2] + np.float32(1e-3) for x in (level, still))
    shadow = (total > SHADOW_DARKEST * bright) & (total < bright) & (bright > SHADOW_BRIGHT)
    # Only two chromaticities are free: the third follows from the first two.
    for channel in (0, 1):
        shadow &= np.abs(level[..., channel] / total - still[..., channel] / bright) < SHADOW_CHROMA
    return shadow
