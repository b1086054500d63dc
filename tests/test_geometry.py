"""The shared mathematics: unit rows, distances, class sums."""

import pytest
import torch

from dmlkit.geometry import class_sums, compact_labels, euclidean_distances, full_precision, unit_rows


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_full_precision(given, computed):
    x = torch.tensor([[1.5, -2.0]], dtype=given)
    assert full_precision(x).dtype == computed
    assert full_precision(x).tolist() == x.tolist()


def test_full_precision_copies_nothing_that_is_precise_enough():
    x = draw(2, 3)
    assert full_precision(x) is x


# unit_rows


def test_unit_rows_are_x_over_its_length():
    x = draw(7, 4)
    torch.testing.assert_close(unit_rows(x), x / x.norm(dim=1, keepdim=True), atol=1e-14, rtol=0)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_unit_rows_gradient(dim):
    assert torch.autograd.gradcheck(unit_rows, draw(4, dim).requires_grad_())


@pytest.mark.parametrize("size", [1e-38, 1e-30, 1e-20, 1.0, 1e20, 1e30, 1e38])
def test_unit_rows_of_any_size(size):
    x = (draw(5, 3, dtype=torch.float32) / 3 * size).requires_grad_()
    expected = torch.nn.functional.normalize(x.detach().double(), dim=1, eps=0)
    value = unit_rows(x)
    torch.testing.assert_close(value.double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_rows_stay_zero_without_a_gradient(dtype):
    x = draw(4, 3, dtype=dtype)
    x[[0, 2]] = 0
    x.requires_grad_()
    value = unit_rows(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert (value[[0, 2]] == 0).all()
    assert (gradient[[0, 2]] == 0).all()
    assert gradient.isfinite().all()
    assert (gradient[[1, 3]] != 0).any()


# euclidean_distances


@pytest.mark.parametrize(("rows", "others", "dim"), [(1, 1, 1), (4, 7, 3), (30, 40, 16)])
def test_distances_are_the_lengths_of_the_differences(rows, others, dim):
    a, b = draw(rows, dim), draw(others, dim, seed=1)
    expected = (a.unsqueeze(1) - b).square().sum(dim=2).sqrt()
    torch.testing.assert_close(euclidean_distances(a, b), expected, atol=1e-13, rtol=0)


def test_distances_keep_their_digits_close_to_a_far_point():
    """‖a‖² + ‖b‖² − 2a·b would give 0 or noise here: the squares are 10⁶, their last digit 0.1, the answer 10⁻³.

    More than 25 rows, from where on cdist takes the expansion unless it is told not to.
    """
    b = torch.full((40, 64), 128.0)
    offset = torch.zeros(64)
    offset[0] = 2.0**-10
    distances = euclidean_distances(b + offset, b)
    torch.testing.assert_close(distances, torch.full((40, 40), 2.0**-10), atol=0, rtol=1e-6)


def test_distances_gradient():
    assert torch.autograd.gradcheck(
        euclidean_distances, [draw(4, 3).requires_grad_(), draw(2, 3, seed=1).requires_grad_()]
    )


def test_distance_0_has_gradient_0():
    a, b = draw(1, 3).requires_grad_(), draw(1, 3).requires_grad_()
    distance = euclidean_distances(a, b)
    assert distance.item() == 0
    assert all((gradient == 0).all() for gradient in torch.autograd.grad(distance.sum(), [a, b]))


# compact_labels and class_sums


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_compact_labels(dtype):
    index, counts = compact_labels(torch.tensor([7, -3, 2_000_000_000, 7, 7], dtype=dtype))
    assert index.tolist() == [1, 0, 2, 1, 1]
    assert counts.tolist() == [1, 3, 1]


def test_class_sums():
    x, index = draw(6, 3), torch.tensor([0, 2, 2, 0, 2, 0])
    sums = class_sums(x, index, 4)
    assert sums.shape == (4, 3)
    for c in range(4):
        expected = sum((row for row, i in zip(x, index.tolist(), strict=True) if i == c), torch.zeros(3))
        torch.testing.assert_close(sums[c], expected.double(), atol=1e-14, rtol=0)


def test_class_sums_gradient():
    index = torch.tensor([0, 2, 2, 0])
    assert torch.autograd.gradcheck(lambda x: class_sums(x, index, 3), draw(4, 2).requires_grad_())
