"""Where this project leaves the paper, or settles what the paper leaves open, in words for the report."""

DEPARTURES = (
    "Poses come from BlazePose by default, or are imported; the paper uses OpenPose and DCPose, which params.yaml can choose.",
    "Mattes come from BlazePose's segmentation by default, or from the difference to the still background, refined to full resolution; "
    "the paper uses Mask R-CNN, which params.yaml can choose.",
    "The plate is the median of what other frames show of the background, the rest is filled by patches of the plate itself by default; "
    "the paper inpaints with gated convolutions (background.fill: deepfill).",
    "Eq. 9 needs a matte for poses that were never filmed, so the generator predicts one beside the colours.",
    "Perceptual features come from a shift-tolerant VGG16 unless params.yaml asks for vgg19, the paper's.",
    "Distances in Gromov-Wasserstein are L1 over pooled features in units of their mean, so that the entropic weight "
    "means the same for any features; half of the first plan lies on each frame and its own real one; "
    "the plan is held fixed for the gradient.",
    "A pixel loss on the foreground and a matte loss are added, each a weight in params.yaml; the paper rejects pixel losses.",
    "Real pixels of the whole body are carried from training frames to each pose (reference.enabled); the paper carries those of the face.",
    "Training windows have several frame strides and random similarities; rendering may overlap windows and average them.",
    "Real faces are aligned to the generated one and blended with a feathered mask; the paper blends pixel by pixel (Eq. 7).",
    "By default whole heads are chosen and laid on by a mesh of the face, one at a time and with their outline (face.align).",
    "The driver's motion is fitted to the target's limb lengths and place on the ground; the paper says nothing about it.",
    "The last part of the clip in time is held out, counted over frames with the subject; nothing is learnt from it.",
)
