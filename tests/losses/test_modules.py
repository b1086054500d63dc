"""Modules are their functions with the parameters held."""

import copy
import inspect
import io
import math
import pickle

import pytest
import torch

from dmlkit import losses

LABELS = torch.tensor([0, 1, 2, 1, 0, 2])
SMOOTHED = {"label_smoothing": 0.1, "smoothing": "others"}
SILHOUETTE = {"temperature": 0.3, "nearest_temperature": 0.2, "soft_min": "weighted_mean", "eps": 0.1}
WARP = {"alpha": 0.4, "beta": 1.6, "r": 3.05, "margin": 1.3, "scale": 2.5}  # rows lie on both sides of r
MONOTONE = {"f_own": torch.square, "f_other": torch.log1p}
MAGNITUDES = {
    "lower_margin": 0.2,
    "upper_margin": 0.5,
    "lower_norm": 0.5,
    "upper_norm": 12.0,
    "regularization": 2.0,
    "scale": 8.0,
}
NEEDED = {"WarpedSoftmax": {"alpha": 0.5, "beta": 1.5, "r": 1.0}, "MonotoneSoftmax": MONOTONE}  # what has no default

# class → function, settings unlike the defaults, the sizes of the parameters for three classes in four dimensions
ROWS = (3, 4)
MODULES = {
    "CrossEntropy": ("cross_entropy", SMOOTHED, {}),
    "LinearCrossEntropy": ("linear_cross_entropy", SMOOTHED, {"weight": ROWS, "bias": (3,)}),
    "NormSoftmax": ("norm_softmax", {"temperature": 0.3}, {"weight": ROWS}),
    "CosFace": ("cos_face", {"margin": 0.2, "scale": 8.0}, {"weight": ROWS}),
    "ArcFace": ("arc_face", {"margin": 0.2, "scale": 8.0}, {"weight": ROWS}),
    "SphereFace": ("sphere_face", {"margin": 2.0, "scale": 0.5}, {"weight": ROWS}),
    "MagFace": ("mag_face", MAGNITUDES, {"weight": ROWS}),
    "SupCon": ("sup_con", {"temperature": 0.3}, {}),
    "SNCA": ("snca", {"temperature": 0.3}, {}),
    "SoftSilhouette": ("soft_silhouette", SILHOUETTE, {}),
    "Contrastive": ("contrastive", {"margin": 2.5}, {}),
    "Triplet": ("triplet", {"margin": 1.5, "mining": "hard", "average": "all"}, {}),
    "MultiSimilarity": ("multi_similarity", {"alpha": 3.0, "beta": 5.0, "margin": 0.3, "mining_margin": 0.2}, {}),
    "Circle": ("circle", {"margin": 0.2, "gamma": 8.0}, {}),
    "LiftedStructure": ("lifted_structure", {"margin": 2.5}, {}),
    "Center": ("center", {}, {"centers": ROWS}),
    "ProxyNCA": ("proxy_nca", {"scale": 3.0, "own_in_denominator": False}, {"proxies": ROWS}),
    "ProxyNCAPlusPlus": ("proxy_nca_plus_plus", {"temperature": 0.3}, {"proxies": ROWS}),
    "ProxyAnchor": ("proxy_anchor", {"margin": 0.2, "alpha": 8.0}, {"proxies": ROWS}),
    "SoftTriple": (
        "soft_triple",
        {"scale": 5.0, "gamma": 0.3, "margin": 0.2, "regularization": 0.4},
        {"centers": (3, 10, 4)},
    ),
    "Hist": (
        "hist",
        {"temperature": 0.5, "alpha": 0.4, "hypergraph_weight": 2.0},
        {
            "means": ROWS,
            "log_variances": ROWS,
            "hidden_weight": (512, 4),
            "hidden_bias": (512,),
            "weight": (3, 512),
            "bias": (3,),
        },
    ),
    "PairwiseCrossEntropy": ("pairwise_cross_entropy", {"lam": 0.7}, {"weight": ROWS, "bias": (3,)}),
    "FittedPairwiseCrossEntropy": ("fitted_pairwise_cross_entropy", {"lam": 0.7}, {"weight": ROWS, "bias": (3,)}),
    "SimplifiedPairwiseCrossEntropy": ("simplified_pairwise_cross_entropy", {}, {}),
    "EuclideanSoftmax": ("euclidean_softmax", {"scale": 2.5}, {"proxies": ROWS}),
    "WarpedSoftmax": ("warped_softmax", WARP, {"proxies": ROWS}),
    "MonotoneSoftmax": ("monotone_softmax", {**MONOTONE, "scale": 2.5}, {"proxies": ROWS}),
}
each_module = pytest.mark.parametrize("name", MODULES)
with_options = pytest.mark.parametrize("name", [name for name, (_, settings, _) in MODULES.items() if settings])


def make(name, **options):
    return getattr(losses, name)(*(ROWS if MODULES[name][2] else ()), **options)


def filled(name, seed=0, **options):
    """A module with random parameters: zeros, where some start, would hide a parameter that is not used."""
    module = make(name, **options)
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return module


def function_of(name):
    return getattr(losses, MODULES[name][0])


def embeddings():
    """Six rows; three columns where they are logits of three classes, and four dimensions otherwise."""
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(1))


def assert_equal(value, expected):
    torch.testing.assert_close(value, expected, atol=0, rtol=0)


def test_every_class_is_here():
    assert {*MODULES, "WeightedSum"} == {name for name in losses.__all__ if inspect.isclass(getattr(losses, name))}


def test_star_import_brings_all_losses_and_nothing_else():
    space = {}
    exec("from dmlkit.losses import *", space)
    parts = {"tightness", "contrast", "warp", "effective_warp", "soft_triple_regularizer"}
    parts |= {"hist_distances", "hist_distribution", "hist_incidence"}
    parts |= {"pairwise_cross_entropy_lambda", "split_cross_entropy", "distance_function", "distance_slope"}
    functions = {function for function, _, _ in MODULES.values()}
    assert set(space) - {"__builtins__"} == {*MODULES, "WeightedSum", *functions, *parts}
    assert losses.__all__ == sorted(losses.__all__, key=lambda name: (not name[0].isupper(), not name.isupper(), name))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@each_module
def test_module_is_its_function(name, reduction):
    settings = {**MODULES[name][1], "reduction": reduction}
    module = filled(name, **settings)
    value = module(embeddings(), LABELS)
    assert_equal(value, function_of(name)(embeddings(), LABELS, **dict(module.named_parameters()), **settings))


@pytest.mark.parametrize("name", ["LinearCrossEntropy", "PairwiseCrossEntropy", "FittedPairwiseCrossEntropy"])
def test_module_without_bias(name):
    options = SMOOTHED if name == "LinearCrossEntropy" else {"lam": 0.7}
    module = filled(name, bias=False, **options)
    assert {name: tuple(parameter.shape) for name, parameter in module.named_parameters()} == {"weight": ROWS}
    assert_equal(module(embeddings(), LABELS), function_of(name)(embeddings(), LABELS, module.weight, **options))


@each_module
def test_settings_differ_from_the_defaults(name):
    """Otherwise the tests here would not see an option that is lost on its way."""
    defaults = inspect.signature(function_of(name)).parameters
    settings = MODULES[name][1]
    assert {*settings, "reduction"} == {p.name for p in defaults.values() if p.kind is p.KEYWORD_ONLY}
    assert all(defaults[option].default != value for option, value in settings.items())


@each_module
def test_defaults_of_module_and_function_agree(name):
    module = filled(name, **NEEDED.get(name, {}))
    expected = function_of(name)(embeddings(), LABELS, *module.parameters(), **NEEDED.get(name, {}))
    assert_equal(module(embeddings(), LABELS), expected)


@each_module
def test_state_dict_round_trip(name):
    one, other = filled(name, seed=0, **MODULES[name][1]), filled(name, seed=1, **MODULES[name][1])
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file))
    assert_equal(other(embeddings(), LABELS), one(embeddings(), LABELS))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
@each_module
def test_copies(name, copied):
    module = filled(name, **MODULES[name][1])
    other = copied(module)
    assert repr(other) == repr(module)
    assert_equal(other(embeddings(), LABELS), module(embeddings(), LABELS))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert all((parameter != 0).any() for parameter in module.parameters())  # a copy of its own


@pytest.mark.parametrize("name", [name for name, (_, _, shapes) in MODULES.items() if shapes])
def test_every_parameter_gets_a_gradient(name):
    module = filled(name, **MODULES[name][1])
    module(embeddings(), LABELS).backward()
    assert list(module.parameters())
    assert all((parameter.grad != 0).any() for parameter in module.parameters())


@each_module
def test_parameters(name):
    module, shapes = make(name, **NEEDED.get(name, {})), MODULES[name][2]
    assert {name: tuple(parameter.shape) for name, parameter in module.named_parameters()} == shapes
    assert list(module.state_dict()) == list(shapes)
    assert all(parameter.isfinite().all() for parameter in module.parameters())


def test_sizes_of_the_parts():
    assert losses.SoftTriple(3, 4, centers_per_class=2).centers.shape == (3, 2, 4)
    small = losses.Hist(3, 4, hidden_dim=5)
    assert small.hidden_weight.shape == (5, 4)
    assert small.weight.shape == (3, 5)


# options


def options_of(name):
    parameters = inspect.signature(function_of(name)).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


@each_module
def test_signature(name):
    own = {"LinearCrossEntropy": ["bias"], "PairwiseCrossEntropy": ["bias"], "Hist": ["hidden_dim"]}
    own |= {"SoftTriple": ["centers_per_class"], "FittedPairwiseCrossEntropy": ["bias"]}
    sizes = ["num_classes", "embedding_dim"] if MODULES[name][2] else []
    signature = inspect.signature(getattr(losses, name))
    assert list(signature.parameters) == [*sizes, *own.get(name, []), *options_of(name)]
    of_function = inspect.signature(function_of(name)).parameters
    for option in options_of(name):
        assert signature.parameters[option].default == of_function[option].default
        assert signature.parameters[option].kind is inspect.Parameter.KEYWORD_ONLY


@each_module
def test_unknown_option(name):
    with pytest.raises(TypeError, match=rf"^{name}: .*'heat'.*; its options are {', '.join(options_of(name))}$"):
        make(name, **NEEDED.get(name, {}), heat=0.1)


@pytest.mark.parametrize(("name", "missing"), [(name, option) for name, needed in NEEDED.items() for option in needed])
def test_missing_option(name, missing):
    given = {option: value for option, value in NEEDED[name].items() if option != missing}
    with pytest.raises(TypeError, match=rf"^{name}: .*'{missing}'; its options are {', '.join(options_of(name))}$"):
        make(name, **given)


@with_options
def test_options_are_attributes_and_may_change(name):
    settings = MODULES[name][1]
    module = filled(name, **NEEDED.get(name, {}))
    for option, value in settings.items():
        setattr(module, option, value)
    assert_equal(module(embeddings(), LABELS), filled(name, **settings)(embeddings(), LABELS))
    assert repr(module) == repr(filled(name, **settings))
    module.reduction = "none"
    assert module(embeddings(), LABELS).ndim == 1


@with_options
def test_each_option_matters(name):
    """Otherwise an option could be held, shown and never read: put one at a time back to its default."""
    settings, parameters = MODULES[name][1], inspect.signature(function_of(name)).parameters
    defaults = {option: parameters[option].default for option in settings}
    defaults |= {**NEEDED.get(name, {}), "f_own": torch.sqrt, "f_other": torch.sqrt}
    for option in settings:
        # Of the hardest triplets all are active here, and it does not matter which the mean counts.
        others = {**settings, "mining": "all"} if option == "average" else settings
        value = filled(name, **others)(embeddings(), LABELS)
        assert filled(name, **{**others, option: defaults[option]})(embeddings(), LABELS) != value, option


# where parameters start


@pytest.mark.parametrize("name", ["LinearCrossEntropy", "PairwiseCrossEntropy", "FittedPairwiseCrossEntropy"])
def test_linear_classifiers_start_undecided(name):
    assert all((parameter == 0).all() for parameter in make(name).parameters())


def test_cross_entropy_of_the_start():
    value = losses.LinearCrossEntropy(3, 4)(embeddings(), LABELS)
    assert value.item() == pytest.approx(math.log(3), abs=1e-6)


START = {  # standard deviation for C classes in d dimensions
    **dict.fromkeys(
        [name for name, (_, _, shapes) in MODULES.items() if list(shapes.values()) == [ROWS]],
        lambda classes, dim: math.sqrt(2 / classes),
    ),
    "Center": lambda classes, dim: 1.0,
    "ProxyNCAPlusPlus": lambda classes, dim: 1 / 8,
    "SoftTriple": lambda classes, dim: 1 / math.sqrt(3 * dim),  # uniform to ± 1/√d
}


@pytest.mark.parametrize("classes", [8, 200])
@pytest.mark.parametrize("name", START)
def test_spread_of_the_proxies_at_the_start(name, classes):
    dim = 20_000 // classes
    with torch.random.fork_rng():
        torch.manual_seed(0)
        (rows,) = getattr(losses, name)(classes, dim, **NEEDED.get(name, {})).parameters()
    spread = START[name](classes, dim)
    assert rows.std().item() == pytest.approx(spread, rel=0.025)
    assert abs(rows.mean().item()) < 0.04 * spread


def test_parameters_of_hist_at_the_start():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = losses.Hist(50, 400, hidden_dim=300)
    for rows in (module.means, module.log_variances):
        assert rows.std().item() == pytest.approx(math.sqrt(2 / 50), rel=0.025)
    assert not torch.equal(module.means, module.log_variances)
    # torch's own start of a linear layer: uniform to ± 1/√(width of its input)
    for tensor, width in [(module.hidden_weight, 400), (module.weight, 300)]:
        assert tensor.abs().max().item() == pytest.approx(1 / math.sqrt(width), rel=1e-3)
        assert tensor.std().item() == pytest.approx(1 / math.sqrt(3 * width), rel=0.025)


# repr


@each_module
def test_repr_tells_the_settings(name):
    """Run records keep this text as the configuration of the loss."""
    text = repr(make(name, **MODULES[name][1], reduction="sum"))
    assert text.startswith(name + "(")
    shown = {option: getattr(value, "__name__", repr(value)) for option, value in MODULES[name][1].items()}
    parts = [f"{option}={value.removesuffix('.0')}" for option, value in {**shown, "reduction": "'sum'"}.items()]
    if MODULES[name][2]:
        parts.append(", ".join(map(str, next(iter(MODULES[name][2].values())))))
    for part in parts:
        assert part in text


def test_repr_of_a_weighted_sum():
    text = repr(losses.WeightedSum({"a": losses.SupCon()}, {"a": 0.25}))
    assert text.startswith("WeightedSum(")
    assert "a: 0.25" in text
    assert "SupCon(temperature=0.1, reduction='mean')" in text


def test_repr_tells_a_bias():
    assert "bias=False" in repr(losses.LinearCrossEntropy(3, 4, bias=False))
    assert "bias=True" in repr(losses.LinearCrossEntropy(3, 4))
