"""What every loss has in common, against its oracle: defaults, rows without a direction, labels, layouts in memory."""

import oracles
import oracles_classification
import oracles_mutual_information
import oracles_pairs
import oracles_proxies
import pytest
import torch
from comparisons import assert_same, draw

from dmlkit import losses

LABELS = torch.tensor([0, 1, 2, 1, 0, 2, 2])
WARP = {"alpha": 0.5, "beta": 1.5, "r": 1.0}
MONOTONE = {"f_own": torch.sqrt, "f_other": torch.log1p}
MAGNITUDES = {
    "lower_margin": 0.45,
    "upper_margin": 0.8,
    "lower_norm": 10.0,
    "upper_norm": 110.0,
    "regularization": 35.0,
    "scale": 64.0,
}
HIST_SIZES = [(3, 3), (3, 3), (5, 3), (5,), (3, 5), (3,)]
# name → its oracle, the sizes of its parameters for three classes in three dimensions, its defaults, and what has none
ALL = {
    "cross_entropy": (oracles.cross_entropy, [], {"label_smoothing": 0.0, "smoothing": "all"}, {}),
    "linear_cross_entropy": (
        oracles.linear_cross_entropy,
        [(3, 3), (3,)],
        {"label_smoothing": 0.0, "smoothing": "all"},
        {},
    ),
    "norm_softmax": (oracles_classification.norm_softmax, [(3, 3)], {"temperature": 0.05}, {}),
    "cos_face": (oracles_classification.cos_face, [(3, 3)], {"margin": 0.35, "scale": 64.0}, {}),
    "arc_face": (oracles_classification.arc_face, [(3, 3)], {"margin": 0.5, "scale": 64.0}, {}),
    "sphere_face": (oracles_classification.sphere_face, [(3, 3)], {"margin": 4.0, "scale": 1.0}, {}),
    "mag_face": (oracles_classification.mag_face, [(3, 3)], MAGNITUDES, {}),
    "sup_con": (oracles.sup_con, [], {"temperature": 0.1}, {}),
    "soft_silhouette": (
        oracles.soft_silhouette,
        [],
        {"temperature": 0.1, "nearest_temperature": 0.1, "soft_min": "logsumexp", "eps": 1e-8},
        {},
    ),
    "contrastive": (oracles_pairs.contrastive, [], {"margin": 1.0}, {}),
    "triplet": (oracles_pairs.triplet, [], {"margin": 0.2, "mining": "all", "average": "active"}, {}),
    "snca": (oracles_pairs.snca, [], {"temperature": 0.05}, {}),
    "multi_similarity": (
        oracles_pairs.multi_similarity,
        [],
        {"alpha": 2.0, "beta": 50.0, "margin": 0.5, "mining_margin": None},
        {},
    ),
    "circle": (oracles_pairs.circle, [], {"margin": 0.4, "gamma": 80.0}, {}),
    "lifted_structure": (oracles_pairs.lifted_structure, [], {"margin": 1.0}, {}),
    "center": (oracles_proxies.center, [(3, 3)], {}, {}),
    "proxy_nca": (oracles_proxies.proxy_nca, [(3, 3)], {"scale": 1.0, "own_in_denominator": True}, {}),
    "proxy_nca_plus_plus": (oracles_proxies.proxy_nca_plus_plus, [(3, 3)], {"temperature": 1 / 9}, {}),
    "proxy_anchor": (oracles_proxies.proxy_anchor, [(3, 3)], {"margin": 0.1, "alpha": 32.0}, {}),
    "soft_triple": (
        oracles_proxies.soft_triple,
        [(3, 2, 3)],
        {"scale": 20.0, "gamma": 0.1, "margin": 0.01, "regularization": 0.0},
        {},
    ),
    "hist_distribution": (oracles_proxies.hist_distribution, HIST_SIZES[:2], {"temperature": 1 / 32}, {}),
    "hist": (
        oracles_proxies.hist,
        HIST_SIZES,
        {"temperature": 1 / 32, "alpha": 0.9, "hypergraph_weight": 1.0},
        {},
    ),
    "pairwise_cross_entropy": (
        oracles_mutual_information.pairwise_cross_entropy,
        [(3, 3), (3,)],
        {"lam": None},
        {},
    ),
    "fitted_pairwise_cross_entropy": (
        oracles_mutual_information.fitted_pairwise_cross_entropy,
        [(3, 3), (3,)],
        {"lam": 1.0},
        {},
    ),
    "simplified_pairwise_cross_entropy": (oracles_mutual_information.simplified_pairwise_cross_entropy, [], {}, {}),
    "euclidean_softmax": (oracles.euclidean_softmax, [(3, 3)], {"scale": 1.0}, {}),
    "warped_softmax": (oracles.warped_softmax, [(3, 3)], {"margin": 1.0, "scale": 1.0}, WARP),
    "monotone_softmax": (oracles.monotone_softmax, [(3, 3)], {"scale": 1.0}, MONOTONE),
}
# Those that see the direction of a row alone; mag_face sees a length too, but none below its range.
ON_THE_SPHERE = [
    "norm_softmax",
    "cos_face",
    "arc_face",
    "mag_face",
    "sup_con",
    "soft_silhouette",
    "snca",
    "multi_similarity",
    "circle",
    "proxy_nca",
    "proxy_nca_plus_plus",
    "proxy_anchor",
    "soft_triple",
    "hist_distribution",
]
LENGTHS = {"mag_face": 20.0}  # into its range of norms


def leaves_of(name, spread=1):
    """Embeddings and parameters; `spread` makes each row of a parameter so many times as long."""
    generator = torch.Generator().manual_seed(8)
    sizes = [(*size[:-1], spread * size[-1]) for size in ALL[name][1]]
    parameters = [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]
    return [LENGTHS.get(name, 1.0) * draw(7, 3, 3, 5)[0], *parameters]


@pytest.mark.parametrize("name", ALL)
def test_defaults(name):
    oracle, _, defaults, given = ALL[name]
    assert_same(
        lambda e, *p, reduction: getattr(losses, name)(e, LABELS, *p, **given),
        lambda e, *p: oracle(e, LABELS, *p, **defaults, **given),
        leaves_of(name),
        "mean",
    )


@pytest.mark.parametrize("name", ON_THE_SPHERE)
def test_zero_rows_on_the_sphere(name):
    """At the origin: at cosine 0 from everything, themselves included, and with no gradient."""
    oracle, _, defaults, given = ALL[name]
    leaves = leaves_of(name)
    leaves[0][[1, 3, 6]] = 0
    assert_same(
        lambda e, *p, reduction: getattr(losses, name)(e, LABELS, *p, **given, reduction=reduction),
        lambda e, *p: oracle(e, LABELS, *p, **defaults, **given),
        leaves,
        "none",
    )


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8])
@pytest.mark.parametrize("name", ALL)
def test_any_integer_labels(name, dtype):
    oracle, _, defaults, given = ALL[name]
    embeddings, *parameters = leaves_of(name)
    value = getattr(losses, name)(embeddings, LABELS.to(dtype), *parameters, **given, reduction="none")
    expected = oracle(embeddings, LABELS, *parameters, **defaults, **given)
    expected = oracles.reduced(expected[0] if isinstance(expected, tuple) else expected, "none")
    torch.testing.assert_close(value, expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", ALL)
def test_tensors_with_gaps_in_memory(name):
    oracle, _, defaults, given = ALL[name]
    labels = torch.stack([LABELS, torch.full_like(LABELS, 9)], dim=1).flatten()[::2]
    wide = LENGTHS.get(name, 1.0) * draw(6, 14, 3, 6)[0]

    def thin(e, parameters):
        embeddings, parameters = e[::2, 1::2].T, [p[..., ::2] for p in parameters]
        assert not any(x.is_contiguous() for x in (embeddings, labels, *parameters))
        return embeddings, labels, *parameters

    assert_same(
        lambda e, *p, reduction: getattr(losses, name)(*thin(e, p), **given, reduction=reduction),
        lambda e, *p: oracle(*thin(e, p), **defaults, **given),
        [wide, *leaves_of(name, spread=2)[1:]],
        "none",
    )
