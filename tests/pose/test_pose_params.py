"""What params say to the network backends: legal values, and those that stand there."""

from pathlib import Path

import pytest
from walking import edit_params

from pipeline.errors import InputError
from pipeline.params import read_section
from pipeline.pose.params import PoseParams
from pipeline.pose.refiners import dcpose

ROOT = Path(__file__).parents[2]


def read(folder: Path, **values) -> PoseParams:
    path = folder / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    edit_params(path, {f"pose.{key.replace('__', '.')}": value for key, value in values.items()})
    return read_section(path, "pose", PoseParams)


def test_the_values_that_stand_in_params_are_the_published_code_s() -> None:
    params = read_section(ROOT / "params.yaml", "pose", PoseParams)
    assert (params.openpose.scales, params.openpose.hand_scales) == ([0.5], [0.5, 1.0, 1.5, 2.0])
    assert params.precision == "float32"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"openpose__scales": []}, r"pose\.openpose\.scales"),
        ({"openpose__scales": [0]}, r"pose\.openpose\.scales"),
        ({"openpose__hand_scales": [5.0]}, r"pose\.openpose\.hand_scales"),
        ({"precision": "half"}, r"pose\.precision .*float32.*bfloat16"),
    ],
)
def test_values_out_of_range_are_named(tmp_path: Path, change: dict, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read(tmp_path, **change)


def test_another_precision_of_dcpose_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="precision must be float32 or bfloat16, found 'half'"):
        dcpose.load(tmp_path, precision="half")
