"""Value and gradient of the losses over class weights against the loop-written transcriptions of their equations."""

import math

import oracles_classification as oracles
import pytest
import torch
from comparisons import REDUCTIONS, SHAPES, assert_same, draw

from dmlkit import losses


def angles_to_own(embeddings, labels, weight):
    return torch.nn.functional.cosine_similarity(embeddings, weight[labels]).acos()


def all_around():
    """Rows at every angle from their own class, 0 and π left out: acos has no slope there."""
    labels = torch.arange(12) % 3
    weight = draw(1, 2, 3, 7)[2]
    turns = torch.linspace(0.1, math.pi - 0.1, 12, dtype=torch.float64)
    start = torch.atan2(weight[labels, 1], weight[labels, 0])
    embeddings = torch.stack([(start + turns).cos(), (start + turns).sin()], dim=1)
    return embeddings * torch.linspace(0.3, 2, 12, dtype=torch.float64).unsqueeze(1), labels, weight


def compare(name, options, batch, reduction):
    embeddings, labels, weight = batch
    assert_same(
        lambda e, w, reduction: getattr(losses, name)(e, labels, w, **options, reduction=reduction),
        lambda e, w: getattr(oracles, name)(e, labels, w, **options),
        [embeddings, weight],
        reduction,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_norm_softmax(shape, temperature, reduction):
    compare("norm_softmax", {"temperature": temperature}, draw(*shape)[:3], reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("margin", "scale"), [(0.35, 64.0), (0.0, 10.0), (1.2, 1.0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_cos_face(shape, margin, scale, reduction):
    compare("cos_face", {"margin": margin, "scale": scale}, draw(*shape)[:3], reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("margin", "scale"), [(0.5, 64.0), (0.0, 10.0), (1.5, 4.0), (3.0, 1.0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_arc_face(shape, margin, scale, reduction):
    compare("arc_face", {"margin": margin, "scale": scale}, draw(*shape)[:3], reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("margin", "scale"), [(0.5, 30.0), (1.5, 4.0), (3.0, 1.0)])
def test_arc_face_at_all_angles(margin, scale, reduction):
    batch = all_around()
    past = angles_to_own(*batch) > math.pi - margin
    assert past.any() and not past.all()
    compare("arc_face", {"margin": margin, "scale": scale}, batch, reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("margin", "scale"), [(4.0, 1.0), (1.0, 16.0), (1.35, 8.0), (2.0, 0.5)])
@pytest.mark.parametrize("shape", SHAPES)
def test_sphere_face(shape, margin, scale, reduction):
    compare("sphere_face", {"margin": margin, "scale": scale}, draw(*shape)[:3], reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("margin", "segments"), [(4.0, {0, 1, 2, 3}), (3.0, {0, 1, 2}), (2.5, {0, 1, 2}), (1.35, {0, 1}), (1.0, {0})]
)
def test_sphere_face_in_every_segment(margin, segments, reduction):
    batch = all_around()
    assert {oracles.segment(angle, margin) for angle in angles_to_own(*batch)} == segments
    compare("sphere_face", {"margin": margin, "scale": 2.0}, batch, reduction)


NORMS = [3.0, 9.9, 10.1, 40.0, 75.0, 109.0, 111.0, 500.0]
MAGNITUDES = [
    {},
    {"lower_margin": 0.0, "upper_margin": 1.0, "regularization": 0.0, "scale": 8.0},
    {"lower_margin": 0.3, "upper_margin": 2.9, "regularization": 3.5, "scale": 2.0},
    {"lower_norm": 20.0, "upper_norm": 80.0, "scale": 16.0},
]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("changed", MAGNITUDES)
@pytest.mark.parametrize(("dim", "seed"), [(2, 0), (4, 1)])
def test_mag_face(dim, seed, changed, reduction):
    """Rows shorter than the range of norms, in it, and longer."""
    options = {
        "lower_margin": 0.45,
        "upper_margin": 0.8,
        "lower_norm": 10.0,
        "upper_norm": 110.0,
        "regularization": 35.0,
        "scale": 64.0,
        **changed,
    }
    embeddings, labels, weight, _ = draw(len(NORMS), dim, 3, seed)
    norms = torch.tensor(NORMS, dtype=torch.float64)
    embeddings = torch.nn.functional.normalize(embeddings) * norms.unsqueeze(1)
    compare("mag_face", options, (embeddings, labels, weight), reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_mag_face_at_all_angles(reduction):
    """The branch past π − m(a), where m moves with the length on both sides of it."""
    embeddings, labels, weight = all_around()
    norms = torch.linspace(15, 100, 12, dtype=torch.float64)
    options = {"lower_margin": 0.5, "upper_margin": 1.5, "lower_norm": 10.0, "upper_norm": 110.0}
    past = angles_to_own(embeddings, labels, weight) > math.pi - (0.5 + (norms - 10) / 100)
    assert past.any() and not past.all()
    embeddings = torch.nn.functional.normalize(embeddings) * norms.unsqueeze(1)
    compare("mag_face", {**options, "regularization": 2.0, "scale": 4.0}, (embeddings, labels, weight), reduction)
