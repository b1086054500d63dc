"""MobileNetV2 trained on ImageNet: a real backbone of 3.5 million weights that fits a file of 3 MB."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmlkit.data.errors import DataError

# Of the known file, mobilenet_v2_1.0_224_imagenet_u8.npz.
CHECKSUM = "sha256:2ad3279a46f9ef49a4af0d7fbe18965f5ab89b3109be57e9bc29c005881b7cf6"

EMBEDDING_DIM = 1280
# ImageNet's 1000 behind class 0, the background.
CLASSES = 1001
# Table 2 of the paper: (expansion t, output channels c, repetitions n, stride s of the first of them).
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# Five halvings: from here on features.18 sees at least one whole cell.
_SMALLEST = 32


class MobileNetV2(nn.Module):
    r"""MobileNetV2 of width 1 (Sandler et al., 2018, table 2), as Google released it quantised, in floating point.

    Images (N, 3, H, W) in [0, 1] to embeddings (N, 1280): the mean over height and width of the last convolution. The
    embedding is not normalised: losses of the sphere do that themselves, Euclidean ones must not.

    Modules have the names of torchvision's network, `features.0.0` … `features.18.0` and `classifier.1`, but it is not
    the same network: batch normalisation is folded into the convolutions, which have biases instead; convolutions of
    stride 2 pad as TensorFlow's SAME does; and images are scaled inside, by `preprocess`, to [−1, 1), so a transform
    need only resize, crop and divide by 255. It was trained at 224×224; any size from 32×32 on runs.

    Made to be loaded with `load_mobilenet_v2` and fine-tuned: all weights train, and an embedding does not depend on
    the rest of its batch nor on `train()` or `eval()`, there being no batch normalisation and no running mean. For the
    same reason training it from scratch (He initialisation) is hard.

    Runs in float64 and in `torch.channels_last` too.

    Args:
        num_outputs: of the linear classifier behind dropout that `classify` uses; None leaves it out.

    Raises:
        TypeError, ValueError: `num_outputs` is not a positive integer.

    Example:
        >>> network = MobileNetV2()
        >>> network(torch.rand(2, 3, 96, 64)).shape
        torch.Size([2, 1280])

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018; quantised as in Jacob
    et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
    """

    def __init__(self, num_outputs: int | None = None) -> None:
        super().__init__()
        if num_outputs is not None:
            if not isinstance(num_outputs, int):
                raise TypeError(f"num_outputs must be an integer or None, found {type(num_outputs).__name__}")
            if num_outputs < 1:
                raise ValueError(f"num_outputs must be at least 1, found {num_outputs}")
        channels = 32
        layers: list[nn.Module] = [_convolution(3, channels, kernel_size=3, stride=2)]
        for expansion, channels_out, repetitions, stride in _STAGES:
            for repetition in range(repetitions):
                layers.append(_Bottleneck(channels, channels_out, expansion, stride if repetition == 0 else 1))
                channels = channels_out
        layers.append(_convolution(channels, EMBEDDING_DIM))
        self.features = nn.Sequential(*layers)
        head = None if num_outputs is None else nn.Sequential(nn.Dropout(0.2), nn.Linear(EMBEDDING_DIM, num_outputs))
        self.register_module("classifier", head)
        self._initialise()

    def _initialise(self) -> None:
        """He et al. (2015), each convolution by whether a ReLU follows, so that 53 layers keep the signal's size."""
        for name, module in self.features.named_modules():
            if isinstance(module, nn.Conv2d):
                followed = name.endswith(".0")
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu" if followed else "linear")
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(preprocess(images)).mean(dim=(2, 3))

    def classify(self, images: Tensor) -> Tensor:
        """Logits (N, num_outputs) of images (N, 3, H, W) in [0, 1]; of the loaded network, output 0 is "background".

        Raises:
            RuntimeError: the network was made without a classifier.
        """
        if self.classifier is None:
            raise RuntimeError(
                "classify needs a classifier, found none: make the network with num_outputs, "
                "or load it with classifier=True"
            )
        return self.classifier(self(images))


def preprocess(images: Tensor) -> Tensor:
    r"""Scale images in [0, 1] to what the network was trained with, [−1, 1): $(255 x - 128) / 128$.

    128 and not 127.5, as the quantised release has it: 0, with which convolutions pad, is then a grey that occurs.

    Args:
        images: (N, 3, H, W), floating point in [0, 1], red first; H and W at least 32. The range is not checked.

    Returns:
        (N, 3, H, W).

    Raises:
        TypeError, ValueError: a wrong dtype or shape.

    Example:
        >>> preprocess(torch.full((1, 3, 32, 32), 128 / 255)).abs().max().item() < 1e-6
        True
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a torch.Tensor, found {type(images).__name__}")
    if not images.is_floating_point():
        raise TypeError(f"images must have a floating-point dtype, in [0, 1], found {images.dtype}")
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must have shape (N, 3, H, W), found {tuple(images.shape)}")
    if min(images.shape[2:]) < _SMALLEST:
        raise ValueError(f"images must be at least {_SMALLEST} pixels high and wide, found {tuple(images.shape[2:])}")
    return images * (255 / 128) - 1


class _HalvingConv2d(nn.Conv2d):
    """A 3×3 convolution of stride 2, padded as TensorFlow's SAME: to ⌈H / 2⌉, the odd row or column at the end.

    An even height needs one row, which goes below; an odd one needs two, one above and one below.
    """

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        return super().forward(F.pad(x, (width % 2, 1, height % 2, 1)))


def _convolution(
    channels_in: int, channels_out: int, *, kernel_size: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution and its ReLU6, which is at most 6 so that low precision suffices."""
    if stride == 2:
        convolution = _HalvingConv2d(channels_in, channels_out, kernel_size, stride, groups=groups)
    else:
        convolution = nn.Conv2d(channels_in, channels_out, kernel_size, padding=kernel_size // 2, groups=groups)
    return nn.Sequential(convolution, nn.ReLU6(inplace=True))


class _Bottleneck(nn.Module):
    """Inverted residual: expand, filter each channel on its own, project linearly; add the input where shapes agree."""

    def __init__(self, channels_in: int, channels_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = channels_in * expansion
        expand = [_convolution(channels_in, hidden)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *expand,
            _convolution(hidden, hidden, kernel_size=3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, channels_out, kernel_size=1),
        )
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


def load_mobilenet_v2(
    path: str | os.PathLike, *, classifier: bool = False, checksum: str | None = CHECKSUM
) -> MobileNetV2:
    r"""MobileNetV2 with Google's quantised ImageNet weights, turned into float32.

    For each layer the file holds integers and their scales,

    $$ w = s_w (q_w - z_w), \qquad b = s_b\, q_b. $$

    (Jacob et al., 2018, eq. 1): `<name>.weight_q` (uint8), `.weight_scale` (float32), `.weight_zero_point` (int32),
    `.bias_q` (int32) and `.bias_scale` (float32), under the names of torchvision's modules. Activations are not
    quantised here, so probabilities are not quite the release's: on its photographs within 0.02.

    Args:
        path: of `mobilenet_v2_1.0_224_imagenet_u8.npz`.
        classifier: with the 1001 outputs of `MobileNetV2.classify`; without it only what embeddings need.
        checksum: "sha256:" and the digest that the file must have; None takes any file with the right tensors.

    Returns:
        The network, in training mode, on the CPU.

    Raises:
        DataError: no such file, another checksum, a damaged archive, a tensor that is missing, unknown, or of another
            dtype or shape, a scale that is not a positive number, or a zero point out of range.
    """
    arrays = _read(Path(path), checksum)
    # Without memory or random numbers: every weight comes from the file.
    with torch.device("meta"):
        network = MobileNetV2(num_outputs=CLASSES)
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))}
    state = {}
    for name, layer in layers.items():
        kernel = (*layer.weight.shape, 1, 1) if isinstance(layer, nn.Linear) else tuple(layer.weight.shape)
        weight, bias = _dequantise(arrays, name, kernel, path)
        state[f"{name}.weight"], state[f"{name}.bias"] = weight.reshape(layer.weight.shape), bias
    if arrays:
        raise DataError(f"{path} holds tensors that MobileNetV2 has not, among them {min(arrays)!r}")
    network.load_state_dict(state, assign=True)
    if not classifier:
        network.classifier = None
    return network


def _read(path: Path, checksum: str | None) -> dict[str, np.ndarray]:
    """All arrays of the archive, after its checksum."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if checksum not in (None, found):
        raise DataError(
            f"{path} must have the checksum {checksum}, found {found}: fetch it again, "
            "or pass checksum=None if other weights are meant"
        )
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}
    # Which of a dozen errors damage raises depends on the byte that it hits.
    except Exception as error:
        raise DataError(
            f"{path} is damaged, or not an .npz archive of numbers ({type(error).__name__}): fetch it again"
        ) from error


def _dequantise(
    arrays: dict[str, np.ndarray], name: str, kernel: tuple[int, ...], path: str | os.PathLike
) -> tuple[Tensor, Tensor]:
    """Take one layer's five arrays out of `arrays`; its weight and bias in float32."""

    def take(part: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        tensor = f"{name}.{part}"
        if tensor not in arrays:
            raise DataError(f"{path} lacks the tensor {tensor!r}")
        array = arrays.pop(tensor)
        if array.dtype != dtype or array.shape != shape:
            raise DataError(
                f"{path}: {tensor!r} must be {np.dtype(dtype)} of shape {shape}, found {array.dtype} of {array.shape}"
            )
        return array

    def take_scale(part: str) -> np.ndarray:
        scale = take(part, np.float32, ())
        if not (np.isfinite(scale) and scale > 0):
            raise DataError(f"{path}: '{name}.{part}' must be a positive number, found {scale}")
        return scale

    weight, zero_point = take("weight_q", np.uint8, kernel), take("weight_zero_point", np.int32, ())
    if not 0 <= zero_point <= 255:
        raise DataError(f"{path}: '{name}.weight_zero_point' must lie in 0 … 255, found {zero_point}")
    bias = take("bias_q", np.int32, kernel[:1])
    # In float64 the products are exact or nearly so: float32 rounds once.
    weight = (weight.astype(np.float64) - zero_point) * take_scale("weight_scale")
    bias = bias.astype(np.float64) * take_scale("bias_scale")
    return torch.from_numpy(weight).float(), torch.from_numpy(bias).float()
