"""The four forces by their formulas are minus the gradients of the losses, and obey Newton's third law."""

from __future__ import annotations

import doctest
import inspect
import math
import re

import pytest
import torch
from torch import Tensor

from dmlkit import losses
from dmlkit.landscape import forces as forces_module
from dmlkit.landscape import softmax_forces

WARPS = [(0.8, 1.4, 2.5, 1.0), (0.0, 2.0, 1.0, 1.3), (0.5, 1.0, math.inf, 2.0)]
FUNCTIONS = {
    "plain": (None, None),
    "square": (torch.square, torch.square),
    "root": (torch.sqrt, torch.sqrt),
    "log": (torch.log1p, torch.log1p),
    "two functions": (lambda d: 0.3 * d.square(), torch.log1p),
    **{
        f"warp {k}": (lambda d, w=w: losses.warp(d, alpha=w[0], beta=w[1], r=w[2], margin=w[3]), None)
        for k, w in enumerate(WARPS)
    },
}
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def draw(seed: int = 0, n: int = 17, classes: int = 4, dim: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    kind = {"generator": generator, "dtype": torch.float64}
    embeddings, proxies = 2 * torch.randn(n, dim, **kind), 2 * torch.randn(classes, dim, **kind)
    return embeddings, torch.randint(classes, (n,), generator=generator), proxies


def gradients(name: str, embeddings: Tensor, labels: Tensor, proxies: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """∂L/∂e and ∂L/∂p of the summed loss, by autograd through the published loss."""
    f_own, f_other = FUNCTIONS[name]
    leaves = [embeddings.clone().requires_grad_(), proxies.clone().requires_grad_()]
    loss = losses.monotone_softmax(
        leaves[0],
        labels,
        leaves[1],
        f_own=f_own or (lambda d: d),
        f_other=f_other or (lambda d: d),
        scale=scale,
        reduction="sum",
    )
    return torch.autograd.grad(loss, leaves)


def forces_of(name: str, *rows: Tensor, scale: float = 1.0):
    f_own, f_other = FUNCTIONS[name]
    return softmax_forces(*rows, f_own=f_own, f_other=f_other, scale=scale)


@each_function
@pytest.mark.parametrize(("classes", "dim"), [(2, 2), (4, 3), (9, 1)])
@pytest.mark.parametrize("scale", [1.0, 0.3, 4.0])
def test_forces_are_minus_the_gradients(name, classes, dim, scale):
    for seed in range(5):
        rows = draw(seed, classes=classes, dim=dim)
        found = forces_of(name, *rows, scale=scale)
        by_embeddings, by_proxies = gradients(name, *rows, scale)
        torch.testing.assert_close(found.on_embeddings, -by_embeddings, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(found.on_proxies, -by_proxies, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("warp", WARPS)
def test_under_a_stop_gradient_the_forces_are_those_of_backpropagation(warp):
    alpha, beta, r, margin = warp
    embeddings, labels, proxies = draw(3)
    setting = {"alpha": alpha, "beta": beta, "r": r, "margin": margin, "scale": 1.7}
    embeddings.requires_grad_()
    loss = losses.warped_softmax(embeddings, labels, proxies, **setting, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, embeddings)
    scale = setting.pop("scale")
    found = softmax_forces(embeddings, labels, proxies, f_own=lambda d: losses.warp(d, **setting), scale=scale)
    torch.testing.assert_close(found.on_embeddings, -gradient, rtol=1e-9, atol=1e-11)
    assert not found.f1.requires_grad


@each_function
def test_each_force_alone_is_that_of_its_own_formula(name):
    """Row by row, class by class, with the slope of f by hand differences: independent of how dmlkit adds them up."""
    embeddings, labels, proxies = draw(1, n=6)
    f_own, f_other = (f or (lambda d: d) for f in FUNCTIONS[name])
    found = forces_of(name, embeddings, labels, proxies, scale=1.3)

    def slope(f, d):
        d = d.clone().requires_grad_()
        return torch.autograd.grad(f(d), d)[0]

    for i, y in enumerate(labels.tolist()):
        apart = embeddings[i] - proxies
        d = apart.norm(dim=1)
        logits = torch.stack([-1.3 * (f_own if c == y else f_other)(d[c]) for c in range(len(proxies))])
        p = logits.exp() / logits.exp().sum()
        f1 = torch.zeros(3, dtype=torch.float64)
        for c in range(len(proxies)):
            if c == y:
                pull = -1.3 * slope(f_own, d[c]) * (1 - p[c]) * apart[c] / d[c]
                torch.testing.assert_close(found.f3[i], pull)
                torch.testing.assert_close(found.f4[i], -pull)
                assert (found.f2[i, c] == 0).all()
            else:
                push = 1.3 * slope(f_other, d[c]) * p[c] * apart[c] / d[c]
                torch.testing.assert_close(found.f2[i, c], -push)
                f1 += push
        torch.testing.assert_close(found.f1[i], f1)
        torch.testing.assert_close(found.probabilities[i], p)


@each_function
def test_newtons_third_law_and_no_torque(name):
    embeddings, labels, proxies = draw(2, dim=2)
    found = forces_of(name, embeddings, labels, proxies)
    torch.testing.assert_close(found.f1, -found.f2.sum(dim=1))
    total = found.on_embeddings.sum(dim=0) + found.on_proxies.sum(dim=0)
    torch.testing.assert_close(total, torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-12)

    def torque(points, pushes):
        return (points[:, 0] * pushes[:, 1] - points[:, 1] * pushes[:, 0]).sum()

    both = torque(embeddings, found.on_embeddings) + torque(proxies, found.on_proxies)
    assert abs(both) < 1e-11


def test_two_plain_classes_give_four_forces_of_one_size():
    embeddings, labels, proxies = draw(4, classes=2)
    found = softmax_forces(embeddings, labels, proxies, scale=2.0)
    own = found.probabilities.gather(1, labels.unsqueeze(1)).squeeze(1)
    for force in (found.f1, found.f2.sum(dim=1), found.f3, found.f4):
        torch.testing.assert_close(force.norm(dim=1), 2.0 * (1 - own))


def test_behind_the_own_proxy_the_forces_cancel_and_between_them_they_add_up():
    proxies = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    rows = torch.tensor([[1.5, 0.0], [40.0, 0.0], [0.2, 0.0]], dtype=torch.float64)
    found = softmax_forces(rows, torch.zeros(3, dtype=torch.long), proxies)
    torch.testing.assert_close(found.cancelled, torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64))
    size = 1 / (1 + math.exp(2))  # the distances differ by 2 on all of the far ray
    assert found.f1[:2].norm(dim=1).tolist() == pytest.approx([size, size], rel=1e-12)


def test_a_saturated_share_keeps_its_digits():
    proxies = torch.tensor([[0.0], [100.0]], dtype=torch.float64)
    found = softmax_forces(torch.tensor([[1.0]], dtype=torch.float64), torch.tensor([0]), proxies)
    assert found.f3.item() == pytest.approx(-math.exp(-98), rel=1e-12)


@each_function
def test_on_a_proxy_the_pair_has_no_force_and_nothing_is_nan(name):
    embeddings, labels, proxies = draw(5)
    embeddings[0], embeddings[1] = proxies[labels[0]], proxies[(labels[1] + 1) % 4]
    found = forces_of(name, embeddings, labels, proxies)
    assert (found.f3[0] == 0).all() and (found.f4[0] == 0).all() and (found.f2[1, (labels[1] + 1) % 4] == 0).all()
    by_embeddings, by_proxies = gradients(name, embeddings, labels, proxies, 1.0)
    torch.testing.assert_close(found.on_embeddings, -by_embeddings)
    torch.testing.assert_close(found.on_proxies, -by_proxies)


def test_a_constant_function_exerts_no_force():
    rows = draw(6)
    found = softmax_forces(*rows, f_own=torch.zeros_like, f_other=torch.zeros_like)
    assert (found.on_embeddings == 0).all() and (found.on_proxies == 0).all()
    assert found.cancelled.isnan().all()


def test_half_precision_is_computed_in_single():
    embeddings, labels, proxies = (x.half() if x.is_floating_point() else x for x in draw(7))
    found = softmax_forces(embeddings, labels, proxies)
    exact = softmax_forces(embeddings.double(), labels, proxies.double())
    assert found.f1.dtype == torch.float32
    torch.testing.assert_close(found.on_embeddings.double(), exact.on_embeddings, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 5])
def test_linear_cross_entropy_is_equation_3(classes):
    embeddings, labels, proxies = draw(8, classes=classes)
    for loss, e, y in zip(
        losses.linear_cross_entropy(embeddings, labels, proxies, reduction="none"), embeddings, labels, strict=True
    ):
        others = [math.exp(e @ p - e @ proxies[y]) for j, p in enumerate(proxies) if j != y]
        assert loss.item() == pytest.approx(math.log(1 + sum(others)), rel=1e-10)


@pytest.mark.parametrize("classes", [2, 5])
def test_euclidean_softmax_is_equation_4_and_with_two_classes_equation_10(classes):
    embeddings, labels, proxies = draw(9, classes=classes)
    for loss, e, y in zip(
        losses.euclidean_softmax(embeddings, labels, proxies, reduction="none"), embeddings, labels, strict=True
    ):
        others = [math.exp((e - proxies[y]).norm() - (e - p).norm()) for j, p in enumerate(proxies) if j != y]
        assert len(others) == classes - 1
        assert loss.item() == pytest.approx(math.log(1 + sum(others)), rel=1e-10)


ROWS, LABELS, PROXIES = torch.zeros(2, 3), torch.tensor([0, 1]), torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "sentence"),
    [
        ((ROWS.long(), LABELS, PROXIES), {}, TypeError, "^embeddings must have a floating-point dtype"),
        ((ROWS, LABELS + 1, PROXIES), {}, ValueError, "^labels must lie in 0 … 1, found 1 … 2"),
        ((ROWS, LABELS, PROXIES[:, :2]), {}, ValueError, "^proxies must have 3 columns"),
        ((ROWS[:1], LABELS[:1], PROXIES[:1]), {}, ValueError, "^proxies must hold at least two rows"),
        ((ROWS[:0], LABELS[:0], PROXIES), {}, ValueError, "^embeddings is empty"),
        ((ROWS, LABELS, PROXIES), {"scale": 0.0}, ValueError, "^scale must be greater than 0, found 0"),
        ((ROWS, LABELS, PROXIES), {"f_own": 2.0}, TypeError, "^f_own must be a function of distances, found float"),
        ((ROWS, LABELS, PROXIES), {"f_own": lambda d: 1}, TypeError, "^f_own must return a torch.Tensor, found int"),
        ((ROWS, LABELS, PROXIES), {"f_other": torch.sum}, ValueError, "^f_other must keep the shape"),
    ],
)
def test_wrong_arguments_are_refused(arguments, options, error, sentence):
    with pytest.raises(error, match=sentence):
        softmax_forces(*arguments, **options)


def test_docstring_and_its_example():
    text = inspect.getdoc(softmax_forces)
    for part in ("paper W", "Args:", "Returns:", "Raises:", 'chapter "Forces in a Euclidean softmax"'):
        assert part in text
    for argument in inspect.signature(softmax_forces).parameters:
        assert re.search(rf"^    {argument}:", text, re.MULTILINE), argument
    (test,) = doctest.DocTestFinder(recurse=False).find(softmax_forces, "softmax_forces", globs=vars(forces_module))
    assert test.examples
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test)
    assert runner.failures == 0
