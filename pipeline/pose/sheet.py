"""The contact sheet from which a user picks a person."""

from pathlib import Path

import cv2
import numpy as np

from pipeline.artifacts.frames import Frames
from pipeline.artifacts.pictures import write_picture
from pipeline.picture.sheets import contact_sheet, encode, spread
from pipeline.pose.people import person_boxes
from pipeline.pose.tracks import Tracks

PICTURES = 12
CELL_PX = 480
COLOURS = ((230, 60, 60), (60, 200, 60), (70, 120, 255), (240, 200, 40), (200, 80, 220), (60, 210, 210))


def write_track_sheet(path: Path, frames: Frames, tracks: Tracks) -> None:
    """Write a PNG of frames over the clip with each person's box and track number."""
    boxes = person_boxes(tracks.points)
    picked = spread(len(frames), PICTURES)
    pictures = [_draw(frames[t].copy(), boxes[t]) for t in picked]
    write_picture(path, encode(contact_sheet(pictures, [f"frame {t}" for t in picked], columns=6, cell_px=CELL_PX)))


def _draw(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    thick = max(1, round(max(image.shape[:2]) / 300))
    for person, box in enumerate(boxes):
        if np.isfinite(box).all():
            x0, y0, x1, y1 = (int(v) for v in box)
            colour = COLOURS[person % len(COLOURS)]
            cv2.rectangle(image, (x0, y0), (x1, y1), colour, thick)
            corner = (x0 + thick, max(y0 - 2 * thick, 12 * thick))
            cv2.putText(image, str(person), corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * thick, colour, thick)
    return image
