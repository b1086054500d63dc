"""Modules are their functions with the parameters held."""

import math
from functools import partial

import pytest
import torch

from dmlkit import losses

LABELS = torch.tensor([0, 1, 2, 1, 0, 2])
SMOOTHED = {"label_smoothing": 0.1, "smoothing": "others"}
SILHOUETTE = {"temperature": 0.3, "nearest_temperature": 0.2, "soft_min": "weighted_mean", "eps": 0.1}
WARP = {"alpha": 0.4, "beta": 1.6, "r": 3.05, "margin": 1.3, "scale": 2.5}

# A module with settings unlike the defaults, and its function over (module, embeddings).
MODULES = {
    "CrossEntropy": (
        lambda **kw: losses.CrossEntropy(**SMOOTHED, **kw),
        lambda m, e, **kw: losses.cross_entropy(e, LABELS, **SMOOTHED, **kw),
    ),
    "LinearCrossEntropy": (
        lambda **kw: losses.LinearCrossEntropy(3, 4, **SMOOTHED, **kw),
        lambda m, e, **kw: losses.linear_cross_entropy(e, LABELS, m.weight, m.bias, **SMOOTHED, **kw),
    ),
    "LinearCrossEntropy without bias": (
        lambda **kw: losses.LinearCrossEntropy(3, 4, bias=False, **kw),
        lambda m, e, **kw: losses.linear_cross_entropy(e, LABELS, m.weight, **kw),
    ),
    "SupCon": (
        lambda **kw: losses.SupCon(temperature=0.3, **kw),
        lambda m, e, **kw: losses.sup_con(e, LABELS, temperature=0.3, **kw),
    ),
    "SoftSilhouette": (
        lambda **kw: losses.SoftSilhouette(**SILHOUETTE, **kw),
        lambda m, e, **kw: losses.soft_silhouette(e, LABELS, **SILHOUETTE, **kw),
    ),
    "EuclideanSoftmax": (
        lambda **kw: losses.EuclideanSoftmax(3, 4, scale=2.5, **kw),
        lambda m, e, **kw: losses.euclidean_softmax(e, LABELS, m.proxies, scale=2.5, **kw),
    ),
    "WarpedSoftmax": (
        lambda **kw: losses.WarpedSoftmax(3, 4, **WARP, **kw),
        lambda m, e, **kw: losses.warped_softmax(e, LABELS, m.proxies, **WARP, **kw),  # rows lie on both sides of r
    ),
}
each_module = pytest.mark.parametrize(("make", "function"), MODULES.values(), ids=MODULES)


def filled(make, seed=0, **options):
    """A module with random parameters: zeros, where some start, would hide a parameter that is not used."""
    module = make(**options)
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return module


def embeddings():
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@each_module
def test_module_is_its_function(make, function, reduction):
    module = filled(make, reduction=reduction)
    value = module(embeddings(), LABELS)
    torch.testing.assert_close(value, function(module, embeddings(), reduction=reduction), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (losses.CrossEntropy(), losses.cross_entropy),
        (losses.SupCon(), losses.sup_con),
        (losses.SoftSilhouette(), losses.soft_silhouette),
    ],
)
def test_defaults_of_module_and_function_agree(module, function):
    torch.testing.assert_close(module(embeddings(), LABELS), function(embeddings(), LABELS), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (losses.LinearCrossEntropy(3, 4), losses.linear_cross_entropy),
        (losses.EuclideanSoftmax(3, 4), losses.euclidean_softmax),
        (
            losses.WarpedSoftmax(3, 4, alpha=0.5, beta=1.5, r=1.0),
            partial(losses.warped_softmax, alpha=0.5, beta=1.5, r=1.0),
        ),
    ],
)
def test_defaults_agree_where_the_module_holds_parameters(module, function):
    expected = function(embeddings(), LABELS, *module.parameters())
    torch.testing.assert_close(module(embeddings(), LABELS), expected, atol=0, rtol=0)


@each_module
def test_state_dict_round_trip(make, function):
    one, other = filled(make, seed=0), filled(make, seed=1)
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other(embeddings(), LABELS), one(embeddings(), LABELS), atol=0, rtol=0)


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("Linear", "Euclidean", "Warped"))])
def test_every_parameter_gets_a_gradient(name):
    module = filled(MODULES[name][0])
    module(embeddings(), LABELS).backward()
    assert list(module.parameters())
    assert all((parameter.grad != 0).any() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("module", "shapes"),
    [
        (losses.CrossEntropy(), {}),
        (losses.SupCon(), {}),
        (losses.SoftSilhouette(), {}),
        (losses.LinearCrossEntropy(3, 4), {"weight": (3, 4), "bias": (3,)}),
        (losses.LinearCrossEntropy(3, 4, bias=False), {"weight": (3, 4)}),
        (losses.EuclideanSoftmax(3, 4), {"proxies": (3, 4)}),
        (losses.WarpedSoftmax(3, 4, alpha=0.5, beta=1.5, r=1.0), {"proxies": (3, 4)}),
    ],
)
def test_parameters(module, shapes):
    assert {name: tuple(parameter.shape) for name, parameter in module.named_parameters()} == shapes
    assert set(module.state_dict()) == set(shapes)


def test_linear_classifier_starts_undecided():
    value = losses.LinearCrossEntropy(3, 4)(embeddings(), LABELS)
    assert value.item() == pytest.approx(math.log(3), abs=1e-6)


@pytest.mark.parametrize("classes", [8, 200])
def test_proxies_start_with_variance_2_over_classes(classes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        proxies = losses.WarpedSoftmax(classes, 20_000 // classes, alpha=0.5, beta=1.5, r=1.0).proxies
    assert proxies.var().item() == pytest.approx(2 / classes, rel=0.05)
    assert abs(proxies.mean().item()) < 0.02


@pytest.mark.parametrize(
    ("module", "settings"),
    [
        (losses.CrossEntropy(**SMOOTHED), ["label_smoothing=0.1", "smoothing='others'"]),
        (losses.LinearCrossEntropy(3, 4, **SMOOTHED), ["3, 4", "label_smoothing=0.1", "smoothing='others'"]),
        (losses.SupCon(temperature=0.3), ["temperature=0.3"]),
        (
            losses.SoftSilhouette(**SILHOUETTE),
            ["temperature=0.3", "nearest_temperature=0.2", "soft_min='weighted_mean'"],
        ),
        (losses.EuclideanSoftmax(3, 4, scale=2.5), ["3, 4", "scale=2.5"]),
        (
            losses.WarpedSoftmax(3, 4, **WARP),
            ["3, 4", "alpha=0.4", "beta=1.6", "r=3.05", "margin=1.3", "scale=2.5"],
        ),
        (
            losses.WeightedSum({"a": losses.SupCon()}, {"a": 0.25}),
            ["a: 0.25", "SupCon(temperature=0.1, reduction='mean')"],
        ),
    ],
)
def test_repr_tells_the_settings(module, settings):
    """Run records keep this text as the configuration of the loss."""
    text = repr(module)
    assert text.startswith(type(module).__name__ + "(")
    assert all(setting in text for setting in settings)
