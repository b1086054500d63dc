"""The residual networks of face recognition: small images, no early halving, maps that are flattened and not pooled."""

from __future__ import annotations

from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)
NUM_MAPS = WIDTHS[-1]
# Of the aligned faces that these networks are trained on, in pixels.
SIZE = 112


class FaceBlock(nn.Module):
    """The improved residual block (Deng et al., 2019, section 3.1): BN, conv, BN, PReLU, conv, BN, plus the input.

    Nothing comes after the sum, and it is the second convolution that halves.

    Args:
        channels_in, channels_out: of the maps.
        stride: of the second convolution; where the shape changes, the input goes through a 1×1 convolution and BN.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(channels_in),
            nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.PReLU(channels_out),
            nn.Conv2d(channels_out, channels_out, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


def iresnet(repetitions: tuple[int, int, int, int], channels: int = 3) -> nn.Sequential:
    """A face network's convolutions: (N, channels, H, W) to maps (N, 512, ⌈H/16⌉, ⌈W/16⌉), 7×7 at 112×112.

    A 3×3 convolution of stride 1, four stages of `FaceBlock` that halve at their first block, batch normalisation.
    Convolutions start from a normal distribution of standard deviation 0.1, as in the public ArcFace code; batch
    normalisation behind each makes their scale immaterial to the output.

    Args:
        repetitions: blocks in each stage.
        channels: of the images.

    Source: Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019; the numbers are
    those of its public code.
    """
    channels_in = WIDTHS[0]
    layers: list[nn.Module] = [
        nn.Conv2d(channels, channels_in, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(channels_in),
        nn.PReLU(channels_in),
    ]
    for width, blocks in zip(WIDTHS, repetitions, strict=True):
        stage = []
        for block in range(blocks):
            stage.append(FaceBlock(channels_in, width, stride=2 if block == 0 else 1))
            channels_in = width
        layers.append(nn.Sequential(*stage))
    layers.append(nn.BatchNorm2d(channels_in))
    network = nn.Sequential(*layers)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.1)
    return network


def iresnet18(channels: int = 3) -> nn.Sequential:
    """The smallest of them: 2, 2, 2 and 2 blocks."""
    return iresnet((2, 2, 2, 2), channels)


def iresnet100(channels: int = 3) -> nn.Sequential:
    """The R100 of ArcFace and of the warped softmax's faces: 3, 13, 30 and 3 blocks."""
    return iresnet((3, 13, 30, 3), channels)


def map_side(size: int) -> int:
    """Side of the maps of images of this side: halved four times, rounded up each time.

    Example:
        >>> map_side(112), map_side(33)
        (7, 3)
    """
    return -(-size // 16)


def face_head(linear: nn.Linear) -> nn.Sequential:
    """A linear head and the batch normalisation behind it, with shifts that train and scales that stay one.

    A scale an embedding's coordinate would only undo the normalisation, so the public ArcFace code fixes it.
    """
    norm = nn.BatchNorm1d(linear.out_features)
    norm.weight.requires_grad_(False)
    return nn.Sequential(linear, norm)
