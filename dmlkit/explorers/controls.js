// Controls of explorers, and how they look: in the page's own ink, wide beside the picture, narrow below.
//
// Each is made with what binds it, { value: (state) => what it shows, change: (value) => what its move does }, and gives
// { node, show(state) }; stage() shows them at every redraw. onKey(model, "alpha") binds to one key; for more:
//   choice("Class of the chosen point", [[0, "A"], [1, "B"]], {
//     value: ({ labels, chosen }) => labels[chosen],
//     change: (k) => changeTo(model, { labels: model.get("labels").with(model.get("chosen"), k) }),
//   })

export const STYLE = `
.dml-explorer { container-type: inline-size; color: inherit; font: 15px/1.45 system-ui, sans-serif; margin: 1em 0; }
.dml-explorer * { box-sizing: border-box; }
.dml-explorer .frame { display: grid; gap: 0.9em 1.2em; grid-template-columns: minmax(0, 1fr); }
@container (min-width: 620px) {
  .dml-explorer .frame { grid-template-columns: minmax(0, 1fr) 15em; }
}
.dml-explorer canvas { display: block; width: 100%; }
.dml-explorer canvas.map { border-radius: 4px; }
.dml-explorer .plane { position: relative; }
.dml-explorer .plane button.handle {
  position: absolute;
  width: 28px;
  height: 28px;
  min-height: 0;
  padding: 0;
  border: 0;
  border-radius: 50%;
  transform: translate(-50%, -50%);
  touch-action: none;
  cursor: grab;
}
.dml-explorer .plane button.handle:active { cursor: grabbing; }
.dml-explorer p.hint { margin: 0.3em 0 0.6em; font-size: 0.9em; opacity: 0.85; }
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
.dml-explorer :is(input, button, select):focus-visible {
  outline: 2px solid #b8611b;
  outline-offset: 2px;
}
.dml-explorer fieldset { border: 0; padding: 0; margin: 0 0 0.6em; }
.dml-explorer legend { font-size: 1em; font-weight: 600; padding: 0; margin: 0.6em 0 0; float: none; width: auto; }
.dml-explorer fieldset.short { display: flex; flex-wrap: wrap; gap: 0 1.2em; }
.dml-explorer fieldset.short legend { flex: 1 0 100%; }
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
.dml-explorer .player { display: flex; gap: 0.6em; margin: 0.4em 0; }
.dml-explorer [hidden] { display: none; }
.dml-explorer .presets { display: grid; gap: 0.2em; margin-bottom: 0.6em; }
.dml-explorer .presets span { font-weight: 600; }
.dml-explorer select {
  font: inherit;
  color: inherit;
  background: transparent;
  border: 1px solid currentColor;
  border-radius: 4px;
  padding: 0.3em 0.4em;
  min-height: 2.3em;
  width: 100%;
}
.dml-explorer option { color: CanvasText; background: Canvas; }
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

/** A canvas that stands for a picture; `describe` it at every redraw. */
export const sheet = (says) => element("canvas", { role: "img", "aria-label": says });

/** What a canvas shows, for who cannot see it: one sentence with its numbers. */
export function describe(canvas, says) {
  if (canvas.getAttribute("aria-label") !== says) canvas.setAttribute("aria-label", says);
}

/** Set several keys at once: the kernel hears one message, the page redraws once. Lists are replaced, never changed. */
export function changeTo(model, values) {
  for (const [key, value] of Object.entries(values)) model.set(key, value);
  model.save_changes();
}

/** What binds a control to one key of the model: the value that it shows, what its change sets. */
export const onKey = (model, key) => ({
  value: (state) => state[key],
  change: (value) => changeTo(model, { [key]: value }),
});

/** A number with `digits` after the point: a minus sign, not a hyphen, and none before a zero. */
export function decimals(value, digits = 2) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** A number in at most `digits` significant digits, without zeros that say nothing: 0.00012, 3.2, 1500. */
export const significant = (value, digits = 2) => String(Number(value.toPrecision(digits))).replace("-", "−");

/**
 * A labelled slider. `knob`: symbol, name (for a screen reader: begins with the symbol's name and a comma), hint, min,
 * max, step; digits after the point (2) or `format(value)`; unit. With `log: true` it moves in even steps of log10:
 * step is then in decades (0.05), digits are significant ones, min must be above 0.
 */
export function slider(knob, { value, change }) {
  const { log = false, digits = 2, unit } = knob;
  const [inside, outside] = log ? [Math.log10, (place) => Number((10 ** place).toPrecision(6))] : [Number, Number];
  const input = element("input", {
    type: "range",
    min: inside(knob.min),
    max: inside(knob.max),
    step: knob.step ?? (log ? 0.05 : 0.01),
    "aria-label": knob.name,
  });
  const written = knob.format ?? ((number) => (log ? significant(number, digits) : decimals(number, digits)));
  const number = element("span", { class: "number" });
  input.addEventListener("input", () => change(outside(Number(input.value))));
  const title = element("span", {}, element("b", {}, knob.symbol), element("small", {}, knob.hint));
  return {
    input,
    node: element("label", { class: "knob" }, title, number, input),
    show(state) {
      const now = value(state);
      const text = unit ? `${written(now)} ${unit}` : written(now);
      input.value = inside(now);
      input.setAttribute("aria-valuetext", `${knob.symbol} ${text}`);
      number.textContent = text;
    },
  };
}

/** One of several, as radio buttons: `options` are [value, text] pairs, a value a text or a number. Short ones share a line. */
export function choice(legend, options, { value, change }) {
  // Radio buttons of one explorer must share a name that no other explorer of the page has.
  const name = `choice-${Math.random().toString(36).slice(2)}`;
  const radios = options.map(([option]) => {
    const radio = element("input", { type: "radio", name, value: option });
    radio.addEventListener("change", () => change(option));
    return radio;
  });
  const labels = options.map(([, text], k) =>
    element("label", { class: "choice" }, radios[k], element("span", {}, text)),
  );
  const short = options.reduce((letters, [, text]) => letters + text.length, 0) <= 24;
  return {
    node: element("fieldset", short ? { class: "short" } : {}, element("legend", {}, legend), ...labels),
    show: (state) => options.forEach(([option], k) => (radios[k].checked = option === value(state))),
  };
}

/** A checkbox. */
export function checkbox(text, { value, change }) {
  const input = element("input", { type: "checkbox" });
  input.addEventListener("change", () => change(input.checked));
  return {
    node: element("label", { class: "choice" }, input, element("span", {}, text)),
    show: (state) => (input.checked = value(state)),
  };
}

/** A list of starting points: `settings` are {text: {key: value, …}}. It says "as you made it" once a hand has moved. */
export function presets(legend, settings, model) {
  const own = element("option", { value: "" }, "as you made it");
  const names = Object.keys(settings);
  const select = element(
    "select",
    { "aria-label": legend },
    ...names.map((name) => element("option", { value: name }, name)),
  );
  select.append(own);
  select.addEventListener("change", () => settings[select.value] && changeTo(model, settings[select.value]));
  const fits = (state, setting) =>
    Object.entries(setting).every(([key, value]) => JSON.stringify(state[key]) === JSON.stringify(value));
  return {
    node: element("label", { class: "presets" }, element("span", {}, legend), select),
    show(state) {
      const found = names.find((name) => fits(state, settings[name]));
      own.hidden = own.disabled = found !== undefined;
      select.value = found ?? "";
    },
  };
}

/**
 * Play and Step for what moves by itself. It stands still until asked; then `step()` is called once a frame, until it
 * returns false or the reader pauses. Who asked the system for less motion gets Step alone.
 */
export function player(step) {
  const play = element("button", { type: "button" }, "Play");
  const once = element("button", { type: "button" }, "Step");
  let [playing, frame] = [false, 0];
  const stop = () => {
    cancelAnimationFrame(frame);
    playing = false;
    play.textContent = "Play";
  };
  const next = () => {
    // The step comes first: the redraw that it asks for then runs in the next frame before the next step does.
    if (step() === false) stop();
    if (playing) frame = requestAnimationFrame(next);
  };
  play.addEventListener("click", () => {
    if (playing) return stop();
    playing = true;
    play.textContent = "Pause";
    frame = requestAnimationFrame(next);
  });
  once.addEventListener("click", () => {
    stop();
    step();
  });
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const obey = () => {
    stop();
    play.hidden = calm.matches;
  };
  calm.addEventListener("change", obey);
  obey();
  return {
    node: element("p", { class: "player", role: "group", "aria-label": "Play" }, play, once),
    show() {},
    stop,
    takeDown() {
      stop();
      calm.removeEventListener("change", obey);
    },
  };
}
