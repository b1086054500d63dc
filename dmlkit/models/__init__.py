"""Networks that map images to embeddings.

- `build`      `build(network)`: backbone, pool, norm, dropout and head by their names in a recipe; `BACKBONES`
- `heads`      what stands behind a backbone: pools, normalisations, heads
- `small`      `SmallCNN`, of which a chapter trains dozens on a CPU, and smaller ones
- `face`       the residual networks of face recognition
- `mobilenet`  `MobileNetV2`, trained on ImageNet, from a file of Google's quantised weights
"""

from dmlkit.models.build import BACKBONES, EmbeddingNetwork, build
from dmlkit.models.mobilenet import MobileNetV2, load_mobilenet_v2
from dmlkit.models.small import SmallCNN

__all__ = ["BACKBONES", "EmbeddingNetwork", "MobileNetV2", "SmallCNN", "build", "load_mobilenet_v2"]
