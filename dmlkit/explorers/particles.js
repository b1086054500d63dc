// Hundreds of embeddings and their proxies go down three losses from one start: Euclidean, cosine, warped softmax.
//
// Explained in the chapter "Watch it train".

import { PALETTE, colourOf, fit, mark, word } from "./canvas.js";
import {
  changeTo,
  checkbox,
  choice,
  decimals,
  describe,
  element,
  onKey,
  player,
  presets,
  sheet,
  significant,
  slider,
} from "./controls.js";
import { chart, roundTicks, tickText } from "./chart.js";
import { stage } from "./stage.js";
import { advance, begin, forget, isFiniteRun, scatter, separationOf, slopesOf } from "./particles_arithmetic.js";

const MOST_STEPS = 4000;
const SWITCH = 300; // the step at which the second phase begins
const SECOND_PHASE = { r: 0.8, scale: 1, pace: 0.05 };
const RATES = { sgd: 0.05, adam: 0.01, adam1: 0.05 }; // of the embeddings
const SHARPER = 5; // the cosine softmax has τ = 1/(5 T): cosines span no more than 2
const PANELS = [
  { name: "Euclidean", kind: "distance", setting: ({ scale }) => ({ alpha: 1, beta: 1, r: 1, scale }) },
  { name: "cosine", kind: "cosine", setting: ({ scale }) => ({ scale: SHARPER * scale }) },
  { name: "warped", kind: "distance", setting: ({ alpha, beta, r, margin, scale }) => ({ alpha, beta, r, margin, scale }) },
];
const KNOBS = {
  alpha: { symbol: "α", name: "alpha, slope inside r", hint: "slope inside r", min: 0, max: 1.5, step: 0.05 },
  beta: { symbol: "β", name: "beta, slope outside r", hint: "slope outside r", min: 0.5, max: 2.5, step: 0.05 },
  r: { symbol: "r", name: "r, distance where the slope changes", hint: "where it changes", min: 0, max: 3, step: 0.05 },
};
// The first is where `particles()` starts; a test holds the two together.
const ONE_PHASE = { alpha: 0.5, beta: 1.5, r: 1.5, optimizer: "sgd", scale: 1, margin: 1, pace: 0.2, phases: false };
const PRESETS = {
  "one phase": ONE_PHASE,
  "two phases, separability first": { ...ONE_PHASE, r: 2.4, scale: 4, phases: true },
  "plain: α = β = 1": { ...ONE_PHASE, alpha: 1, beta: 1 },
  "outward without end": { ...ONE_PHASE, beta: 0.5 },
  "proxies run ahead": { ...ONE_PHASE, pace: 10 },
  "Adam, ε = 10⁻⁸": { ...ONE_PHASE, optimizer: "adam" },
};
// The three panels take the whole width; the controls lie in columns beneath.
const WIDE = `
.dml-explorer.dml-particles .frame { grid-template-columns: minmax(0, 1fr); }
.dml-particles .frame > div:last-child { display: flow-root; }
.dml-particles .knobs { display: grid; gap: 0 1.4em; grid-template-columns: repeat(auto-fit, minmax(11em, 1fr)); }
.dml-particles .presets { max-width: 22em; }
.dml-particles details { margin: 0.2em 0 0.6em; }
.dml-particles summary { cursor: pointer; min-height: 2em; font-weight: 600; }
.dml-particles p.verdict { min-height: 3em; }
`;

/** All points of one class as one path: a fill a class, not one a point, or a frame would be too short. */
function traceClass(context, shape, points, labels, toX, toY) {
  const size = 2.6;
  context.beginPath();
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] !== shape) continue;
    const x = toX(points[2 * i]);
    const y = toY(points[2 * i + 1]);
    if (shape === 0) {
      context.moveTo(x + size, y);
      context.arc(x, y, size, 0, 2 * Math.PI);
    } else if (shape === 1) {
      context.rect(x - 2.2, y - 2.2, 4.4, 4.4);
    } else {
      const tall = shape === 4 ? -size : size;
      context.moveTo(x, y - 1.2 * tall);
      context.lineTo(x + 1.15 * size, shape === 3 ? y : y + tall);
      if (shape === 3) context.lineTo(x, y + 1.2 * size);
      context.lineTo(x - 1.15 * size, shape === 3 ? y : y + tall);
      context.closePath();
    }
  }
}

/** Half the side of what is shown: the first of a ladder that holds nearly all positions of all panels. */
function reachOf(sims) {
  let farthest = 0;
  for (const { run } of sims) for (const list of [run.e, run.p]) for (const x of list) farthest = Math.max(farthest, Math.abs(x));
  let reach = 4;
  while (reach < 1.05 * farthest && reach < 1e6) reach *= 1.5;
  return reach;
}

/** One panel: grid with its numbers, trails, points, the circle of radius r, proxies. */
function drawPanel(context, sim, [left, top, side], reach, { ink, ground }, circle) {
  const { run, trail } = sim;
  const unit = side / (2 * reach);
  const toX = (x) => left + side / 2 + x * unit;
  const toY = (y) => top + side / 2 - y * unit;
  context.save();
  context.beginPath();
  context.rect(left, top, side, side);
  context.clip();
  context.strokeStyle = ink;
  context.lineWidth = 1;
  context.globalAlpha = 0.13;
  context.beginPath();
  const ticks = roundTicks(-reach, reach, side / 60);
  for (const at of ticks) {
    context.moveTo(toX(at), top);
    context.lineTo(toX(at), top + side);
    context.moveTo(left, toY(at));
    context.lineTo(left + side, toY(at));
  }
  context.stroke();
  context.globalAlpha = 0.75;
  for (const at of ticks) {
    if (Math.abs(toX(at) - left - side / 2) < side / 2 - 14)
      word(context, tickText(at), toX(at), top + side - 3, { ink, align: "center", baseline: "bottom" });
    if (at !== 0 && Math.abs(toY(at) - top - side / 2) < side / 2 - 22)
      word(context, tickText(at), left + 3, toY(at), { ink, baseline: "middle" });
  }
  for (let c = 0; c < run.classes; c++) {
    context.strokeStyle = context.fillStyle = colourOf(c);
    context.globalAlpha = 0.75;
    context.beginPath();
    for (const at of trail) context.lineTo(toX(at[2 * c]), toY(at[2 * c + 1]));
    context.lineWidth = 1.2;
    context.stroke();
    traceClass(context, c, run.e, run.labels, toX, toY);
    context.fill();
  }
  context.globalAlpha = 1;
  for (let c = 0; c < run.classes; c++) {
    const [x, y] = [toX(run.p[2 * c]), toY(run.p[2 * c + 1])];
    if (circle > 0) {
      context.beginPath();
      context.arc(x, y, circle * unit, 0, 2 * Math.PI);
      context.strokeStyle = ink;
      context.globalAlpha = 0.6;
      context.setLineDash([4, 3]);
      context.stroke();
      context.setLineDash([]);
      context.globalAlpha = 1;
    }
    context.beginPath();
    context.arc(x, y, 10, 0, 2 * Math.PI);
    context.fillStyle = ground;
    context.globalAlpha = 0.7;
    context.fill();
    context.globalAlpha = 1;
    mark(context, c, x, y, { size: 7, rim: ink });
  }
  context.strokeStyle = ink;
  context.lineWidth = 1;
  context.globalAlpha = 0.4;
  context.strokeRect(left + 0.5, top + 0.5, side - 1, side - 1);
  context.globalAlpha = 1;
  context.restore();
}

/** The three panels, side by side where there is room, else beneath one another. */
function drawPanels(canvas, sims, state, colours) {
  const wide = canvas.clientWidth;
  const [gap, head] = [8, 20];
  const across = wide >= 560;
  const side = across ? (wide - 2 * gap) / 3 : wide;
  const { context } = fit(canvas, across ? side + head : 3 * (side + head) + 2 * gap);
  const reach = reachOf(sims);
  sims.forEach((sim, k) => {
    const [left, top] = across ? [k * (side + gap), head] : [0, k * (side + head + gap) + head];
    word(context, `${PANELS[k].name} softmax`, left, top - 6, { ink: colours.ink });
    drawPanel(context, sim, [left, top, side], reach, colours, k === 2 ? state.r : 0);
  });
}

/** The smallest of 1, 2, 5 times a power of ten that is at least `value`. */
function rounded(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * power >= value * (1 - 1e-9)) * power;
}

/** Average distance to proxy over the steps, a curve a panel. */
function drawDistances(canvas, history, state, colours) {
  const highest = Math.max(2, 1.2 * state.r, ...history.distance.map((values) => values.reduce((a, b) => Math.max(a, b), 0)));
  const now = history.distance.map((values) => decimals(values.at(-1)));
  chart(canvas, {
    ...colours,
    height: 190,
    x: { from: 0, to: Math.max(200, rounded(history.at.at(-1))), title: "steps" },
    y: { from: 0, to: 1.05 * highest, title: "average distance to proxy (units of the embedding)" },
    curves: PANELS.map(({ name }, k) => ({
      x: history.at,
      y: history.distance[k],
      label: name,
      colour: [3, 4, 6][k],
      dash: k,
      width: k === 2 ? 2.8 : 2,
      ...(history.at.length > 1 ? {} : { mark: k }),
    })),
    lines: state.r > 0 ? [{ axis: "y", at: state.r, dash: 2, label: "r" }] : [],
    says: `Average distance to proxy after ${history.at.at(-1)} steps: Euclidean ${now[0]}, cosine ${now[1]}, warped ${now[2]}; r is ${decimals(state.r)}.`,
  });
}

/** What happens, without numbers that change at every frame: a screen reader would read each of them. */
function verdictOf(state, found, broken) {
  if (broken) return `Stopped: in the panel “${broken}” a position is no longer a finite number. Reset, and take a smaller step.`;
  const { alpha, beta, r, pace, steps, phases, scale } = state;
  if (steps === 0) return "Nothing has moved yet. Press Play: all three panels begin from the same points and proxies.";
  const [, , warped] = found;
  const said = [];
  if (phases && steps >= SWITCH) said.push("Second phase: r and T have fallen, and the proxies hardly move.");
  else if (phases) said.push("First phase: large r, large T.");
  if (alpha === 1 && beta === 1) said.push("With α = β = 1 the warped panel is the Euclidean one.");
  else if (beta < 1 && warped.distance > 1.1 * r) said.push("Warped: beyond r the pull is weaker than the push, and embeddings fly off.");
  else if (Math.abs(warped.distance - r) <= 0.12 * r) said.push("Warped: the distance to proxy is about r.");
  else if (warped.distance < r && pace > 1) said.push("Warped: the proxies outrun their embeddings, which stay nearer than r.");
  else if (warped.distance < r) said.push("Warped: the distance to proxy is below r.");
  else said.push("Warped: the distance to proxy is above r.");
  if (steps > 50 && found[0].distance < 0.7 * warped.distance) said.push("Euclidean: embeddings gather closer to their proxies.");
  if (scale * warped.force < 1e-3) said.push("The forces have almost died.");
  return said.join(" ");
}

function render({ model, el }) {
  const field = sheet("Embeddings and proxies in three panels");
  const course = sheet("Average distance to proxy over the steps");
  let sims = [];
  let history;
  let [taken, made, broken] = [0, "", ""];

  function restart({ classes, count, seed }) {
    const start = scatter(classes, count, seed);
    sims = PANELS.map(() => ({ run: begin(start), trail: [] }));
    history = { at: [], distance: PANELS.map(() => []) };
    [taken, made, broken] = [0, `${classes} ${count} ${seed}`, ""];
  }

  /** Bring the runs to the step of the state, and measure them there. */
  function follow(state) {
    const { classes, count, seed, steps, optimizer, pace } = state;
    if (`${classes} ${count} ${seed}` !== made || steps < taken) restart(state);
    const lr = RATES[optimizer];
    const rule = { optimizer: optimizer === "sgd" ? "sgd" : "adam", lr, proxyLr: pace * lr, eps: optimizer === "adam1" ? 1 : 1e-8 };
    while (taken < Math.min(steps, MOST_STEPS) && !broken) {
      if (state.phases && taken === SWITCH) for (const { run } of sims) forget(run);
      sims.forEach(({ run }, k) => advance(run, PANELS[k].kind, PANELS[k].setting(state), rule));
      taken += 1;
      const lost = sims.findIndex(({ run }) => !isFiniteRun(run));
      if (lost >= 0) broken = PANELS[lost].name;
    }
    const found = sims.map(({ run }, k) => {
      const { loss, distance } = slopesOf(run, PANELS[k].kind, PANELS[k].setting(state));
      let force = 0;
      for (let i = 0; i < count; i++) force += Math.hypot(run.ge[2 * i], run.ge[2 * i + 1]);
      return { loss, distance, force: force / count, apart: separationOf(run) };
    });
    if (!broken && history.at.at(-1) !== taken) {
      history.at.push(taken);
      found.forEach(({ distance }, k) => history.distance[k].push(distance));
      for (const { run, trail } of sims) trail.push(run.p.slice());
    }
    return found;
  }

  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const goOn = () => {
    const steps = model.get("steps");
    if (steps >= MOST_STEPS || broken) return false;
    // What happens slows down like a logarithm: so the run goes faster. Without motion a Step is a long one.
    const more = calm.matches ? 50 : Math.min(6, 1 + Math.floor(steps / 100));
    if (!model.get("phases") || steps > SWITCH) changeTo(model, { steps: Math.min(MOST_STEPS, steps + more) });
    else if (steps === SWITCH) changeTo(model, { ...SECOND_PHASE, steps: steps + 1 });
    else changeTo(model, { steps: Math.min(SWITCH, steps + more) });
    return true;
  };
  const playing = player(goOn);
  // Nobody looks: nothing runs.
  const seen = new IntersectionObserver((entries) => entries.every(({ isIntersecting }) => !isIntersecting) && playing.stop());
  seen.observe(field);
  const pace = {
    ...playing,
    takeDown() {
      seen.disconnect();
      playing.takeDown();
    },
  };

  const knobs = element("div", { class: "knobs" });
  const sliders = Object.entries(KNOBS).map(([key, knob]) => slider(knob, onKey(model, key)));
  const restarting = {
    set: (key, value) => model.set(key, value),
    save_changes() {
      model.set("steps", 0);
      model.save_changes();
    },
  };
  const list = presets("Settings, from the start", PRESETS, restarting);
  knobs.append(...sliders.map(({ node }) => node));
  const fold = element("details", {}, element("summary", {}, "Training: optimizer, T, m, rates, classes"));
  const folded = [
    choice("Optimizer", [["sgd", "SGD, rate 0.05"], ["adam", "Adam, 0.01, ε = 10⁻⁸"], ["adam1", "Adam, 0.05, ε = 1"]], onKey(model, "optimizer")),
    choice("Proxies' rate ÷ embeddings'", [[0, "0"], [0.05, "1/20"], [0.2, "1/5"], [1, "1"], [10, "10"]], onKey(model, "pace")),
    choice("T, inverse temperature", [[1, "1"], [2, "2"], [4, "4"]], onKey(model, "scale")),
    choice("m, margin of γ", [[1, "1"], [1.5, "1.5"], [3, "3"]], onKey(model, "margin")),
    choice("Classes (starts anew)", [[2, "2"], [3, "3"], [4, "4"], [5, "5"]], {
      value: (state) => state.classes,
      change: (classes) => changeTo(model, { classes, steps: 0 }),
    }),
    checkbox(`Second phase at step ${SWITCH}: r = 0.8, T = 1, proxies at 1/20`, onKey(model, "phases")),
  ];
  const inside = element("div", { class: "knobs" }, ...folded.map(({ node }) => node));
  // While the fold is closed its labels are not rendered, and an input takes no name from them.
  for (const label of inside.querySelectorAll("label"))
    label.querySelector("input").setAttribute("aria-label", label.textContent);
  fold.append(inside);
  const group = (node, parts) => ({ node, show: (state) => parts.forEach((part) => part.show(state)) });

  return stage({
    model,
    el,
    name: "particles",
    title: "three losses train hundreds of points",
    keys: ["alpha", "beta", "r", "optimizer", "scale", "margin", "pace", "phases", "classes", "count", "seed", "steps"],
    // Play stands on top: on a phone the panels beneath it are three screens high.
    picture: [element("style", {}, WIDE), pace, field, course],
    panel: [
      list,
      group(knobs, sliders),
      group(fold, folded),
    ],
    readout: {
      step: "steps taken",
      distance: "distance to proxy: Euclidean · cosine · warped",
      apart: "proxies apart, mean of pairs",
      force: "mean force on an embedding",
      loss: "mean loss (nats)",
    },
    draw(state, colours) {
      const found = follow(state);
      drawPanels(field, sims, state, colours);
      drawDistances(course, history, state, colours);
      const verdict = verdictOf(state, found, broken);
      const three = (key, text) => found.map((entry) => text(entry[key])).join(" · ");
      describe(
        field,
        `${state.count} embeddings of ${state.classes} classes after ${taken} steps. Distance to proxy, Euclidean · cosine · warped: ` +
          `${three("distance", decimals)}; proxies apart ${three("apart", decimals)}.`,
      );
      return {
        verdict,
        readout: {
          step: String(taken),
          distance: three("distance", decimals),
          apart: three("apart", decimals),
          force: three("force", (value) => (value < 1e-12 ? "0" : significant(value, 2))),
          loss: three("loss", (value) => (value < 1e-12 ? "0" : significant(value, 2))),
        },
        found,
        taken,
      };
    },
  });
}

export default { render };
