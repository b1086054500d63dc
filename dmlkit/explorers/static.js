// What stands in for a kernel in the static page: a model that keeps its own state and tells listeners of changes.
// The build inlines this file into each explorer's HTML and calls start() with the explorer's source.

function standInModel(state) {
  const listeners = new Map();
  const changed = new Set();
  return {
    get: (key) => state[key],
    set(key, value) {
      if (state[key] === value) return;
      state[key] = value;
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

async function start(host) {
  host.dataset.started = "";
  const source = host.querySelector("script.explorer-source").textContent;
  // A blob: an import that works from file:// too, where a page may not import a file beside it.
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    const explorer = (await import(url)).default;
    const live = host.querySelector(".explorer-live");
    host.classList.add("is-live"); // before drawing: what is hidden has no width
    explorer.render({ model: standInModel(JSON.parse(host.dataset.state)), el: live });
  } catch (error) {
    host.classList.remove("is-live"); // the still picture stays
    console.error(error);
  } finally {
    URL.revokeObjectURL(url);
  }
}

for (const host of document.querySelectorAll(".dmlkit-explorer:not([data-started])")) start(host);
