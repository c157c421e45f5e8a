"""Drawn clips of a camera that moves by known homographies: test support."""

from dataclasses import dataclass

import cv2
import numpy as np
from figure import Figure, Motion

SCENE_HW, SIZE_HW = (420, 640), (240, 320)
WALK = Motion(travel=0.3)


@dataclass(frozen=True)
class Filmed:
    """frames (t h w 3), true mattes (t h w), joints (t j 2) in frame px; maps (t 3 3): scene → frame px."""

    frames: np.ndarray
    mattes: np.ndarray
    points: np.ndarray
    maps: np.ndarray

    def between(self, t: int, reference: int) -> np.ndarray:
        """The true homography from frame t's pixels to the reference's."""
        return self.maps[reference] @ np.linalg.inv(self.maps[t])


def scene(seed: int = 3) -> np.ndarray:
    """A still background (SCENE_HW 3) uint8 with detail everywhere."""
    rng = np.random.default_rng(seed)
    clouds = [rng.uniform(0, 255, (h, 2 * h, 3)).astype(np.float32) for h in (8, 40)]
    coarse, fine = (cv2.resize(cloud, SCENE_HW[::-1], interpolation=cv2.INTER_CUBIC) for cloud in clouds)
    return (0.5 * coarse + 0.5 * fine).clip(0, 255).astype(np.uint8)


def path(t: int, pan: float = 0.0, zoom: float = 0.0, shake: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """Maps (t 3 3) scene → frame of a camera that pans and zooms to and fro (px, share), shakes (px) and turns (rad), in perspective."""
    rng, focal = np.random.default_rng(7), 500.0
    h, w = SIZE_HW
    maps = []
    for i in range(t):
        phase = 2 * np.pi * i / t
        ways = rng.normal(0, shake, 2) + pan * np.array([np.sin(phase), 0.2 * np.sin(2 * phase)])
        size, angle = 1 + zoom * np.sin(phase), turn * np.sin(2 * phase)
        yaw, pitch = ways / focal
        about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        about_z = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        seen = np.array([[focal, 0, SCENE_HW[1] / 2], [0, focal, SCENE_HW[0] / 2], [0, 0, 1]])
        lens = np.array([[focal * size, 0, w / 2], [0, focal * size, h / 2], [0, 0, 1]])
        maps.append(lens @ about_z @ about_x @ about_y @ np.linalg.inv(seen))
    return np.stack(maps)


def film(maps: np.ndarray, background: np.ndarray | None = None, noise: float = 2.0, motion: Motion = WALK) -> Filmed:
    """A figure that walks through the scene, seen by a camera of these maps; background (h w 3), or one a frame (t h w 3)."""
    t, rng = len(maps), np.random.default_rng(1)
    figure = Figure(height_px=130)
    points = figure.points(t, (SCENE_HW[1] / 2 - 10, SCENE_HW[0] / 2 + 80), motion)
    behind = np.broadcast_to(scene() if background is None else background, (t, *SCENE_HW, 3))
    drawn = [figure.render(points[i : i + 1], behind[i]) for i in range(t)]
    frames, mattes, seen = [], [], []
    for matrix, (picture, matte), pose in zip(maps, drawn, points, strict=True):
        image = cv2.warpPerspective(picture[0], matrix, SIZE_HW[::-1], flags=cv2.INTER_CUBIC)
        frames.append((image + rng.normal(0, noise, image.shape)).clip(0, 255).astype(np.uint8))
        mattes.append(cv2.warpPerspective(matte[0], matrix, SIZE_HW[::-1], flags=cv2.INTER_LINEAR))
        seen.append(cv2.perspectiveTransform(pose[None], matrix)[0])
    return Filmed(np.stack(frames), np.stack(mattes), np.stack(seen), maps)
