"""From the names in a `Network` to a network: `build`, and `BACKBONES`, the table of what there is."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn

from dmlkit.checks import check_choice, check_number
from dmlkit.data.errors import DataError
from dmlkit.data.places import packs_folder
from dmlkit.data.transforms import HALVES, IMAGENET, UNIT, Statistics
from dmlkit.environment import building_book
from dmlkit.models.face import NUM_MAPS, SIZE, face_head, iresnet18, iresnet100, map_side
from dmlkit.models.heads import Pool, check_name, feature_norm, make_head
from dmlkit.models.mobilenet import EMBEDDING_DIM, MobileNetV2, load_mobilenet_v2, preprocess
from dmlkit.models.small import five_layer_cnn, small_cnn, tiny_cnn
from dmlkit.recipes.config import Network

MOBILENET_FILE = "mobilenet_v2_1.0_224_imagenet_u8.npz"


@dataclass(frozen=True)
class Backbone:
    """How a backbone is made, and what it makes.

    Attributes:
        make: returns a module of random weights that maps images to feature maps; takes `channels` where
            `any_channels`.
        num_maps: F, channels of its feature maps.
        statistics: what colour images are normalised with.
        pretrained: returns the same module with ImageNet weights, given the folder where their file lies or None;
            None where there are no such weights.
        any_channels: it takes grey images of one channel too.
        flattened: a face network, whose maps are flattened and not pooled.
    """

    make: Callable[..., nn.Module]
    num_maps: int
    statistics: Statistics = IMAGENET
    pretrained: Callable[[Path | None], nn.Module] | None = None
    any_channels: bool = True
    flattened: bool = False


class EmbeddingNetwork(nn.Module):
    """Images (N, C, H, W) to embeddings (N, d): backbone, pool, norm, dropout, head, one after the other.

    `features(images)` goes as far as the norm, `embeddings_from(features)` goes on with dropout and the head, and
    calling the network does both; losses tap either. Embeddings are not of unit length: losses of the sphere normalise
    them themselves, Euclidean ones must not. Make it with `build`.

    Attributes:
        backbone: images to feature maps (N, F, h, w).
        pool, norm, dropout, head: the modules behind it, `nn.Identity` where there is nothing to do.
        num_features: length of the features.
        embedding_dim: d.
        statistics: for `dmlkit.data.transforms.normalise`, which makes images of pixels.
        frozen_batch_norm: the backbone's batch normalisation stays in evaluation mode whatever `train` says: it uses
            its running statistics and does not change them, while its scales and shifts train.

    Raises (when called):
        TypeError, ValueError: images that are not floating point, or of another shape.
    """

    def __init__(
        self,
        backbone: nn.Module,
        pool: nn.Module,
        norm: nn.Module,
        dropout: nn.Module,
        head: nn.Module,
        *,
        channels: int,
        num_features: int,
        embedding_dim: int,
        statistics: Statistics,
        frozen_batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.backbone, self.pool, self.norm, self.dropout, self.head = backbone, pool, norm, dropout, head
        self.channels = channels
        self.num_features = num_features
        self.embedding_dim = embedding_dim
        self.statistics = statistics
        self.frozen_batch_norm = frozen_batch_norm
        self.train()

    def features(self, images: Tensor) -> Tensor:
        """Pooled and normalised features (N, F), before dropout and head, of images (N, C, H, W)."""
        _check_images(images, self.channels)
        pooled = self.pool(self.backbone(images))
        if pooled.shape[1] != self.num_features:
            raise ValueError(
                f"images must have the size that the network was built for, found {tuple(images.shape[2:])} pixels, "
                f"which give {pooled.shape[1]} features and not {self.num_features}: build it with their size"
            )
        return self.norm(pooled)

    def embeddings_from(self, features: Tensor) -> Tensor:
        """Embeddings (N, d) of what `features` returned."""
        return self.head(self.dropout(features))

    def forward(self, images: Tensor) -> Tensor:
        return self.embeddings_from(self.features(images))

    def backbone_parameters(self) -> Iterator[nn.Parameter]:
        """The backbone's parameters; all others are the head's, since pool, norm and dropout have none."""
        return self.backbone.parameters()

    def train(self, mode: bool = True) -> EmbeddingNetwork:
        super().train(mode)
        if self.frozen_batch_norm:
            for module in self.backbone.modules():
                if isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)):
                    module.eval()
        return self


def build(
    network: Network, *, channels: int = 3, size: int | None = None, weights_folder: Path | None = None
) -> EmbeddingNetwork:
    """The network that a recipe describes, in training mode, on the CPU, in float32.

    The names of `BACKBONES`:

    - "resnet18", "resnet50", "efficientnet_b0": torchvision's, without pooling and classifier. Pretrained they have
      the weights IMAGENET1K_V1, those of the papers' years; torchvision's newer ones of ResNet-50 know more.
    - "mobilenet_v2_pack": `MobileNetV2`, pretrained with the file of `load_mobilenet_v2`. Its batch normalisation is
      folded into the convolutions: there is none to freeze.
    - "small_cnn", "tiny_cnn", "five_layer_cnn": see `dmlkit.models.small`.
    - "iresnet18", "iresnet100": the face networks, see `dmlkit.models.face`. Their maps are flattened, not pooled, so
      `pool` keeps its default and images have one `size`; the linear head has batch normalisation behind it.

    Random weights come from torch's global state: the same after the same `torch.manual_seed`.

    Args:
        network: names and numbers, see there.
        channels: of the images: 3, or 1 (grey) for networks that are not torchvision's or Google's.
        size: side of the images in pixels; only face networks need it. None is 112.
        weights_folder: where the file of pretrained weights lies or, for torchvision's, is fetched to. None is
            torch.hub's cache, or the folder `weights` in `DMLKIT_PACKS`.

    Raises:
        TypeError, ValueError: an unknown name (the nearest is told), a number out of range, or parts that do not fit.
        DataError: the file of pretrained weights is missing and cannot be fetched, or is damaged.

    Example:
        >>> network = build(Network("tiny_cnn", pool="max", embedding_dim=64))
        >>> network(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 64])
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a dmlkit.recipes.config.Network, found {type(network).__name__}")
    check_name("backbone", network.backbone, BACKBONES)
    found = BACKBONES[network.backbone]
    check_choice("channels", channels, (1, 3))
    if channels != 3 and not found.any_channels:
        raise ValueError(
            f"channels must be 3 for {network.backbone!r}, found {channels}: "
            "transforms with channels=3 make grey images such"
        )
    if network.pretrained and (found.pretrained is None or channels != 3):
        named = ", ".join(name for name, entry in BACKBONES.items() if entry.pretrained)
        raise ValueError(
            f"pretrained must be False for {network.backbone!r}, which has no ImageNet weights; these have: {named}"
        )
    check_number("dropout", network.dropout, least=0, below=1)
    pool, num_features = Pool(network.pool), found.num_maps
    if found.flattened:
        _check_face_network(network)
        pool, num_features = nn.Flatten(), NUM_MAPS * map_side(_checked_size(size)) ** 2
    norm = feature_norm(network.norm, num_features)
    # What is wrong with the head is said before weights are fetched.
    with torch.device("meta"):
        make_head(network.head, num_features, network.embedding_dim, init=network.head_init)

    if network.pretrained:
        backbone = found.pretrained(weights_folder)
    else:
        backbone = found.make(channels=channels) if found.any_channels else found.make()
    head = make_head(network.head, num_features, network.embedding_dim, init=network.head_init)
    return EmbeddingNetwork(
        backbone,
        pool,
        norm,
        nn.Dropout(network.dropout) if network.dropout else nn.Identity(),
        face_head(head) if found.flattened else head,
        channels=channels,
        num_features=num_features,
        embedding_dim=num_features if network.head == "none" else network.embedding_dim,
        statistics=found.statistics if channels == 3 else HALVES,
        frozen_batch_norm=network.frozen_batch_norm,
    )


def _check_images(images: Tensor, channels: int) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a torch.Tensor, found {type(images).__name__}")
    if not images.is_floating_point():
        raise TypeError(f"images must have a floating-point dtype, found {images.dtype}: normalise them first")
    if images.ndim != 4 or images.shape[1] != channels:
        raise ValueError(f"images must have shape (N, {channels}, H, W), found {tuple(images.shape)}")


def _check_face_network(network: Network) -> None:
    """Require what a face network has: settings that it cannot follow are refused, not passed over."""
    if network.pool != "average":
        raise ValueError(
            f"pool must keep its default 'average' for {network.backbone!r}, whose maps are flattened instead, "
            f"found {network.pool!r}"
        )
    if network.head != "linear":
        raise ValueError(f"head must be 'linear' for {network.backbone!r}, found {network.head!r}")


def _checked_size(size: int | None) -> int:
    if size is None:
        return SIZE
    if not isinstance(size, int):
        raise TypeError(f"size must be an integer or None, found {type(size).__name__}")
    if size < 1:
        raise ValueError(f"size must be at least 1, found {size}")
    return size


def _without_classifier(constructor: Callable[..., nn.Module]) -> nn.Sequential:
    """A torchvision network as far as its feature maps; parameters keep torchvision's names."""
    network = constructor(weights=None)
    kept = ((name, module) for name, module in network.named_children() if name not in ("avgpool", "fc", "classifier"))
    return nn.Sequential(OrderedDict(kept))


def _with_imagenet_weights(constructor: Callable[..., nn.Module], url: str, folder: Path | None) -> nn.Sequential:
    """The same with torchvision's weights."""
    backbone = _without_classifier(constructor)
    state = torch.load(_fetched(url, folder), map_location="cpu", weights_only=True)
    backbone.load_state_dict({name: value for name, value in state.items() if not name.startswith(("fc.", "classif"))})
    return backbone


def _fetched(url: str, folder: Path | None) -> Path:
    """The file of an address, fetched into the folder (None: torch.hub's cache) if it does not lie there; checked.

    Its name ends in the first digits of its SHA-256. torch.hub checks what it fetches only; what somebody put there is
    checked here.
    """
    folder = Path(torch.hub.get_dir(), "checkpoints") if folder is None else Path(folder)
    path = folder / url.rpartition("/")[2]
    digits = path.stem.rpartition("-")[2]
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=digits, progress=not building_book())
        except (OSError, RuntimeError, HTTPException) as fault:
            raise DataError(f"{path.name} could not be fetched ({fault}): put {url} into {folder}") from fault
        return path
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(digits):
        raise DataError(
            f"{path} is damaged: its SHA-256 must begin with {digits}, found {found[: len(digits)]}; "
            f"delete it, or put {url} in its place"
        )
    return path


class _Scale(nn.Module):
    """The first step of `MobileNetV2`: images in [0, 1] to what it was trained with."""

    def forward(self, images: Tensor) -> Tensor:
        return preprocess(images)


def _mobilenet_maps(network: MobileNetV2) -> nn.Sequential:
    return nn.Sequential(OrderedDict(scale=_Scale(), features=network.features))


def _mobilenet() -> nn.Sequential:
    return _mobilenet_maps(MobileNetV2())


def _mobilenet_with_weights(folder: Path | None) -> nn.Sequential:
    packs = packs_folder()
    if folder is None and packs is None:
        raise DataError(
            f"mobilenet_v2_pack needs {MOBILENET_FILE}: name the folder of the packs in DMLKIT_PACKS, "
            "or the file's own folder in weights_folder"
        )
    path = (packs / "weights" if folder is None else Path(folder)) / MOBILENET_FILE
    if not path.exists():
        raise DataError(f"mobilenet_v2_pack needs {MOBILENET_FILE}: put it into {path.parent}")
    return _mobilenet_maps(load_mobilenet_v2(path))


def _torchvision_maps(name: str) -> nn.Sequential:
    from torchvision import models  # slow to import

    return _without_classifier(getattr(models, name))


def _pretrained_torchvision_maps(name: str, folder: Path | None) -> nn.Sequential:
    from torchvision import models  # slow to import

    return _with_imagenet_weights(getattr(models, name), models.get_model_weights(name)["IMAGENET1K_V1"].url, folder)


def _of_torchvision(name: str, num_maps: int) -> Backbone:
    """A backbone with the constructor and weights of torchvision."""
    maps, pretrained = partial(_torchvision_maps, name), partial(_pretrained_torchvision_maps, name)
    return Backbone(maps, num_maps, pretrained=pretrained, any_channels=False)


BACKBONES: dict[str, Backbone] = {
    "resnet18": _of_torchvision("resnet18", 512),
    "resnet50": _of_torchvision("resnet50", 2048),
    "efficientnet_b0": _of_torchvision("efficientnet_b0", 1280),
    "mobilenet_v2_pack": Backbone(_mobilenet, EMBEDDING_DIM, UNIT, _mobilenet_with_weights, any_channels=False),
    "small_cnn": Backbone(small_cnn, 32),
    "tiny_cnn": Backbone(tiny_cnn, 32),
    "five_layer_cnn": Backbone(five_layer_cnn, 128),
    "iresnet18": Backbone(iresnet18, NUM_MAPS, HALVES, flattened=True),
    "iresnet100": Backbone(iresnet100, NUM_MAPS, HALVES, flattened=True),
}
