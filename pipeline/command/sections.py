"""Which room reads which section of params.yaml."""

from pipeline.appearance.params import AppearanceParams, LearnParams
from pipeline.appearance.renderers.base import GenerateParams
from pipeline.background.inpaint import BackgroundParams
from pipeline.body.regions import RegionParams
from pipeline.crop.crop import CropParams
from pipeline.evaluation.settings import EvaluationParams
from pipeline.face.index import FaceIndexParams
from pipeline.face.measure import FaceMeshParams
from pipeline.face.params import FaceParams
from pipeline.frames.extract import FramesParams
from pipeline.fuse.fuse import FuseParams
from pipeline.matting.segment import MattingParams
from pipeline.motion.params import MotionParams
from pipeline.params import Section
from pipeline.pose.params import PoseParams
from pipeline.reference.find import FindParams
from pipeline.reference.keep import KeepParams
from pipeline.refine.params import RefineParams
from pipeline.report.params import ReportParams
from pipeline.sign.sign import SignParams
from pipeline.timeline.split import SplitParams

SECTIONS: dict[str, type[Section]] = {
    "split": SplitParams,
    "frames": FramesParams,
    "pose": PoseParams,
    "matting": MattingParams,
    "background": BackgroundParams,
    "crop": CropParams,
    "regions": RegionParams,
    "face_mesh": FaceMeshParams,
    "face_index": FaceIndexParams,
    "face": FaceParams,
    "reference.keep": KeepParams,
    "reference.find": FindParams,
    "reference.learn": LearnParams,
    "appearance": AppearanceParams,
    "generate": GenerateParams,
    "motion": MotionParams,
    "refine": RefineParams,
    "fuse": FuseParams,
    "sign": SignParams,
    "evaluation": EvaluationParams,
    "report": ReportParams,
}
REFERENCE = ("enabled", "keep", "find", "learn")  # parts of `reference`, which has no model of its own
CAST = ("demo", "clips", "targets", "footage", "pairs", "external")
