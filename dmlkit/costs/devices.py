"""The GPUs that costs are estimated for, and everything that is assumed: change a number here, and each table follows.

Peaks are those of the vendor's data sheets ("NVIDIA T4 Tensor Core GPU", 2019; "NVIDIA A100 Tensor Core GPU", 2020;
"NVIDIA H100 Tensor Core GPU", 2022), for dense matrices. What share of a peak a training loop reaches is a range. With
the ranges below, and the memory bandwidth of the GPU at hand, the throughputs that NVIDIA publishes for its own PyTorch
training of ResNet-50 and EfficientNet-B0 (DeepLearningExamples) lie inside the estimate; tests/test_costs.py holds them
against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Range(NamedTuple):
    """Two numbers between which the true one is expected."""

    low: float
    high: float


@dataclass(frozen=True)
class Device:
    """A GPU and the machine around it.

    Attributes:
        name: in tables.
        float32: operations a second in float32, on the ordinary cores.
        convolutions: the same for convolutions of float32 images. PyTorch lets cuDNN round these to TF32 by default
            where the GPU can, and dmlkit leaves that as it is; matrix products stay in float32.
        half: operations a second of the tensor cores in float16 and bfloat16.
        bandwidth: bytes a second between memory and cores.
        memory: GB, 10⁹ bytes.
        workers: processes that read images, about as many as the machine has cores for them.
    """

    name: str
    float32: float
    convolutions: float
    half: float
    bandwidth: float
    memory: float
    workers: int


DEVICES = (
    Device("T4", 8.1e12, 8.1e12, 65e12, 320e9, 16, workers=2),  # Colab's free machine: two cores, no TF32
    Device("A100", 19.5e12, 156e12, 312e12, 1555e9, 40, workers=12),  # SXM, 40 GB
    Device("H100", 67e12, 494.7e12, 989.4e12, 3350e9, 80, workers=12),  # SXM, 80 GB
)

# Shares of the peaks that a training loop reaches.
ORDINARY_CORES = Range(0.4, 0.9)
TENSOR_CORES = Range(0.2, 0.6)
BANDWIDTH = Range(0.5, 0.85)
# Of the bandwidth: convolutions in groups (EfficientNet's, one channel each) reuse little of what they read.
GROUPED = Range(0.1, 0.3)

# A backward pass does twice the arithmetic of its forward pass: gradients of the images, and of the weights.
BACKWARD = 2.0

# Seconds that the CPU takes to hand one operation to the GPU: a small network waits for that, not for arithmetic. Ours,
# from experience and not from a data sheet; a step hands over its backward pass and optimizer too.
LAUNCH = Range(10e-6, 40e-6)
STEP_LAUNCHES = 3.0  # for each operation of the forward pass
LOSS_OPERATIONS = 40  # that a loss adds to those of the network

# Memory beside weights, gradients, optimizer and what the network saves: GB of CUDA itself; copies of the matrix of
# scores (N × classes) and of the one of pairs (N × N) in a loss; and the allocator's overhead as a factor.
CUDA_MEMORY = 0.5
SCORE_COPIES = 6
OVERHEAD = 1.15

# Cores differ from those that reading was measured on: factors of the time.
READING = Range(0.7, 1.5)
