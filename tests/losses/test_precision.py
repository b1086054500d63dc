"""In which precision a loss is computed, whatever the embeddings came in."""

import pytest
import torch
from cases import ALL, LABELS, embeddings


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ALL)
def test_half_precision_is_computed_in_float32(name, dtype):
    half = embeddings().to(dtype).requires_grad_()
    value = ALL[name](half, LABELS)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), ALL[name](half.double(), LABELS), atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(value, half)
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ALL)
def test_result_has_the_dtype_of_the_embeddings(name, dtype):
    assert ALL[name](embeddings().to(dtype), LABELS).dtype == dtype


@pytest.mark.parametrize("name", ALL)
def test_autocast_does_not_reach_the_loss(name):
    rows = embeddings()
    expected = ALL[name](rows, LABELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (rows @ rows.T).dtype == torch.bfloat16  # autocast is on
        value = ALL[name](rows, LABELS)
    assert value.dtype == torch.float32
    assert value.item() == expected.item()
