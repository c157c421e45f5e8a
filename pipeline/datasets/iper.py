"""iPER (Liu et al. 2019, Liquid Warping GAN): 206 videos of 30 people, named actor/clothes/action.

The layout as its publishers' code reads it:
- github.com/svip-lab/impersonator, doc/train.md and tools/unzip_iPER.py: `iPER_256_video_release/<actor>_<clothes>_<action>.mp4`,
  its frames under `images/<actor>/<clothes>/<action>/`, and beside them train.txt and val.txt;
- github.com/iPERDance/iPERCore, docs/manually_download_datasets.md: frames under `images_HD/<actor>/<clothes>/<action>/`;
- data/imper_dataset.py of impersonator: each line of train.txt and val.txt is the path <actor>/<clothes>/<action>;
- thirdparty/his_evaluators of impersonator, data/iPER_protocol.json and protocols/iPER.py: for each video of the validation
  set whose looks are taken, the frames of itself (self_imitation) and of another video (cross_imitation) that are imitated.
"""

import json
from pathlib import Path
from typing import Any

from pipeline.datasets.listing import Clip, Listing, clip_name
from pipeline.errors import InputError

PROTOCOL = "iPER_protocol.json"
PROTOCOL_FROM = "github.com/svip-lab/impersonator, thirdparty/his_evaluators/data/iPER_protocol.json"
FRAMES = ("images_HD", "images")


def list_iper(root: Path, part: str) -> Listing:
    """Clips and pairs of iPER under `root`, part `val` or `train`; cross pairs come from iPER_protocol.json, put beside val.txt.

    InputError when neither videos nor frames are there, or the protocol is not what its publishers wrote.
    """
    listing = Listing(clips={clip_name("iper", name): Clip(path) for name, path in _videos(root).items()})
    if not listing.clips:
        raise InputError(
            f"{root} must hold iPER_*_video_release/<actor>_<clothes>_<action>.mp4, or images_HD/ or images/ with "
            "<actor>/<clothes>/<action>/, found neither. Unpack the data set there."
        )
    for name in _lines(root / f"{part}.txt", listing):
        listing.add_target(clip_name("iper", name))
    if part == "val":
        _add_protocol(root / PROTOCOL, listing)
    if not list(root.glob("iPER_*_video_release")):
        listing.notes.append("folders of frames have no time: set frames.images_fps to their rate, or metrics over time are left out")
    return listing


def _videos(root: Path) -> dict[str, Path]:
    """Name actor/clothes/action → video file, or else folder of frames."""
    videos = {p.stem.replace("_", "/"): p for p in sorted(root.glob("iPER_*_video_release/*_*_*.mp4"))}
    if videos:
        return videos
    folder = next((root / name for name in FRAMES if (root / name).is_dir()), root / FRAMES[0])
    return {p.relative_to(folder).as_posix(): p for p in sorted(folder.glob("*/*/*")) if p.is_dir()}


def _lines(path: Path, listing: Listing) -> list[str]:
    if not path.is_file():
        listing.missing.append(f"{path}, which names the videos of this part")
        return []
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _add_protocol(path: Path, listing: Listing) -> None:
    if not path.is_file():
        listing.missing.append(f"{path}, which pairs the videos for cross imitation: take it from {PROTOCOL_FROM}")
        return
    try:
        videos: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["val"]
        for name, video in videos.items():
            target = clip_name("iper", name)
            own, other = video["self_imitation"], video["cross_imitation"]
            listing.pairs[target, target] = f"the protocol scores frames {own['range'][0]} to {own['range'][1]}"
            driver = clip_name("iper", other["target"])
            listing.add_pair(driver, target, f"the protocol imitates frames {other['range'][0]} to {other['range'][1]} of the driver")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{path} must be the protocol of {PROTOCOL_FROM}, reading it failed ({error!r}). Take it from there.") from error
    listing.notes.append(
        "iPER's protocol takes looks from a few images; here a target is learnt from the first part of its video, and scored on the rest"
    )
