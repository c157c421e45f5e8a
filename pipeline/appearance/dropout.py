"""Parts of the skeleton left undrawn in training, as a driver's detector leaves them out (the failure of Fig. 10a). Not in the paper."""

import numpy as np
from pydantic import Field

from pipeline.body.skeleton import Skeleton
from pipeline.params import Section


class DropoutParams(Section):
    """In which share of the training windows a part is left undrawn."""

    share: float = Field(ge=0, le=1)


def draw_undrawn(generator: np.random.Generator, count: int, skeleton: Skeleton, params: DropoutParams) -> np.ndarray:
    """Joints (n j) bool to be left undrawn in n windows: all that hangs on one joint, such as a hand, a forearm with it, a foot, the face.

    The joint lies between the root and an end, both walked to by chance: every branch counts alike, however many points it
    has. What is joined to the root always stays, so that a skeleton of single limbs about its root loses nothing.
    """
    children, branches = skeleton.children(), skeleton.branches()
    undrawn = np.zeros((count, len(skeleton.joints)), bool)
    for row in undrawn:
        dropped = generator.random() < params.share
        path = _way_to_an_end(generator, children, skeleton.index(skeleton.root))[1:-1]
        if dropped and path:
            row[branches[path[int(generator.integers(len(path)))]][1:]] = True
    return undrawn


def _way_to_an_end(generator: np.random.Generator, children: list[list[int]], joint: int) -> list[int]:
    """Joints from one to an end of the tree, each a child of the one before, drawn evenly."""
    way = [joint]
    while children[way[-1]]:
        following = children[way[-1]]
        way.append(following[int(generator.integers(len(following)))])
    return way
