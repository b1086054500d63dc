"""Runs of minutes on real images: that the recipes learn there, not only that they run.

They need the packs (`make test-packs DMLKIT_PACKS=…`) and, for birds, the pretrained network among them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmlkit.recipes import recipe
from dmlkit.records import estimate
from dmlkit.training import run

pytestmark = pytest.mark.packs

# MobileNetV2 as ImageNet left it, at 224 pixels, on the same 25 classes: see tests/metrics/test_real_features.py.
UNTRAINED = 0.617


def test_a_small_network_classifies_garments(tmp_path):
    """Three epochs without augmentation; on two quiet cores in a minute and a half."""
    config = replace(recipe("silhouette/CE", "fashion-mnist", scale="small"), transforms="plain")
    record = run(config, root=tmp_path, progress=False)
    print(f"top-1 {record.metrics['top-1']:.4f} in {record.seconds:.0f} s")
    assert record.metrics["top-1"] > 0.9


def test_fine_tuning_finds_unseen_birds_better_than_the_untrained_network(tmp_path):
    """At 160 pixels, where the untrained network itself reaches less (.59) than at 224."""
    records = [
        run(recipe("cross_entropy", "cub200", scale="small", seed=seed), root=tmp_path, progress=False)
        for seed in range(3)
    ]
    found = [record.metrics["R@1"] for record in records]
    print(f"R@1 {estimate(found)}, of {found}")
    assert min(found) > UNTRAINED
    assert estimate(found).mean > UNTRAINED + 0.02
