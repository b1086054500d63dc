// The frame of every explorer: a picture, a panel of controls, a sentence that says what happens, a readout, Reset.
//
// An explorer is a module with one function:
//
//   function render({ model, el }) {
//     const canvas = sheet("The loss against the distance");
//     return stage({
//       model,
//       el,
//       name: "margin", // as the file's: the root gets the class dml-margin
//       title: "the margin", // for a screen reader: "Explorer: the margin"
//       keys: ["margin", "scale"], // what is watched, given to draw, and restored by Reset
//       picture: [canvas], // canvases, planes (plane.js), nodes
//       panel: [slider({ symbol: "m", name: "m, the margin", hint: "…", min: 0, max: 2 }, onKey(model, "margin"))],
//       readout: { loss: "loss (nats)" }, // rows of the table
//       draw({ margin, scale }, { ink, ground }) {
//         chart(canvas, { ink, ground, … }); // chart.js
//         return { verdict: "The margin is met: the loss is 0.", readout: { loss: "0.00" } };
//       },
//     });
//   }
//   export default { render };
//
// `draw` gets the state and the page's colours. It runs once a frame at most: after any change of a key, a new width, a
// switch between light and dark. What it returns besides verdict and readout goes out with the event "redraw".
// State is numbers, texts, booleans and lists; a list is replaced by a new one, never changed in place.

import { STYLE, changeTo, element } from "./controls.js";

/** The nearest ground behind `node` that is not transparent: what halos of words are drawn in. */
function groundOf(node) {
  for (let at = node; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (colour && colour !== "transparent" && !/, 0\)$/.test(colour)) return colour;
  }
  return "white";
}

// Where pages keep the reader's choice of light or dark: this book, Colab and JupyterLab, VS Code.
const THEMES = ["data-theme", "data-mode", "theme", "data-jp-theme-light", "data-vscode-theme-kind"];

/** Build the explorer inside `el`, draw it, keep it up to date; returns what takes it down again. */
export function stage({ model, el, name, title, keys, picture, panel = [], readout = {}, draw }) {
  const current = () => Object.fromEntries(keys.map((key) => [key, model.get(key)]));
  const start = current();
  const parts = [...picture, ...panel];
  const nodeOf = (part) => part.node ?? part;

  const said = element("p", { class: "verdict", "aria-live": "polite" });
  const cells = {};
  const table = element("table", { "aria-label": "Readout" }, element("tbody"));
  for (const [key, text] of Object.entries(readout)) {
    cells[key] = element("td");
    table.tBodies[0].append(element("tr", {}, element("th", { scope: "row" }, text), cells[key]));
  }
  const reset = element("button", { type: "button", class: "reset" }, "Reset");
  reset.addEventListener("click", () => {
    for (const part of parts) part.stop?.();
    changeTo(model, start);
  });
  const pictures = element("div", {}, ...picture.map(nodeOf));
  const root = element(
    "div",
    { class: `dml-explorer dml-${name}`, role: "group", "aria-label": `Explorer: ${title}` },
    element("style", {}, STYLE),
    element(
      "div",
      { class: "frame" },
      pictures,
      element("div", {}, ...panel.map(nodeOf), said, ...(table.rows.length ? [table] : []), element("p", {}, reset)),
    ),
  );
  el.append(root);

  let drawnWidth = 0;
  function redraw() {
    if (!pictures.clientWidth) return; // not on screen: the observer below draws once it is
    const began = performance.now();
    drawnWidth = pictures.clientWidth;
    const state = current();
    for (const part of parts) part.show?.(state);
    const {
      verdict = "",
      readout: values = {},
      ...rest
    } = draw(state, { ink: getComputedStyle(root).color, ground: groundOf(root) }) ?? {};
    if (said.textContent !== verdict) said.textContent = verdict;
    for (const [key, value] of Object.entries(values)) cells[key].textContent = value;
    // For tests and for scripts of a page: what was drawn, and how long it took.
    const detail = { milliseconds: performance.now() - began, ...rest };
    root.dispatchEvent(new CustomEvent("redraw", { bubbles: true, detail }));
  }

  // Several changes before the next frame are one redraw.
  let waiting = 0;
  const schedule = () => {
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      redraw();
    });
  };
  for (const key of keys) model.on(`change:${key}`, schedule);
  // A canvas sets its own height when it is drawn: only a new width asks for a redraw.
  const resized = new ResizeObserver(() => pictures.clientWidth !== drawnWidth && schedule());
  resized.observe(pictures);
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", schedule);
  const themed = new MutationObserver(schedule);
  for (const node of [document.documentElement, document.body])
    themed.observe(node, { attributes: true, attributeFilter: THEMES });
  redraw();

  return () => {
    for (const key of keys) model.off(`change:${key}`, schedule);
    for (const part of parts) part.takeDown?.();
    resized.disconnect();
    themed.disconnect();
    scheme.removeEventListener("change", schedule);
    cancelAnimationFrame(waiting);
    root.remove();
  };
}
