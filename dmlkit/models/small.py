"""Networks small enough to train dozens of in a chapter."""

from __future__ import annotations

from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Three convolutions, average pooling, one linear layer: (N, channels, H, W) to embeddings (N, embedding_dim).

    Small enough that a chapter trains dozens of them on a CPU. The embedding is not normalised: losses of the sphere
    do that themselves, Euclidean ones must not.

    Args:
        embedding_dim: d, the length of an embedding.
        channels: of the input, 1 for grey.
        width: channels of the first convolution; the later ones have twice as many.
    """

    def __init__(self, embedding_dim: int, *, channels: int = 1, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(*small_cnn(channels, width=width), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.embedding = nn.Linear(2 * width * 2 * 2, embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        return self.embedding(self.features(images))


def small_cnn(channels: int = 3, *, width: int = 16) -> nn.Sequential:
    """The three convolutions of `SmallCNN`: (N, channels, H, W) to maps (N, 2·width, ⌊H/2⌋, ⌊W/2⌋)."""
    return nn.Sequential(
        _block(channels, width),
        _block(width, 2 * width),
        nn.MaxPool2d(2),
        _block(2 * width, 2 * width),
    )


def tiny_cnn(channels: int = 3) -> nn.Sequential:
    """Two convolutions of 5 thousand weights, for runs that only show that all parts fit together.

    (N, channels, H, W) to maps (N, 32, ⌈H/4⌉, ⌈W/4⌉).
    """
    return nn.Sequential(_block(channels, 16, stride=2), _block(16, 32, stride=2))


def five_layer_cnn(channels: int = 3) -> nn.Sequential:
    """Four convolutions; with a linear head, the five layers of the warped softmax's toy example on FashionMNIST.

    (N, channels, H, W) to maps (N, 128, ⌊H/4⌋, ⌊W/4⌋).

    The paper says "5-layer CNN" (section IV-G) and no more. Ours are all the rest: four 3×3 convolutions of 32, 64, 64
    and 128 channels, each with batch normalisation and ReLU, maxima over 2×2 pixels after the first and the second, and
    the head as fifth layer.
    """
    return nn.Sequential(
        _block(channels, 32),
        nn.MaxPool2d(2),
        _block(32, 64),
        nn.MaxPool2d(2),
        _block(64, 64),
        _block(64, 128),
    )


def _block(channels_in: int, channels_out: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
