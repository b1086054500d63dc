"""What every loss says to input it cannot use: one sentence that starts with the argument's name."""

import inspect
import math
import re

import numpy as np
import pytest
import torch
from cases import ALL, FREE, LABELS, REDUCED, WARP, WITH_CLASSES, embeddings

from dmlkit import losses

# One entry a function is enough where options do not matter.
FUNCTIONS = {}
for name, loss in ALL.items():
    FUNCTIONS.setdefault(loss.function, name)
each_loss = pytest.mark.parametrize("name", FUNCTIONS.values())
each_parameter = pytest.mark.parametrize(
    ("name", "argument"), [(name, argument) for name in FUNCTIONS.values() for argument in ALL[name].parameters]
)


def first_argument(name):
    return ALL[name].first


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
@pytest.mark.parametrize("shape", [(0, 3), (6, 0), (0, 0)])
def test_empty_batch(name, shape):
    with pytest.raises(ValueError, match=f"^{first_argument(name)} .*empty"):
        ALL[name](torch.zeros(shape), torch.zeros(shape[0], dtype=torch.long))


@each_loss
def test_arguments_by_name(name):
    loss = ALL[name]
    expected = loss(embeddings(), LABELS)
    arguments = {loss.first: embeddings(), "labels": LABELS, **loss.fixed, **loss.options}
    torch.testing.assert_close(loss.function(**arguments), expected, atol=0, rtol=0)
    # … and by position, in the order of the docstrings.
    value = loss.function(embeddings(), LABELS, *loss.fixed.values(), **loss.options)
    torch.testing.assert_close(value, expected, atol=0, rtol=0)


@each_loss
def test_options_have_names_only(name):
    """A margin where another loss has its scale would go unnoticed."""
    parameters = list(inspect.signature(ALL[name].function).parameters.values())
    # Some biases may be left out.
    assert all(
        p.kind is p.KEYWORD_ONLY or p.default is p.empty or (p.name, p.default) == ("bias", None) for p in parameters
    )


# labels


@each_loss
@pytest.mark.parametrize("wrong", [LABELS.tolist(), LABELS.numpy(), None], ids=["list", "array", "None"])
def test_labels_that_are_no_tensor(name, wrong):
    with pytest.raises(TypeError, match=r"^labels .*torch.Tensor"):
        ALL[name](embeddings(), wrong)


@each_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.complex64])
def test_labels_that_are_no_integers(name, dtype):
    with pytest.raises(TypeError, match=r"^labels .*integer"):
        ALL[name](embeddings(), LABELS.to(dtype))


@each_loss
@pytest.mark.parametrize(
    "wrong", [LABELS[:5], LABELS.repeat(2), LABELS.unsqueeze(1), LABELS[0]], ids=["short", "long", "column", "scalar"]
)
def test_labels_of_another_shape(name, wrong):
    with pytest.raises(ValueError, match=r"^labels must have shape \(6,\)"):
        ALL[name](embeddings(), wrong)


@pytest.mark.parametrize("wrong", [-1, 3, 10**12, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("name", [name for name in FUNCTIONS.values() if name in WITH_CLASSES])
def test_labels_out_of_range(name, wrong):
    labels = LABELS.clone()
    labels[2] = wrong
    with pytest.raises(ValueError, match=f"^labels must lie in 0 … 2, .*{wrong}"):
        ALL[name](embeddings(), labels)


@each_loss
def test_labels_on_another_device(name):
    with pytest.raises(ValueError, match=rf"^{first_argument(name)} are on cpu, labels on meta"):
        ALL[name](embeddings(), LABELS.to("meta"))


# parameters: proxies, centers, weights, biases


@each_parameter
@pytest.mark.parametrize("convert", [torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.unbind])
def test_parameters_that_are_no_tensor(name, argument, convert):
    with pytest.raises(TypeError, match=f"^{argument} .*torch.Tensor"):
        ALL[name](embeddings(), LABELS, **{argument: convert(ALL[name].fixed[argument])})


@each_parameter
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_parameters_that_are_not_floating_point(name, argument, dtype):
    with pytest.raises(TypeError, match=f"^{argument} .*floating-point"):
        ALL[name](embeddings(), LABELS, **{argument: ALL[name].fixed[argument].to(dtype)})


CHANGES = {
    "one dimension more": lambda value: value.unsqueeze(-1),
    "one dimension less": lambda value: value[0],
    "one column less": lambda value: value[..., :-1],
    "one row less": lambda value: value[:-1],
    "empty": lambda value: value[:0],
}


def wrong_shapes():
    for name, argument in each_parameter.args[1]:
        axes, first = ALL[name].parameters[argument].split(), next(iter(ALL[name].parameters))
        for change in CHANGES:
            # The parameter that tells how many classes, or hidden units, there are is never wrong in that.
            if change == "one row less" and (argument == first or argument == "hidden_weight"):
                continue
            if change != "one column less" or len(axes) > 1:
                yield name, argument, change


@pytest.mark.parametrize(("name", "argument", "change"), list(wrong_shapes()))
def test_parameters_of_another_shape(name, argument, change):
    wrong = CHANGES[change](ALL[name].fixed[argument])
    with pytest.raises(ValueError, match=f"^{argument} "):
        ALL[name](embeddings(), LABELS, **{argument: wrong})


@each_parameter
def test_parameters_on_another_device(name, argument):
    with pytest.raises(ValueError, match=f"^{argument} .*meta"):
        ALL[name](embeddings(), LABELS, **{argument: ALL[name].fixed[argument].to("meta")})


@pytest.mark.parametrize("name", [name for name in FUNCTIONS.values() if ALL[name].parameters])
def test_a_missing_class(name):
    """Two proxies and a label 2."""
    loss = ALL[name]
    held = {key: value[:2] if loss.parameters[key].startswith("C") else value for key, value in loss.fixed.items()}
    with pytest.raises(ValueError, match=r"^labels must lie in 0 … 1, found 0 … 2"):
        loss(embeddings(), LABELS, **held)


@pytest.mark.parametrize("name", ["euclidean_softmax", "warped_softmax", "monotone_softmax", "proxy_nca, own left out"])
def test_one_proxy(name):
    with pytest.raises(ValueError, match=r"^proxies .*at least two"):
        ALL[name](embeddings(), torch.zeros(6, dtype=torch.long), proxies=torch.ones(1, 3))


@pytest.mark.parametrize("function", [losses.linear_cross_entropy, losses.pairwise_cross_entropy])
@pytest.mark.parametrize("wrong", [torch.zeros(2), torch.zeros(3, 1), torch.zeros(()), torch.zeros(1)])
def test_bias_of_another_shape(function, wrong):
    """Some of these would be added to every logit without a word."""
    options = {"lam": 0.5} if function is losses.pairwise_cross_entropy else {}
    with pytest.raises(ValueError, match=r"^bias must have shape \(3,\)"):
        function(embeddings(), LABELS, torch.eye(3), wrong, **options)


@pytest.mark.parametrize("wrong", [torch.zeros(2), torch.zeros(3, 1), torch.zeros(()), torch.zeros(1)])
def test_bias_of_another_shape_for_lambda(wrong):
    with pytest.raises(ValueError, match=r"^bias must have shape \(3,\)"):
        losses.pairwise_cross_entropy_lambda(embeddings(), torch.eye(3), wrong)


# functions that are no losses of (embeddings, labels)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ([[[0.0]]], TypeError),
        (None, TypeError),
        (torch.zeros(3, 2, 3, dtype=torch.long), TypeError),
        (torch.zeros(3, 3), ValueError),
        (torch.zeros(3), ValueError),
        (torch.zeros(1, 3, 2, 3), ValueError),
        (torch.zeros(0, 2, 3), ValueError),
        (torch.zeros(3, 0, 3), ValueError),
        (torch.zeros(3, 2, 0), ValueError),
    ],
)
@pytest.mark.parametrize("function", ["soft_triple", "soft_triple_regularizer"])
def test_centers_of_soft_triple(function, wrong, error):
    with pytest.raises(error, match=r"^centers "):
        if function == "soft_triple":
            losses.soft_triple(embeddings(), LABELS, wrong)
        else:
            losses.soft_triple_regularizer(wrong)


@pytest.mark.parametrize(
    ("wrong", "error"), [([[0.0]], TypeError), (torch.zeros(6, 3).long(), TypeError), (torch.zeros(6), ValueError)]
)
def test_distances_of_hist_incidence(wrong, error):
    with pytest.raises(error, match="^distances "):
        losses.hist_incidence(wrong, LABELS)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ([0, 1, 2, 1, 0, 2], TypeError),
        (LABELS.float(), TypeError),
        (LABELS[:5], ValueError),
        (LABELS.unsqueeze(1), ValueError),
        (LABELS + 1, ValueError),
        (LABELS - 1, ValueError),
        (LABELS.to("meta"), ValueError),
    ],
)
def test_labels_of_hist_incidence(wrong, error):
    with pytest.raises(error, match="^labels |^distances are on cpu, labels on meta"):
        losses.hist_incidence(torch.zeros(6, 3), wrong)


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf])
def test_alpha_of_hist_incidence(alpha):
    with pytest.raises(ValueError, match="^alpha must be"):
        losses.hist_incidence(torch.zeros(6, 3), LABELS, alpha=alpha)


@pytest.mark.parametrize("argument", ["embeddings", "means", "log_variances"])
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (None, TypeError),
        (torch.zeros(3, 3).long(), TypeError),
        (torch.zeros(3), ValueError),
        (torch.zeros(0, 3), ValueError),
    ],
)
def test_input_of_hist_distances(argument, wrong, error):
    arguments = {"embeddings": embeddings(), "means": torch.ones(3, 3), "log_variances": torch.ones(3, 3)}
    with pytest.raises(error, match=f"^{argument} "):
        losses.hist_distances(**{**arguments, argument: wrong})


@pytest.mark.parametrize(
    ("wrong", "says"), [({"means": torch.ones(3, 2)}, "^means "), ({"log_variances": torch.ones(2, 3)}, "^log_var")]
)
def test_sizes_of_hist_distances(wrong, says):
    arguments = {"embeddings": embeddings(), "means": torch.ones(3, 3), "log_variances": torch.ones(3, 3)}
    with pytest.raises(ValueError, match=says):
        losses.hist_distances(**{**arguments, **wrong})


@pytest.mark.parametrize("loss", ["triplet", "sup_con", "Center", None, losses.sup_con, losses.Center])
@pytest.mark.parametrize("part", [losses.tightness, losses.contrast])
def test_losses_that_have_no_parts(part, loss):
    with pytest.raises(ValueError, match="^loss must be one of 'center', 'contrastive', 'contrastive_linear', .*found"):
        part(loss)


def test_contrast_of_snca_needs_another_row():
    with pytest.raises(ValueError, match="^embeddings must hold at least two rows"):
        losses.contrast("snca")(embeddings()[:1], LABELS[:1])


@pytest.mark.parametrize("function", [losses.warp, losses.effective_warp])
@pytest.mark.parametrize("parameter", ["alpha", "beta", "r"])
@pytest.mark.parametrize("wrong", [-0.1, math.nan])
def test_warps_check_their_numbers_too(function, parameter, wrong):
    with pytest.raises(ValueError, match=f"^{parameter} must be"):
        function(torch.ones(3), **{**WARP, parameter: wrong})


# λ of pairwise cross-entropy


@pytest.mark.parametrize(
    ("rows", "weight"),
    [
        (embeddings()[:2], torch.eye(3)),  # fewer rows than dimensions
        (embeddings()[:3] * torch.tensor([1.0, 1.0, 0.0]), torch.eye(3)),  # a dimension that is never used
        (torch.zeros(6, 3), torch.eye(3)),
        (embeddings(), 1e4 * torch.eye(3)),  # decided probabilities: p − p² = 0
    ],
)
def test_lambda_of_0(rows, weight):
    for dtype in (torch.float32, torch.float64):
        with pytest.raises(ValueError, match="^lam, derived .*0 up to rounding"):
            losses.pairwise_cross_entropy(rows.to(dtype), LABELS[: len(rows)], weight)
        assert losses.pairwise_cross_entropy(rows.to(dtype), LABELS[: len(rows)], weight, lam=1.0).isfinite()


def test_fewer_rows_than_dimensions_at_every_size():
    """Rounding leaves a λ of about 1e-8 of the squares, of either sign: it must not be taken for one."""
    for seed in range(50):
        rows = torch.randn(6, 8, generator=torch.Generator().manual_seed(seed)) * 10.0 ** (seed % 9 - 4)
        with pytest.raises(ValueError, match="^lam"):
            losses.pairwise_cross_entropy(rows, LABELS, torch.zeros(3, 8))


# functions as options


@pytest.mark.parametrize("option", ["f_own", "f_other"])
@pytest.mark.parametrize(
    "change", [torch.sum, torch.flatten, torch.Tensor.t, lambda d: d[:1], lambda d: d.unsqueeze(0)]
)
def test_functions_that_change_shapes(option, change):
    with pytest.raises(ValueError, match=f"^{option} must keep the shape"):
        ALL["monotone_softmax"](embeddings(), LABELS, **{option: change})


@pytest.mark.parametrize("option", ["f_own", "f_other"])
@pytest.mark.parametrize("wrong", [None, 2.0, ["square"]])
def test_functions_that_are_none(option, wrong):
    with pytest.raises(TypeError, match=f"^{option} "):
        ALL["monotone_softmax"](embeddings(), LABELS, **{option: wrong})


@pytest.mark.parametrize("option", ["f_own", "f_other"])
def test_functions_that_return_no_tensor(option):
    with pytest.raises(TypeError, match=f"^{option} "):
        ALL["monotone_softmax"](embeddings(), LABELS, **{option: lambda d: 0.0})


# numbers and options

POSITIVE, LEAST_0, ANY = (0.0, -0.1, math.nan, math.inf), (-0.1, math.nan, math.inf), (math.nan, math.inf, -math.inf)
BELOW_PI = (*LEAST_0, math.pi, 4.0)
RANGES = {
    "cross_entropy": {"label_smoothing": (-0.1, 1.0, 2.0, math.nan)},
    "linear_cross_entropy": {"label_smoothing": (-0.1, 1.0, 2.0, math.nan)},
    "norm_softmax": {"temperature": POSITIVE},
    "cos_face": {"margin": LEAST_0, "scale": POSITIVE},
    "arc_face": {"margin": BELOW_PI, "scale": POSITIVE},
    "sphere_face": {"margin": (0.9, -1.0, math.nan, math.inf), "scale": POSITIVE},
    "mag_face": {
        "lower_margin": (*LEAST_0, 0.9),  # above the upper margin, 0.8
        "upper_margin": (*BELOW_PI, 0.4),  # below the lower one, 0.45
        "lower_norm": (*POSITIVE, 2.0, 3.0),  # not below the upper norm, here 2
        "upper_norm": (*POSITIVE, 0.5, 0.4),
        "regularization": LEAST_0,
        "scale": POSITIVE,
    },
    "sup_con": {"temperature": POSITIVE},
    "snca": {"temperature": POSITIVE},
    "soft_silhouette": {"temperature": POSITIVE, "nearest_temperature": POSITIVE, "eps": LEAST_0},
    "contrastive": {"margin": LEAST_0},
    "triplet": {"margin": LEAST_0},
    "multi_similarity": {"alpha": POSITIVE, "beta": POSITIVE, "margin": ANY, "mining_margin": LEAST_0},
    "circle": {"margin": ANY, "gamma": POSITIVE},
    "lifted_structure": {"margin": ANY},
    "center": {},
    "proxy_nca": {"scale": POSITIVE},
    "proxy_nca_plus_plus": {"temperature": POSITIVE},
    "proxy_anchor": {"margin": ANY, "alpha": POSITIVE},
    "soft_triple": {"scale": POSITIVE, "gamma": POSITIVE, "margin": ANY, "regularization": LEAST_0},
    "hist_distribution": {"temperature": POSITIVE},
    "hist": {"temperature": POSITIVE, "alpha": POSITIVE, "hypergraph_weight": LEAST_0},
    "pairwise_cross_entropy": {"lam": POSITIVE},
    "fitted_pairwise_cross_entropy": {"lam": POSITIVE},
    "simplified_pairwise_cross_entropy": {},
    "euclidean_softmax": {"scale": POSITIVE},
    "warped_softmax": {
        "alpha": LEAST_0,
        "beta": LEAST_0,
        "r": (-0.1, math.nan),
        "margin": LEAST_0,
        "scale": POSITIVE,
    },
    "monotone_softmax": {"scale": POSITIVE},
    "tightness of center": {},
    "contrast of center": {},
    "tightness of contrastive": {},
    "contrast of contrastive": {"margin": LEAST_0},
    "tightness of contrastive_linear": {"margin": LEAST_0},
    "contrast of contrastive_linear": {"margin": LEAST_0},
    "tightness of snca": {"temperature": POSITIVE},
    "contrast of snca": {"temperature": POSITIVE},
    "tightness of multi_similarity": {"alpha": POSITIVE, "margin": ANY},
    "contrast of multi_similarity": {"beta": POSITIVE, "margin": ANY},
    "tightness of pairwise_cross_entropy": {"lam": POSITIVE},
    "contrast of pairwise_cross_entropy": {"lam": POSITIVE},
}
CHOICES = {
    "cross_entropy": ["smoothing"],
    "linear_cross_entropy": ["smoothing"],
    "soft_silhouette": ["soft_min"],
    "triplet": ["mining", "average"],
}
each_number = pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name, ranges in RANGES.items() for option in ranges]
)


@each_loss
def test_every_option_is_tried_here(name):
    options = {p.name for p in inspect.signature(ALL[name].function).parameters.values() if p.kind is p.KEYWORD_ONLY}
    others = {"reduction", "f_own", "f_other", "own_in_denominator"} & options
    assert options == {*RANGES[name], *CHOICES.get(name, []), *others}


@pytest.mark.parametrize(
    ("name", "option", "wrong"),
    [(name, option, wrong) for name, ranges in RANGES.items() for option in ranges for wrong in ranges[option]],
)
def test_numbers_out_of_range(name, option, wrong):
    # Of two bounds that contradict one another either may be named.
    bounds = {"lower_margin": "(upper|lower)_margin", "lower_norm": "(upper|lower)_norm"}
    with pytest.raises(ValueError, match=f"^{bounds.get(option, option)} must be"):
        ALL[name](embeddings(), LABELS, **{option: wrong})


@pytest.mark.parametrize(
    "wrong", ["0.1", [0.1], torch.tensor([0.1, 0.2]), 1j], ids=["str", "list", "tensor", "complex"]
)
@each_number
def test_numbers_that_are_none(name, option, wrong):
    with pytest.raises(TypeError, match=f"^{option} must be a number"):
        ALL[name](embeddings(), LABELS, **{option: wrong})


@pytest.mark.parametrize(
    ("name", "option"), [pair for pair in each_number.args[1] if pair[1] not in ("mining_margin", "lam")]
)
def test_none_for_a_number(name, option):
    with pytest.raises(TypeError, match=f"^{option} must be a number"):
        ALL[name](embeddings(), LABELS, **{option: None})


@pytest.mark.parametrize("name", [name for name in REDUCED if name in FUNCTIONS.values()])
@pytest.mark.parametrize("wrong", ["average", None, "Mean", 1])
def test_unknown_reduction(name, wrong):
    with pytest.raises(
        ValueError, match="^" + re.escape(f"reduction must be one of 'none', 'mean', 'sum', found {wrong!r}")
    ):
        ALL[name](embeddings(), LABELS, reduction=wrong)


@pytest.mark.parametrize(("name", "option"), [(name, option) for name in CHOICES for option in CHOICES[name]])
@pytest.mark.parametrize("wrong", ["other", None, 0])
def test_unknown_choice(name, option, wrong):
    with pytest.raises(ValueError, match=f"^{option} must be one of .*found {wrong!r}"):
        ALL[name](embeddings(), LABELS, **{option: wrong})


@each_loss
def test_unknown_option(name):
    with pytest.raises(TypeError, match="heat"):
        ALL[name](embeddings(), LABELS, heat=0.1)


def test_smoothing_over_others_needs_others():
    with pytest.raises(ValueError, match="at least two classes"):
        losses.cross_entropy(
            torch.zeros(2, 1), torch.zeros(2, dtype=torch.long), label_smoothing=0.1, smoothing="others"
        )


def test_labels_of_every_kind_are_free_or_numbered():
    """The table of cases says of every loss whether labels are any integers: those that are not refuse them."""
    assert len(FREE) + len(WITH_CLASSES) == len(ALL)
    for name in FREE:
        assert ALL[name](embeddings(), LABELS - 10**12).isfinite().all()
