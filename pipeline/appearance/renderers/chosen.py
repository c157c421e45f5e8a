"""Which renderer draws: the one place that reads what system a model was trained as."""

from pipeline.appearance.renderers.as_published import AsPublishedRenderer
from pipeline.appearance.renderers.base import Renderer
from pipeline.appearance.renderers.edn import EdnRenderer
from pipeline.appearance.renderers.fakevideo import FakeVideoRenderer

RENDERERS: dict[str, type[Renderer]] = {"fakevideo": FakeVideoRenderer, "edn": EdnRenderer, "as_published": AsPublishedRenderer}
