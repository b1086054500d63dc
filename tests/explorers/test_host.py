"""An explorer shows itself in three ways: live widget, page, still picture."""

from __future__ import annotations

import base64
import sys

import pytest

from dmlkit import explorers
from dmlkit.explorers import host


@pytest.fixture
def explorer():
    return explorers.landscape(alpha=0.3, beta=1.7, r=1.2, view="value", forces=True)


def test_bundle_is_one_module_that_renders(node):
    source = host.bundle("landscape")
    assert "import {" not in source
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


def test_page_carries_state_and_alt_text(explorer):
    page = explorer.html()
    assert "&quot;alpha&quot;: 0.3" in page
    assert 'alt="Map of the warped loss' in page and "α = 0.3" in page


def test_kernel_gets_a_widget_whose_attributes_are_the_state(explorer, monkeypatch):
    monkeypatch.delenv("DMLKIT_BOOK", raising=False)
    widget = explorer.widget()
    assert {key: getattr(widget, key) for key in explorer.state} == explorer.state
    assert "export default { render }" in str(widget._esm)
    assert set(explorer.state) <= set(widget.trait_names(sync=True))
    shown = explorer._repr_mimebundle_()
    bundle = shown[0] if isinstance(shown, tuple) else shown
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_without_anywidget_the_page_form_stands_in(explorer, monkeypatch):
    monkeypatch.delenv("DMLKIT_BOOK", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "dmlkit.explorers.live", raising=False)
    assert "text/html" in explorer._repr_mimebundle_()


@pytest.mark.parametrize("part", ["</script>", "<!--"])
def test_source_that_would_end_the_script_is_refused(explorer, monkeypatch, part):
    monkeypatch.setattr(host, "bundle", lambda name: f"const text = '{part}';")
    with pytest.raises(ValueError, match="would end it inside HTML"):
        explorer.html()


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="^view must be one of"):
        explorers.landscape(view="sideways")
    with pytest.raises(ValueError, match="^margin must be at least 0"):
        explorers.landscape(margin=-1)
