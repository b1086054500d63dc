"""Every explorer shows itself in three ways: live widget, page, still picture."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from dmlkit import explorers
from dmlkit.comparison import Study, SweepStudy
from dmlkit.data import digits
from dmlkit.explorers import host
from dmlkit.explorers.corruptions import SPOILT

STUDIES = Path(__file__).parents[2] / "book/studies"
NAMES = [name for name in explorers.__all__ if name != "Explorer"]


def _recall():
    """Corruption → arm → Recall@1 by severity, of eight seeds, as the chapter measures it."""
    rows = [[(530 - 60 * severity + seed) / 540 for seed in range(8)] for severity in range(6)]
    kinds = ("gaussian_noise", "salt_and_pepper", "pixel_dropout", "cutout", "affine_shear", "uniform_noise")
    arms = ("norm softmax", "SupCon", "Euclidean softmax", "warped softmax")
    return {spoilt: {kind: dict.fromkeys(arms, rows) for kind in kinds} for spoilt in SPOILT}


# What explorers that show measurements are given: as much as their chapters give them.
GIVEN = {
    "budgets": lambda: [[Study.load(path) for path in sorted(STUDIES.glob("*.json"))]],
    "corruptions": lambda: [_recall(), digits("plain").test_images[:4]],
    "knobs": lambda: [[SweepStudy.load(path) for path in sorted((STUDIES / "sweeps").glob("*.json"))]],
    "orders": lambda: [
        {
            f"{kind}, {path.stem}": Study.load(path)
            for kind, folder in (("heads", STUDIES), ("networks", STUDIES / "networks"))
            for path in sorted(folder.glob("*.json"))
        }
    ],
}
OPTIONS = {"corruptions": {"tested": 540, "pair": ("norm softmax", "Euclidean softmax")}}


@pytest.fixture(scope="module", params=NAMES)
def explorer(request):
    """Each explorer, as it starts."""
    name = request.param
    return getattr(explorers, name)(*GIVEN.get(name, list)(), **OPTIONS.get(name, {}))


@pytest.fixture(scope="module")
def landscape():
    return explorers.landscape(alpha=0.3, beta=1.7, r=1.2, view="value", forces=True)


def test_all_explorers_are_tried():
    files = {path.stem for path in host.FOLDER.glob("*.js") if "\nexport default" in path.read_text(encoding="utf-8")}
    assert set(NAMES) == files


@pytest.mark.parametrize("name", NAMES)
def test_bundle_is_one_module_that_renders(node, name):
    """A name at the top level of two files would stop the import."""
    source = host.bundle(name)
    assert not re.search(r"^import ", source, re.MULTILINE)
    encoded = base64.b64encode(source.encode()).decode()
    exported = node(f"""
        const module = await import("data:text/javascript;base64,{encoded}");
        console.log(JSON.stringify([Object.keys(module), typeof module.default.render]));
    """)
    assert exported == [["default"], "function"]


def test_book_gets_a_page_that_weighs_little(explorer, monkeypatch):
    monkeypatch.setenv("DMLKIT_BOOK", "1")
    shown = explorer._repr_mimebundle_()
    assert set(shown) == {"text/html", "image/png", "text/plain"}
    assert len(shown["text/html"].encode()) < 60_000
    assert base64.b64decode(shown["image/png"]).startswith(b"\x89PNG")


def test_page_carries_state_source_and_still_picture(explorer):
    page = explorer.html()
    state = re.search(r'data-state="([^"]*)"', page).group(1)
    assert json.loads(html.unescape(state)) == explorer.state
    source = re.search(r'class="explorer-source">([^<]*)</script>', page).group(1)
    assert zlib.decompress(base64.b64decode(source)).decode() == host.bundle(explorer.name)
    assert page.count("</script>") == 2 and "<!--" not in page


def test_still_picture_has_few_colours_and_words(explorer):
    picture = Image.open(io.BytesIO(explorer.still))
    assert picture.width >= 480 and 8 < len(picture.getcolors(256)) <= 48
    assert len(explorer.alt) > 60 and explorer.alt.endswith(".")


def test_kernel_gets_a_widget_whose_attributes_are_the_state(explorer, monkeypatch):
    monkeypatch.delenv("DMLKIT_BOOK", raising=False)
    widget = explorer.widget()
    assert {key: getattr(widget, key) for key in explorer.state} == explorer.state
    assert "export default { render }" in str(widget._esm)
    assert set(explorer.state) <= set(widget.trait_names(sync=True))
    shown = explorer._repr_mimebundle_()
    bundle = shown[0] if isinstance(shown, tuple) else shown
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_widget_tells_of_a_new_list():
    widget = explorers.silhouette_bars().widget()
    heard = []
    widget.observe(lambda change: heard.append(change["new"]), "labels")
    widget.labels = [*widget.labels[:-1], 0]
    assert heard == [[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 0]]


def test_without_anywidget_the_page_form_stands_in(explorer, monkeypatch):
    monkeypatch.delenv("DMLKIT_BOOK", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "dmlkit.explorers.live", raising=False)
    assert "text/html" in explorer._repr_mimebundle_()


def test_words_say_what_the_picture_shows(landscape):
    assert 'alt="Map of the warped loss' in landscape.html() and "α = 0.3" in landscape.alt


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="^view must be one of"):
        explorers.landscape(view="sideways")
    with pytest.raises(ValueError, match="^margin must be at least 0"):
        explorers.landscape(margin=-1)
