"""In which precision a loss is computed, whatever the embeddings and the parameters came in."""

import pytest
import torch
from cases import ALL, LABELS, embeddings

each_loss = pytest.mark.parametrize("name", ALL)
with_parameters = pytest.mark.parametrize("name", [name for name, loss in ALL.items() if loss.parameters])
HALF = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", HALF)
@each_loss
def test_half_precision_is_computed_in_float32(name, dtype):
    half = embeddings().to(dtype).requires_grad_()
    value = ALL[name](half, LABELS)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), ALL[name](half.double(), LABELS), atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(value, half)
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", HALF)
@each_loss
def test_half_precision_costs_the_gradient_no_more_than_its_own_rounding(name, dtype):
    half = embeddings().to(dtype).requires_grad_()
    full = half.detach().float().requires_grad_()
    (gradient,) = torch.autograd.grad(ALL[name](half, LABELS), half)
    (expected,) = torch.autograd.grad(ALL[name](full, LABELS), full)
    torch.testing.assert_close(gradient, expected.to(dtype), atol=0, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@each_loss
def test_result_has_the_dtype_of_the_embeddings(name, dtype):
    rows = embeddings().to(dtype).requires_grad_()
    value = ALL[name](rows, LABELS)
    assert value.dtype == dtype
    assert torch.autograd.grad(value, rows)[0].dtype == dtype


@each_loss
def test_float64_is_computed_in_float64(name):
    """A step down to float32 on the way would leave a value that no longer moves with the last digits."""
    rows = embeddings().double()
    nudge = 1e-10 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    rows.requires_grad_()
    value = ALL[name](rows, LABELS)
    (gradient,) = torch.autograd.grad(value, rows)
    if ALL[name].has("stopped"):
        assert ALL[name](rows + nudge, LABELS) != value
    else:
        step = ALL[name](rows + nudge, LABELS) - value
        torch.testing.assert_close(step, (gradient * nudge).sum(), atol=2e-14 * (1 + abs(value.item())), rtol=1e-3)


@pytest.mark.parametrize("given", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@with_parameters
def test_parameters_keep_their_dtype_under_half_embeddings(name, given):
    """Embeddings from autocast, proxies in float32: neither converts the other for good."""
    loss = ALL[name]
    held = {key: value.clone().requires_grad_() for key, value in loss.fixed.items()}
    value = loss(embeddings().to(given), LABELS, **held)
    assert value.dtype == (torch.float64 if given == torch.float64 else torch.float32)
    for parameter, gradient in zip(held.values(), torch.autograd.grad(value, list(held.values())), strict=True):
        assert parameter.dtype == gradient.dtype == torch.float32
        assert gradient.isfinite().all()


@pytest.mark.parametrize("given", [torch.float16, torch.bfloat16, torch.float64])
@with_parameters
def test_parameters_of_another_dtype(name, given):
    loss = ALL[name]
    held = {key: value.to(given).requires_grad_() for key, value in loss.fixed.items()}
    value = loss(embeddings(), LABELS, **held)
    assert value.dtype == torch.float32
    expected = loss(embeddings(), LABELS, **{key: value.detach().float() for key, value in held.items()})
    torch.testing.assert_close(value, expected)
    assert all(gradient.dtype == given for gradient in torch.autograd.grad(value, list(held.values())))


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32])
@each_loss
def test_labels_of_every_integer_dtype(name, dtype):
    expected = ALL[name](embeddings(), LABELS)
    torch.testing.assert_close(ALL[name](embeddings(), LABELS.to(dtype)), expected, atol=0, rtol=0)


@each_loss
def test_autocast_does_not_reach_the_loss(name):
    rows = embeddings().requires_grad_()
    expected = ALL[name](rows, LABELS)
    (expected_gradient,) = torch.autograd.grad(expected, rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (rows @ rows.T).dtype == torch.bfloat16  # autocast is on
        value = ALL[name](rows, LABELS)
    (gradient,) = torch.autograd.grad(value, rows)  # outside, as torch's guide asks
    assert value.dtype == torch.float32
    assert value.item() == expected.item()
    torch.testing.assert_close(gradient, expected_gradient, atol=0, rtol=0)
