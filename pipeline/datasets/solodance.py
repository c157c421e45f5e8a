"""SoloDance (Wei et al. 2021, C2F-FWN): pairs of a source person, whose motion is taken, and a target person.

The layout as its publishers' code reads it, github.com/wswdx/C2F-FWN: README.md has SoloDance/train and SoloDance/test;
data/data_all_stages.py and data/image_folder.py read <part>/<part>_img/source and <part>/<part>_img/target (where these are
not there, <part>_fg), every folder with images under them being one sequence, and pair the first source with the first
target and so on in the order of their paths.
"""

from pathlib import Path

from pipeline.datasets.listing import Clip, Listing, clip_name, folders_of_images
from pipeline.errors import InputError


def list_solodance(root: Path, part: str) -> Listing:
    """Clips and pairs of SoloDance under `root`, part `test` or `train`.

    InputError when there are no sequences, or sources and targets are not as many.
    """
    listing = Listing()
    sources, targets = (_sequences(root / part, part, role, listing) for role in ("source", "target"))
    if len(sources) != len(targets) or not sources:
        raise InputError(
            f"{root / part} must hold as many sequences of frames under {part}_img/source as under {part}_img/target, "
            f"found {len(sources)} and {len(targets)}. Unpack the whole data set there."
        )
    for driver, target in zip(sources, targets, strict=True):
        listing.add_pair(driver, target)
    listing.notes.append("folders of frames have no time: set frames.images_fps to their rate, or metrics over time are left out")
    return listing


def _sequences(folder: Path, part: str, role: str, listing: Listing) -> list[str]:
    """Names of the sequences of a role, in the order of their paths; their clips are listed."""
    root = next((p for kind in ("img", "fg") if (p := folder / f"{part}_{kind}" / role).is_dir()), folder / f"{part}_img" / role)
    names = []
    for path in folders_of_images(root):
        names.append(clip_name("solodance", f"{role}_{path.relative_to(root).as_posix()}"))
        listing.clips[names[-1]] = Clip(path)
    return names
