// Drawing that several explorers share: sharp canvases, colours, marks, arrows, words.

// The book's colours and marks, as in dmlkit/plotting.py; a test holds the two together. Class or curve k has colour k
// and mark (or dash) k: colour alone never tells two things apart.
export const PALETTE = ["#1f83c1", "#cf6a12", "#159a74", "#c2649b", "#8a7a1f", "#4493b8", "#b5543c", "#7a7a7a"];
export const MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"];
export const DASHES = [[], [7, 4], [2, 3], [8, 3, 2, 3], [12, 4], [4, 2], [1, 3], [8, 3, 2, 3, 2, 3]];
export const FONT = "12px system-ui, sans-serif";

/** Entry `k` of a list that starts again at its end: `cycle(PALETTE, 8)` is its first colour. */
export const cycle = (list, k) => list[k % list.length];

/** A colour by its number in PALETTE; any other CSS colour stays what it is. */
export const colourOf = (colour) => (typeof colour === "number" ? cycle(PALETTE, colour) : colour);

/** Where `value` lies in [low, high], as a fraction. */
export const position = (value, [low, high]) => (value - low) / (high - low);

/** Size a canvas to its box on screen, in device pixels; drawing then goes on in CSS pixels. */
export function fit(canvas, height) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, canvas.clientWidth);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  // Setting the size also clears the canvas and forgets dashes, caps and transparency: every redraw begins the same.
  [canvas.width, canvas.height] = [w, h];
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

// Corners of the marks on a field from −1 to 1, y downward; a mark that is not here is a disc.
const PLUS = [1, -1].flatMap((side) =>
  [
    [-0.4, -1],
    [0.4, -1],
    [0.4, -0.4],
    [1, -0.4],
    [1, 0.4],
    [0.4, 0.4],
  ].map(([x, y]) => [side * x, side * y]),
);
const CORNERS = {
  s: [
    [-0.85, -0.85],
    [0.85, -0.85],
    [0.85, 0.85],
    [-0.85, 0.85],
  ],
  "^": [
    [0, -1.1],
    [1, 0.8],
    [-1, 0.8],
  ],
  D: [
    [0, -1.15],
    [1.15, 0],
    [0, 1.15],
    [-1.15, 0],
  ],
  v: [
    [0, 1.1],
    [1, -0.8],
    [-1, -0.8],
  ],
  P: PLUS,
  X: PLUS.map(([x, y]) => [(x - y) * 0.75, (x + y) * 0.75]),
  "*": Array.from({ length: 10 }, (_, k) => {
    const [radius, angle] = [k % 2 ? 0.5 : 1.25, (Math.PI * k) / 5];
    return [radius * Math.sin(angle), -radius * Math.cos(angle)];
  }),
};

/** Mark number `k` of MARKERS in colour `k` of PALETTE (or `colour`) at a pixel, with a rim, on any ground to be seen. */
export function mark(context, k, x, y, { size = 6, colour = k, rim = "rgba(0, 0, 0, 0.65)" } = {}) {
  const corners = CORNERS[cycle(MARKERS, k)];
  context.beginPath();
  if (corners) for (const [cx, cy] of corners) context.lineTo(x + size * cx, y + size * cy);
  else context.arc(x, y, size * 0.95, 0, 2 * Math.PI);
  context.closePath();
  context.fillStyle = colourOf(colour);
  context.fill();
  context.strokeStyle = rim;
  context.lineWidth = 1;
  context.stroke();
}

/** An arrow between two pixels with a head; a longer one than `longest` pixels is cut there, none is under 1 pixel. */
export function arrow(context, [x0, y0], [x1, y1], { colour, width = 2, longest = Infinity, head = 4 + 2 * width }) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (!(length >= 1)) return;
  const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
  const shown = Math.min(length, longest);
  const back = Math.max(0, shown - Math.min(head, shown));
  const [tipX, tipY] = [x0 + ux * shown, y0 + uy * shown];
  const half = (shown - back) * 0.45;
  context.strokeStyle = context.fillStyle = colourOf(colour);
  context.lineWidth = width;
  context.lineCap = "butt";
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x0 + ux * back, y0 + uy * back);
  context.stroke();
  context.beginPath();
  context.moveTo(tipX, tipY);
  context.lineTo(x0 + ux * back - uy * half, y0 + uy * back + ux * half);
  context.lineTo(x0 + ux * back + uy * half, y0 + uy * back - ux * half);
  context.fill();
}

/** A word on a canvas, with a halo in the page's ground where lines may run beneath it. */
export function word(context, text, x, y, { ink, ground, align = "left", baseline = "alphabetic", font = FONT }) {
  context.font = font;
  context.textAlign = align;
  context.textBaseline = baseline;
  if (ground) {
    context.lineWidth = 4;
    context.lineJoin = "round";
    context.strokeStyle = ground;
    context.strokeText(text, x, y);
  }
  context.fillStyle = ink;
  context.fillText(text, x, y);
}
