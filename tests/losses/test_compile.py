"""Every loss compiles to one graph, of the same value and gradient."""

import shutil

import pytest
import torch
from cases import ALL, LABELS, embeddings
from test_modules import LABELS as MODULE_LABELS
from test_modules import MODULES, filled
from test_modules import embeddings as module_embeddings

from dmlkit.losses import CrossEntropy, LinearCrossEntropy, SoftSilhouette, SupCon, WeightedSum

UNEVEN = torch.tensor([7, 2**40, -3, -3, 7, -3])  # one row alone, three classes, two of the rows' places unused


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled(function):
    return torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=False)


def assert_same(function, leaves):
    """`function(*leaves)` is the same when compiled, and so are the gradients of all leaves."""
    sides = []
    for side in (function, compiled(function)):
        own = [leaf.detach().clone().requires_grad_() for leaf in leaves]
        value = side(*own)
        weights = torch.linspace(0.5, 2, value.numel()).reshape(value.shape)  # unequal: a row on a wrong place shows
        sides.append((value.detach(), torch.autograd.grad((value * weights).sum(), own)))
    (value, gradients), (compiled_value, compiled_gradients) = sides
    assert value.isfinite().all()
    torch.testing.assert_close(compiled_value, value, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(compiled_gradients, gradients, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_function(name):
    loss = ALL[name]
    labels = UNEVEN if loss.has("free") else LABELS
    options = {} if loss.has("total") else {"reduction": "none"}
    names = list(loss.parameters)

    def function(rows, *held):
        return loss.function(rows, labels, **{**loss.options, **options, **dict(zip(names, held, strict=True))})

    assert_same(function, [embeddings(), *loss.fixed.values()])


@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    """With the mean, whose count of anchors is a value of the batch; in float64, as 512 hidden units lose digits."""
    module = filled(name, **MODULES[name][1]).double()
    rows = module_embeddings().double().requires_grad_()
    value, expected = compiled(module)(rows, MODULE_LABELS), module(rows, MODULE_LABELS)
    torch.testing.assert_close(value, expected, atol=1e-10, rtol=1e-10)
    leaves = [rows, *module.parameters()]
    gradients, expected = torch.autograd.grad(value, leaves), torch.autograd.grad(expected, leaves)
    torch.testing.assert_close(gradients, expected, atol=1e-10, rtol=1e-10)


def test_weighted_sum():
    loss = WeightedSum(
        {"ce": CrossEntropy(), "con": SupCon(), "sil": SoftSilhouette(), "lin": LinearCrossEntropy(3, 4)},
        {"ce": 1.0, "con": 0.5, "sil": 2.0, "lin": 0.0},
        taps={"ce": "logits"},
    )
    rows = module_embeddings().requires_grad_()
    expected = loss(rows, MODULE_LABELS, logits=embeddings())
    parts = dict(loss.parts)
    compiled_loss = compiled(loss)
    compiled_loss(2 * rows.detach(), MODULE_LABELS, logits=embeddings())  # other parts, to be overwritten
    value = compiled_loss(rows, MODULE_LABELS, logits=embeddings())
    torch.testing.assert_close(value, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(loss.parts, parts, atol=1e-5, rtol=1e-5)
    assert not any(part.requires_grad for part in loss.parts.values())
    torch.testing.assert_close(
        torch.autograd.grad(value, rows), torch.autograd.grad(expected, rows), atol=1e-5, rtol=1e-5
    )


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile's own backend needs a C++ compiler")
def test_a_single_loss_of_weight_1_keeps_its_gradient():
    """With the default backend, in which the loss and its part were one tensor, and that one had no gradient."""
    loss = WeightedSum({"con": SupCon()}, {"con": 1.0})
    rows = module_embeddings().requires_grad_()
    value, expected = torch.compile(loss)(rows, MODULE_LABELS), loss(rows, MODULE_LABELS)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(torch.autograd.grad(value, rows), torch.autograd.grad(expected, rows))
    torch.testing.assert_close(loss.parts["con"], expected.detach())
