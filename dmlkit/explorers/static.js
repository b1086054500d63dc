// What stands in for a kernel in the static page: a model that keeps its own state and tells listeners of changes.
// The build inlines this file into each explorer's HTML and calls start() with the explorer's source.

// Lists are replaced, never changed in place, since nobody hears of the latter: frozen, a list says so at once.
const frozen = (value) => (Array.isArray(value) ? Object.freeze(value.map(frozen)) : value);

function standInModel(start) {
  const state = Object.fromEntries(Object.entries(start).map(([key, value]) => [key, frozen(value)]));
  const listeners = new Map();
  const changed = new Set();
  return {
    get: (key) => state[key],
    set(key, value) {
      if (state[key] === value) return;
      state[key] = frozen(value);
      changed.add(`change:${key}`);
    },
    save_changes() {
      const events = [...changed];
      changed.clear();
      for (const event of events) for (const listener of listeners.get(event) ?? []) listener();
    },
    on(event, listener) {
      if (!listeners.has(event)) listeners.set(event, new Set());
      listeners.get(event).add(listener);
    },
    off: (event, listener) => listeners.get(event)?.delete(listener),
  };
}

/** The explorer's source, which lies deflated in the page. */
async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
}

async function start(host) {
  host.dataset.started = "";
  let url;
  try {
    const source = await inflated(host.querySelector("script.explorer-source").textContent);
    // A blob: an import that works from file:// too, where a page may not import a file beside it.
    url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const explorer = (await import(url)).default;
    const live = host.querySelector(".explorer-live");
    host.classList.add("is-live"); // before drawing: what is hidden has no width
    explorer.render({ model: standInModel(JSON.parse(host.dataset.state)), el: live });
  } catch (error) {
    host.classList.remove("is-live"); // the still picture stays
    console.error(error);
  } finally {
    if (url) URL.revokeObjectURL(url);
  }
}

for (const host of document.querySelectorAll(".dmlkit-explorer:not([data-started])")) start(host);
