"""Networks that map images to embeddings."""

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
        self.features = nn.Sequential(
            _block(channels, width),
            _block(width, 2 * width),
            nn.MaxPool2d(2),
            _block(2 * width, 2 * width),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.embedding = nn.Linear(2 * width * 2 * 2, embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        return self.embedding(self.features(images))


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
