// Controls that several explorers share, and how they look: in the page's own ink, wide beside the picture, narrow below.

export const STYLE = `
.dml-explorer { container-type: inline-size; color: inherit; font: 15px/1.45 system-ui, sans-serif; margin: 1em 0; }
.dml-explorer * { box-sizing: border-box; }
.dml-explorer .frame { display: grid; gap: 0.9em 1.2em; grid-template-columns: minmax(0, 1fr); }
@container (min-width: 620px) {
  .dml-explorer .frame { grid-template-columns: minmax(0, 1fr) 15em; }
}
.dml-explorer canvas { display: block; width: 100%; }
.dml-explorer canvas.map { border-radius: 4px; }
.dml-explorer label.knob { display: grid; grid-template-columns: 1fr auto; margin-bottom: 0.5em; }
.dml-explorer label.knob b { font-weight: 600; font-size: 1.1em; }
.dml-explorer label.knob small { opacity: 0.85; margin-left: 0.4em; }
.dml-explorer label.knob span.number { font-variant-numeric: tabular-nums; font-weight: 600; }
.dml-explorer input[type="range"] {
  grid-column: 1 / -1;
  width: 100%;
  height: 2em;
  margin: 0;
  accent-color: #b8611b;
  cursor: pointer;
}
.dml-explorer input:focus-visible, .dml-explorer button:focus-visible {
  outline: 2px solid #b8611b;
  outline-offset: 2px;
}
.dml-explorer fieldset { border: 0; padding: 0; margin: 0 0 0.6em; }
.dml-explorer legend { font-size: 1em; font-weight: 600; padding: 0; margin: 0.6em 0 0; float: none; width: auto; }
.dml-explorer .choice { display: flex; gap: 0.5em; align-items: baseline; min-height: 2em; cursor: pointer; }
.dml-explorer .choice input { accent-color: #b8611b; flex: none; }
.dml-explorer button {
  font: inherit;
  color: inherit;
  background: transparent;
  border: 1px solid currentColor;
  border-radius: 4px;
  padding: 0.3em 0.9em;
  min-height: 2.3em;
  cursor: pointer;
}
.dml-explorer table { width: 100%; border-collapse: collapse; margin: 0 0 1em; font-size: 0.93em; }
.dml-explorer th {
  text-align: left;
  font-weight: 400;
  padding: 0.15em 0.4em 0.15em 0;
  border: 0;
  background: transparent;
  color: inherit;
}
.dml-explorer td {
  text-align: right;
  font-weight: 600;
  font-variant-numeric: tabular-nums;
  padding: 0.15em 0;
  border: 0;
  background: transparent;
  color: inherit;
  white-space: nowrap;
}
.dml-explorer p.verdict { margin: 0.2em 0 0.6em; min-height: 4.4em; }
`;

/** An HTML element with attributes and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** A labelled slider: `knob` has symbol, name (for a screen reader), hint, min, max, step; `changed` takes the value. */
export function slider(knob, changed) {
  const input = element("input", {
    type: "range",
    min: knob.min,
    max: knob.max,
    step: knob.step,
    "aria-label": knob.name,
  });
  const number = element("span", { class: "number" });
  input.addEventListener("input", () => changed(Number(input.value)));
  const title = element("span", {}, element("b", {}, knob.symbol), element("small", {}, knob.hint));
  return {
    input,
    node: element("label", { class: "knob" }, title, number, input),
    show(value) {
      input.value = value;
      input.setAttribute("aria-valuetext", `${knob.symbol} ${value.toFixed(2)}`);
      number.textContent = value.toFixed(2);
    },
  };
}
