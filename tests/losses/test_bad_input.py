"""What every loss says to input it cannot use: one error that names the argument."""

import math
import re

import numpy as np
import pytest
import torch
from cases import ALL, LABELS, PROXIES, SPHERE, WARP, WITH_CLASSES, embeddings

from dmlkit import losses

WITH_PROXIES = {name: loss for name, loss in WITH_CLASSES.items() if name != "cross_entropy"}

each_loss = pytest.mark.parametrize("name", ALL)


def first_argument(name):
    return "logits" if name == "cross_entropy" else "embeddings"


# the first argument


@each_loss
@pytest.mark.parametrize("wrong", [[[0.0, 1.0, 2.0]] * 6, np.zeros((6, 3)), None], ids=["list", "array", "None"])
def test_embeddings_that_are_no_tensor(name, wrong):
    with pytest.raises(TypeError, match=f"^{first_argument(name)} .*torch.Tensor"):
        ALL[name](wrong, LABELS)


@each_loss
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_embeddings_that_are_not_floating_point(name, dtype):
    with pytest.raises(TypeError, match=f"^{first_argument(name)} .*floating-point"):
        ALL[name](embeddings().to(dtype), LABELS)


@each_loss
@pytest.mark.parametrize("shape", [(), (6,), (6, 3, 1)])
def test_embeddings_of_another_ndim(name, shape):
    with pytest.raises(ValueError, match=f"^{first_argument(name)} .*two dimensions"):
        ALL[name](torch.zeros(shape), LABELS)


@each_loss
def test_empty_batch(name):
    with pytest.raises(ValueError, match=f"^{first_argument(name)} .*empty"):
        ALL[name](torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))


@each_loss
def test_arguments_by_name(name):
    expected = ALL[name](embeddings(), LABELS)
    function = getattr(losses, name)
    options = {"weight": PROXIES} if name == "linear_cross_entropy" else {}
    options |= {"proxies": PROXIES} if name in ("euclidean_softmax", "warped_softmax") else {}
    options |= WARP if name == "warped_softmax" else {}
    value = function(**{first_argument(name): embeddings()}, labels=LABELS, **options)
    torch.testing.assert_close(value, expected)


# labels


@each_loss
@pytest.mark.parametrize("wrong", [LABELS.tolist(), LABELS.numpy()], ids=["list", "array"])
def test_labels_that_are_no_tensor(name, wrong):
    with pytest.raises(TypeError, match=r"^labels .*torch.Tensor"):
        ALL[name](embeddings(), wrong)


@each_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.complex64])
def test_labels_that_are_no_integers(name, dtype):
    with pytest.raises(TypeError, match=r"^labels .*integer"):
        ALL[name](embeddings(), LABELS.to(dtype))


@each_loss
@pytest.mark.parametrize("wrong", [LABELS[:5], LABELS.unsqueeze(1), LABELS[0]], ids=["short", "column", "scalar"])
def test_labels_of_another_shape(name, wrong):
    with pytest.raises(ValueError, match=r"^labels must have shape \(6,\)"):
        ALL[name](embeddings(), wrong)


@pytest.mark.parametrize("wrong", [-1, 3, 10**12])
@pytest.mark.parametrize("name", WITH_CLASSES)
def test_labels_out_of_range(name, wrong):
    labels = LABELS.clone()
    labels[2] = wrong
    with pytest.raises(ValueError, match=f"^labels must lie in 0 … 2, .*{wrong}"):
        WITH_CLASSES[name](embeddings(), labels)


@pytest.mark.parametrize("name", SPHERE)
def test_labels_on_another_device(name):
    with pytest.raises(ValueError, match=r"cpu.*meta"):
        SPHERE[name](embeddings(), LABELS.to("meta"))


# proxies, weight and bias


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (PROXIES.tolist(), TypeError, "torch.Tensor"),
        (PROXIES.long(), TypeError, "floating-point"),
        (PROXIES[0], ValueError, "two dimensions"),
        (PROXIES[:, :2], ValueError, "3 columns .* found 2"),
        (PROXIES[:0], ValueError, "empty"),
    ],
)
@pytest.mark.parametrize("name", WITH_PROXIES)
def test_wrong_proxies(name, wrong, error, says):
    argument = "weight" if name == "linear_cross_entropy" else "proxies"
    with pytest.raises(error, match=f"^{argument} .*{says}"):
        WITH_PROXIES[name](embeddings(), LABELS, wrong)


@pytest.mark.parametrize("name", ["euclidean_softmax", "warped_softmax"])
def test_one_proxy(name):
    with pytest.raises(ValueError, match=r"^proxies .*at least two"):
        WITH_PROXIES[name](embeddings(), torch.zeros(6, dtype=torch.long), PROXIES[:1])


@pytest.mark.parametrize("wrong", [torch.zeros(2), torch.zeros(3, 1), torch.zeros(())])
def test_bias_of_another_shape(wrong):
    with pytest.raises(ValueError, match=r"^bias must have shape \(3,\)"):
        losses.linear_cross_entropy(embeddings(), LABELS, PROXIES, wrong)


def test_bias_that_is_no_tensor():
    with pytest.raises(TypeError, match=r"^bias "):
        losses.linear_cross_entropy(embeddings(), LABELS, PROXIES, [0.0, 0.0, 0.0])


# numbers and options


@pytest.mark.parametrize(
    ("name", "parameter", "wrong"),
    [
        *[("sup_con", "temperature", x) for x in (0.0, -0.1, math.nan)],
        *[("soft_silhouette", "temperature", x) for x in (0.0, -0.1, math.nan)],
        *[("soft_silhouette", "nearest_temperature", x) for x in (0.0, -0.1, math.nan)],
        *[("soft_silhouette", "eps", x) for x in (-1e-9, math.nan)],
        *[("cross_entropy", "label_smoothing", x) for x in (-0.1, 1.0, 2.0, math.nan)],
        *[("linear_cross_entropy", "label_smoothing", x) for x in (-0.1, 1.0, math.nan)],
        *[("euclidean_softmax", "scale", x) for x in (0.0, -1.0, math.nan)],
        *[("warped_softmax", "scale", x) for x in (0.0, -1.0, math.nan)],
        *[("warped_softmax", name, x) for name in ("alpha", "beta", "r", "margin") for x in (-0.1, math.nan)],
    ],
)
def test_numbers_out_of_range(name, parameter, wrong):
    with pytest.raises(ValueError, match=f"^{parameter} must be"):
        ALL[name](embeddings(), LABELS, **{parameter: wrong})


@pytest.mark.parametrize("function", [losses.warp, losses.effective_warp])
@pytest.mark.parametrize("parameter", ["alpha", "beta", "r"])
@pytest.mark.parametrize("wrong", [-0.1, math.nan])
def test_warps_check_their_numbers_too(function, parameter, wrong):
    with pytest.raises(ValueError, match=f"^{parameter} must be"):
        function(torch.ones(3), **{**WARP, parameter: wrong})


@each_loss
@pytest.mark.parametrize("wrong", ["average", None, "Mean"])
def test_unknown_reduction(name, wrong):
    with pytest.raises(
        ValueError, match="^" + re.escape(f"reduction must be one of 'none', 'mean', 'sum', found {wrong!r}")
    ):
        ALL[name](embeddings(), LABELS, reduction=wrong)


@pytest.mark.parametrize(
    ("name", "option"),
    [("soft_silhouette", "soft_min"), ("cross_entropy", "smoothing"), ("linear_cross_entropy", "smoothing")],
)
def test_unknown_option(name, option):
    with pytest.raises(ValueError, match=f"^{option} must be one of .*found 'other'"):
        ALL[name](embeddings(), LABELS, **{option: "other"})


def test_smoothing_over_others_needs_others():
    with pytest.raises(ValueError, match="at least two classes"):
        losses.cross_entropy(
            torch.zeros(2, 1), torch.zeros(2, dtype=torch.long), label_smoothing=0.1, smoothing="others"
        )
