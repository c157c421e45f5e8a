"""Make tests/pose/data/blazepose_reference.json: what mediapipe 0.10.21 itself sees on 20 demo frames.

Run once, in an environment of its own (mediapipe needs numpy < 2):

    python3 -m venv mpvenv && mpvenv/bin/pip install mediapipe==0.10.21 av==18.1.0 "numpy<2"
    mpvenv/bin/python tests/pose/make_blazepose_reference.py FOLDER tests/pose/data/blazepose_reference.json

FOLDER holds Demo_SinglePerson/videos/cam02.mp4 and Demo_MultiPerson/videos/cam04.mp4 of the wheel pose2sim 0.10.49.
"""

import json
import sys
from pathlib import Path

import av
import mediapipe
import numpy as np

FRAMES = {
    "Demo_SinglePerson/videos/cam02.mp4": range(2, 100, 8),
    "Demo_MultiPerson/videos/cam04.mp4": range(4, 100, 14),
}


def see_frames(path: Path, wanted: range, pose: "mediapipe.solutions.pose.Pose") -> dict[str, list]:
    """Return the (33 2) normalised landmarks of each wanted frame, as lists; an empty list where mediapipe sees nobody."""
    seen: dict[str, list] = {}
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index not in wanted:
                continue
            landmarks = pose.process(frame.to_ndarray(format="rgb24")).pose_landmarks
            seen[str(index)] = [] if landmarks is None else np.round([[p.x, p.y] for p in landmarks.landmark], 6).tolist()
    return seen


def main(folder: Path, out: Path) -> None:
    """Write the reference of all wanted frames."""
    options = {"static_image_mode": True, "smooth_landmarks": False, "model_complexity": 1}
    reference: dict = {"mediapipe": mediapipe.__version__, "options": options, "videos": {}}
    with mediapipe.solutions.pose.Pose(**options) as pose:
        for name, wanted in FRAMES.items():
            reference["videos"][name] = see_frames(folder / name, wanted, pose)
    out.write_text(json.dumps(reference) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
