"""One window of a target's generator as one function of tensors: what a graph that is exported holds, and nothing it leaves out.

Inside are pose maps, the warp of references, the network, the mixture of both, the core of the body and the contrast of mattes; all by
the code that generates. Outside is what goes on between windows or above the working size.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from pipeline.appearance.poses import draw_poses
from pipeline.appearance.references import signed_by_field
from pipeline.appearance.renderers.base import GenerateParams, Seen
from pipeline.appearance.renderers.fakevideo import FakeVideoRenderer
from pipeline.body.skeleton import Skeleton
from pipeline.body.warping import picture_field
from pipeline.networks.carrying import carry
from pipeline.networks.generator import Generator, own_picture


class Window(nn.Module):
    """Poses of k frames, and where real pixels are carried r references of each, to the frames."""

    def __init__(self, model: FakeVideoRenderer, params: GenerateParams, seen: Seen | None) -> None:
        """params: how frames are mixed; seen: the target's references, where the model carries."""
        super().__init__()
        self.network, self.model, self.params = model.network, model, params
        self.core = None if seen is None else seen.core
        self.joints, self.skeleton = _warped_by(model.skeleton, seen)

    def forward(
        self, points: Tensor, scores: Tensor, pictures: Tensor | None = None, picture_points: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Straight colours (b k 3 h w) and mattes (b k 1 h w) in [0, 1], float32, of b windows.

        points (b k j 2) crop px, NaN where a joint is missing; scores (b k j) in [0, 1]; pictures (b k r 5 h' w') uint8, M ⊙ F, M and
        what is transient of each frame's references at the working scale, nearest first; picture_points (b k r j 2), px of these, NaN
        throughout where there is none.
        """
        model, crop_hw = self.model, self.model.crop_hw
        poses = draw_poses(points, scores, model.skeleton, crop_hw, model.pose_map)
        if pictures is None or picture_points is None or model.carrying is None or self.core is None:
            colours, logits = own_picture(_all_at_once(self.network, poses.flatten(0, 1)))
            mattes = (torch.sigmoid(logits) - 0.5) * self.params.matte_contrast + 0.5
        else:
            frames, count = points.flatten(0, 1), pictures.shape[2]
            own, there = picture_points.flatten(0, 2), torch.isfinite(picture_points).all(-1).any(-1).flatten()
            asked = frames[:, None, self.joints].expand(-1, count, -1, -1).flatten(0, 1)
            field, sound = picture_field(asked, own[:, self.joints], self.skeleton, crop_hw)
            warped = signed_by_field(pictures.flatten(0, 2).float(), field, sound * there[:, None, None, None])
            warped = warped.unflatten(0, (-1, count)).flatten(1, 2)
            outputs = _all_at_once(self.network, torch.cat([poses.flatten(0, 1), warped], 1))
            sure = self.core.sure(frames, crop_hw)
            made = carry(outputs, warped, model.carrying, self.params.matte_contrast, sure, self.params.favour_nearest)
            colours, mattes = made.colours, made.mattes
        colours = colours.mean(1, keepdim=True).expand(-1, 3, -1, -1) if model.grey else colours
        colours, mattes = ((colours + 1) / 2).clamp(0, 1), mattes.clamp(0, 1)
        return colours.unflatten(0, (-1, model.k)), mattes.unflatten(0, (-1, model.k))


def _all_at_once(network: Generator, frames: Tensor) -> Tensor:
    """A generator's outputs (n . h w) for the frames (n c h w) of any number of windows, as its forward() has them, in one piece."""
    *encoded, deepest = network.encode(frames)
    return network.ascend([*encoded, network.bottom(deepest)])


def _warped_by(skeleton: Skeleton, seen: Seen | None) -> tuple[list[int], Skeleton]:
    """Positions of the joints by which references are warped, and their skeleton: without fingers where no reference shows any.

    A part that no reference shows moves nothing, and fingers are many.
    """
    fingers, every = skeleton.fingers(), range(len(skeleton.joints))
    if seen is None or bool(torch.isfinite(seen.pictures.points[:, sorted(fingers)]).any()):
        return list(every), skeleton
    kept = [joint for joint in every if joint not in fingers]
    names = [skeleton.joints[joint] for joint in kept]
    return kept, Skeleton(
        name=skeleton.name,
        joints=tuple(names),
        root=skeleton.root,
        limbs=tuple(limb for limb in skeleton.limbs if limb.child in names),
        mirror=tuple(pair for pair in skeleton.mirror if set(pair) <= set(names)),
        roles={role: tuple(joint for joint in joints if joint in names) for role, joints in skeleton.roles.items()},
        regions=tuple(replace(region, joints=tuple(joint for joint in region.joints if joint in names)) for region in skeleton.regions),
        face_vectors=skeleton.face_vectors,
    )
