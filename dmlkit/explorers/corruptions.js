// Digits under corruption, and the Recall@1 that four trained embeddings keep: queries alone or all images spoilt.
//
// Explained in the chapter "Robustness".

import { FONT, fit, word } from "./canvas.js";
import { choice, decimals, describe, onKey, presets, sheet, slider } from "./controls.js";
import { chart } from "./chart.js";
import { stage } from "./stage.js";
import { comparison, estimateOf, levelsOf, recallOf } from "./corruptions_arithmetic.js";

const SEVERITIES = [0, 1, 2, 3, 4, 5];
const PROTOCOLS = ["queries and gallery", "queries only"];
const KNOB = { symbol: "s", name: "s, severity of the corruption", hint: "severity", min: 0, max: 5, step: 1, digits: 0 };

const signed = (value) => decimals(value, 3).replace(/^(?!−)/, "+");
const words = (name) => name.replaceAll("_", " ");

/** Who keeps more and who loses less: two questions with two answers. */
function verdictOf(state) {
  const { arms, pair, severity } = state;
  const [first, second] = pair.map((arm) => arms[arm]);
  const { left, lost } = comparison(state);
  const judge = ({ mean, half }, more, less) => {
    const by = `${signed(mean)} ± ${decimals(half, 3)}`;
    if (Math.abs(mean) <= half) return `no difference beyond chance (${by})`;
    return `the ${second} ${mean > 0 ? more : less} (${by})`;
  };
  if (severity === 0) return `Clean images. Recall@1, ${second} minus ${first}: ${judge(left, "is ahead", "is behind")}.`;
  return (
    `${second} against ${first}. What is left: ${judge(left, "keeps more", "keeps less")}. ` +
    `What was lost: ${judge(lost, "loses more", "loses less")}.`
  );
}

/** Two rows of the same digits: as queries and as gallery. */
function drawDigits(canvas, colours, { pictures, names, corruption, severity, spoilt }) {
  const label = 62;
  const width = Math.max(1, canvas.clientWidth);
  const side = Math.min(64, Math.floor((width - label) / pictures.length) - 6);
  const { context } = fit(canvas, 2 * (side + 8));
  [severity, spoilt === 0 ? severity : 0].forEach((at, row) => {
    const top = row * (side + 8) + 4;
    word(context, ["queries", "gallery"][row], 0, top + side / 2, { ...colours, baseline: "middle", font: FONT });
    pictures.forEach((text, k) => {
      const left = label + k * (side + 6);
      levelsOf(text, { corruption, severity: at }).forEach((level, place) => {
        const [y, x] = [Math.floor(place / 8), place % 8].map((step) => (step * side) / 8);
        context.fillStyle = `rgb(${17 * level}, ${17 * level}, ${17 * level})`;
        context.fillRect(left + x, top + y, side / 8 + 0.6, side / 8 + 0.6);
      });
      context.strokeStyle = colours.ink;
      context.lineWidth = 1;
      context.strokeRect(left, top, side, side);
    });
  });
  const how = severity === 0 ? "clean" : `under ${words(names[corruption])} of severity ${severity}`;
  const gallery = severity === 0 || spoilt === 0 ? "the gallery too" : "the gallery clean";
  describe(canvas, `${pictures.length} handwritten digits, as queries ${how}, ${gallery}.`);
}

/** Recall@1 of the arms against severity. */
function drawRecall(canvas, colours, state) {
  const { arms, names, corruption, severity, t } = state;
  const found = arms.map((_, arm) =>
    SEVERITIES.map((at) => estimateOf(recallOf(state, { ...state, arm, severity: at }), t)),
  );
  const lowest = Math.min(...found.flat().map(({ mean, half }) => mean - half));
  chart(canvas, {
    ...colours,
    height: 230,
    x: { from: -0.2, to: 5.2, title: `severity of ${words(names[corruption])}`, ticks: SEVERITIES.map((at) => [at, String(at)]) },
    y: { from: Math.max(0, Math.floor(10 * lowest) / 10), to: 1, title: "Recall@1" },
    // Side by side by a little: error bars of four arms would lie on one another.
    curves: arms.map((label, arm) => ({
      x: SEVERITIES.map((at) => at + 0.06 * (arm - (arms.length - 1) / 2)),
      y: found[arm].map(({ mean }) => mean),
      error: found[arm].map(({ half }) => half),
      label,
      colour: arm,
      dash: arm,
      mark: arm,
    })),
    lines: [{ axis: "x", at: severity, dash: 2 }],
    says: `Recall@1 at severity ${severity}: ${arms.map((name, arm) => `${name} ${decimals(found[arm][severity].mean, 3)}`).join(", ")}.`,
  });
  return found.map((curve) => curve[severity]);
}

function render({ model, el }) {
  const digits = sheet("Digits as queries and as gallery");
  const curves = sheet("Recall@1 against severity");
  const arms = model.get("arms");
  const kinds = Object.fromEntries(model.get("names").map((name, k) => [words(name), { corruption: k }]));
  return stage({
    model,
    el,
    name: "corruptions",
    title: "digits under corruption, and what four embeddings keep",
    keys: ["arms", "names", "pair", "t", "tested", "clean", "counts", "pictures", "corruption", "severity", "spoilt"],
    picture: [digits, curves],
    panel: [
      presets("Corruption", kinds, model),
      slider(KNOB, onKey(model, "severity")),
      choice("Corrupted are", PROTOCOLS.map((text, k) => [k, text]), onKey(model, "spoilt")),
    ],
    readout: Object.fromEntries(arms.map((name, arm) => [arm, name])),
    draw(state, colours) {
      drawDigits(digits, colours, state);
      const found = drawRecall(curves, colours, state);
      return {
        verdict: verdictOf(state),
        readout: Object.fromEntries(found.map(({ mean, half }, arm) => [arm, `${decimals(mean, 3)} ± ${decimals(half, 3)}`])),
        found,
      };
    },
  });
}

export default { render };
