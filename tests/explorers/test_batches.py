"""The explorer's batches are drawn as it says, and their silhouettes are dmlkit's."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from dmlkit.explorers import batches, host
from dmlkit.explorers.batches import BATCHES, CLASSES, IMAGES, POINTS, SCALE, batch_silhouette, data_set
from dmlkit.losses import soft_silhouette
from dmlkit.metrics import silhouette_score

SETTINGS = [
    {"batch": batch, "images": images, "classes": classes}
    for batch in (8, 32, 256, 512)
    for images in (0, 2, 8, 32)
    for classes in (2, 3, 7, 12, 24)
]


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/batches_arithmetic.js").as_uri()


@pytest.fixture(scope="module")
def drawn(node, arithmetic):
    """Five batches of each setting."""
    return node(f"""
        import {{ batchSeries }} from "{arithmetic}";
        const plain = ({{ rows, mean, anchors, present }}) => ({{ rows: [...rows], mean, anchors, present }});
        console.log(JSON.stringify({json.dumps(SETTINGS)}.map((setting) => {{
          const {{ plan, whole, upTo }} = batchSeries(setting);
          return {{ plan, whole, batches: upTo(5).map(plain) }};
        }})));
    """)


def test_data_set_is_the_same_in_python_and_javascript(node, arithmetic):
    found = node(f"""
        import {{ POINTS, SCALE, dataSet }} from "{arithmetic}";
        const sets = [2, 5, 7, 24].map(dataSet).map(({{ x, y, labels }}) => [[...x], [...y], [...labels]]);
        console.log(JSON.stringify([POINTS, SCALE, sets]));
    """)
    assert found[:2] == [POINTS, SCALE]
    for classes, (x, y, labels) in zip((2, 5, 7, 24), found[2], strict=True):
        points, expected = data_set(classes)
        torch.testing.assert_close(torch.tensor([x, y], dtype=torch.float64).T, points, rtol=0, atol=1e-9)
        assert labels == expected.tolist()
        assert np.ptp(np.bincount(labels)) <= 1 and len(labels) == POINTS


def test_silhouette_of_a_batch_is_dmlkits(drawn):
    singletons = 0
    for setting, one in zip(SETTINGS, drawn, strict=True):
        points, labels = data_set(setting["classes"])
        assert one["whole"] == pytest.approx(silhouette_score(points, labels), abs=1e-9)
        for batch in one["batches"]:
            rows = torch.tensor(batch["rows"])
            expected = batch_silhouette(points[rows], labels[rows])
            assert batch["mean"] == (None if expected is None else pytest.approx(expected, abs=1e-9))
            counts = labels[rows].bincount()
            assert batch["present"] == (counts > 0).sum()
            if expected is not None:
                assert batch["anchors"] == counts[counts > 1].sum()
                singletons += int((counts == 1).sum())
    assert singletons > 20  # the convention about them was tried


def test_same_rows_count_as_in_the_soft_silhouette(drawn):
    """A limit of the loss that training minimises: the temperatures go to 0."""
    tried = 0
    for setting, one in zip(SETTINGS, drawn, strict=True):
        points, labels = data_set(setting["classes"])
        for batch in one["batches"]:
            rows = torch.tensor(batch["rows"])
            if batch["mean"] is None or setting["batch"] > 32:
                continue
            tried += 1
            loss = soft_silhouette(points[rows], labels[rows], temperature=1e-5, nearest_temperature=1e-5)
            assert 1 - loss.item() == pytest.approx(batch["mean"], abs=2e-3)
    assert tried > 100


def test_batches_are_what_the_plan_says(drawn):
    for setting, one in zip(SETTINGS, drawn, strict=True):
        _, labels = data_set(setting["classes"])
        plan = one["plan"]
        for batch in one["batches"]:
            assert len(set(batch["rows"])) == len(batch["rows"]) == plan["size"] <= setting["batch"]
            if not plan["random"]:
                counts = labels[torch.tensor(batch["rows"])].bincount()
                assert sorted(set(counts.tolist()) - {0}) == [plan["each"]]
                assert (counts > 0).sum() == plan["perBatch"] == batch["present"]
        if setting["images"]:
            # At least two classes, or there is no silhouette; at most all of them.
            assert plan["perBatch"] == min(setting["classes"], max(2, setting["batch"] // setting["images"]))
            assert plan["size"] > setting["batch"] - plan["perBatch"]
            if setting["batch"] // setting["images"] in range(2, setting["classes"] + 1):
                assert plan["each"] == setting["images"]
        assert one["batches"][0]["rows"] != one["batches"][1]["rows"]


def test_every_image_and_every_class_is_as_likely(node, arithmetic):
    """Over 3,000 batches: how often each image was drawn scatters as a binomial number does, no more and no less."""
    settings = [{"batch": 64, "images": images, "classes": 12} for images in (0, 8)]
    counts = node(f"""
        import {{ batchSeries }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(settings)}.map((setting) => {{
          const found = new Array({POINTS}).fill(0);
          for (const {{ rows }} of batchSeries(setting).upTo(3000)) for (const i of rows) found[i] += 1;
          return found;
        }})));
    """)
    for found in counts:
        share = 64 / POINTS
        found = np.array(found)
        assert found.sum() == 3000 * 64
        deviation = (found - 3000 * share) / math.sqrt(3000 * share * (1 - share))
        assert np.abs(deviation).max() < 5 and 0.7 < deviation.std() < 1.3


def test_as_many_anchors_count_as_the_formula_of_the_chapter_says(node, arithmetic):
    """E[singletons] = Σ N_c C(N − N_c, B − 1) / C(N, B), without replacement."""
    setting = {"batch": 16, "images": 0, "classes": 12}
    shares = node(f"""
        import {{ batchSeries, summaryOf }} from "{arithmetic}";
        const {{ plan, upTo }} = batchSeries({json.dumps(setting)});
        console.log(JSON.stringify(summaryOf(upTo(2000), plan.size)));
    """)
    size = POINTS // 12
    alone = 12 * size * math.comb(POINTS - size, 15) / math.comb(POINTS, 16)
    assert shares["counted"] == pytest.approx(1 - alone / 16, abs=0.01)
    missing = math.comb(POINTS - size, 16) / math.comb(POINTS, 16)
    assert shares["present"] == pytest.approx(12 * (1 - missing), abs=0.1)


def test_draws_do_not_depend_on_the_steps_they_come_in(node, arithmetic):
    one_by_one, at_once = node(f"""
        import {{ batchSeries }} from "{arithmetic}";
        const setting = {json.dumps(SETTINGS[6])};
        const [slow, fast] = [batchSeries(setting), batchSeries(setting)];
        for (let k = 1; k < 40; k++) slow.upTo(k);
        console.log(JSON.stringify([slow, fast].map(({{ upTo }}) => upTo(40).map(({{ mean }}) => mean))));
    """)
    assert one_by_one == at_once and len(set(at_once)) == 40


def test_summary_leaves_out_batches_without_a_silhouette(node, arithmetic):
    found = node(f"""
        import {{ summaryOf }} from "{arithmetic}";
        const draw = (mean, anchors) => ({{ mean, anchors, present: 3 }});
        console.log(JSON.stringify(summaryOf([draw(0.1, 4), draw(NaN, 0), draw(0.4, 8), draw(0.7, 4)], 8)));
    """)
    assert found["values"] == [0.1, 0.4, 0.7] and found["mean"] == pytest.approx(0.4)
    assert found["spread"] == pytest.approx(np.std([0.1, 0.4, 0.7], ddof=1))
    assert found["error"] == pytest.approx(found["spread"] / math.sqrt(3))
    assert found["counted"] == 0.5 and found["present"] == 3


def verdicts(node, *settings: dict) -> list[str]:
    return node(
        host.bundle("batches")
        + f"""
        const says = (setting) => {{
          const series = batchSeries(setting);
          const summary = summaryOf(series.upTo(setting.draws), series.plan.size);
          return batchVerdict(summary, series, setting.draws, setting.classes);
        }};
        console.log(JSON.stringify({json.dumps(settings)}.map(says)));
        """
    )


def test_verdict_says_which_way_the_bias_goes(node):
    high, low, none, one, silent, lifted = verdicts(
        node,
        {"batch": 32, "images": 8, "classes": 12, "draws": 200},
        {"batch": 32, "images": 0, "classes": 16, "draws": 600},
        {"batch": 512, "images": 0, "classes": 2, "draws": 30},
        {"batch": 32, "images": 0, "classes": 12, "draws": 1},
        {"batch": 8, "images": 0, "classes": 24, "draws": 200},
        {"batch": 64, "images": 2, "classes": 24, "draws": 1000},
    )
    assert high.startswith("Too high by") and "4 of 12 classes" in high
    assert low.startswith("Too low by") and "noisy" in low
    assert none.startswith("No bias to be told from chance")
    assert one.startswith("One batch says") and "the data set 0.36" in one
    assert "batches had no silhouette at all" in silent
    assert lifted.startswith("Too high by") and "no class is missing" in lifted


def test_alt_text_tells_the_numbers():
    explorer = batches(batch=64, images=8, classes=12, draws=7)
    assert explorer.state == {"batch": 64, "images": 8, "classes": 12, "draws": 7}
    whole = silhouette_score(*data_set(12))
    for text in ("960 points of 12 classes", "batch of 64, 8 of a class", f"the data set has {whole:.2f}"):
        assert text in explorer.alt


def test_sliders_and_python_allow_the_same(root):
    source = (root / "dmlkit/explorers/batches.js").read_text(encoding="utf-8")
    assert BATCHES == tuple(2**k for k in range(3, 10)) and "min: 3, max: 9, step: 1" in source
    assert IMAGES == (0, *(2**k for k in range(1, 6))) and "min: 0,\n          max: 5,\n          step: 1" in source
    assert "min: {}, max: {}, step: 1, digits: 0".format(*CLASSES) in source


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"batch": 20}, ValueError, "^batch must be one of"),
        ({"images": 3}, ValueError, "^images must be one of"),
        ({"classes": 1}, ValueError, "^classes must lie in 2 … 24, found 1"),
        ({"classes": 12.0}, TypeError, "^classes must be a whole number, found 12.0"),
        ({"draws": 0}, ValueError, "^draws must lie in 1 … 2000, found 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        batches(**arguments)
