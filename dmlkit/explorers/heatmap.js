// Maps of a function over the plane: colours for its values, contours, and what stands out on any colour.

// Viridis: even steps of lightness, told apart by the colour-blind too.
const VIRIDIS = [
  "#440154",
  "#482878",
  "#3e4989",
  "#31688e",
  "#26828e",
  "#1f9e89",
  "#35b779",
  "#6ece58",
  "#b5de2b",
  "#fde725",
];
/** Viridis as 256 colours of three numbers. */
export const HEAT = (() => {
  const stops = VIRIDIS.map((hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)));
  const table = new Uint8ClampedArray(256 * 3);
  for (let k = 0; k < 256; k++) {
    const position = (k / 255) * (stops.length - 1);
    const left = Math.min(Math.floor(position), stops.length - 2);
    for (let c = 0; c < 3; c++)
      table[3 * k + c] = stops[left][c] + (position - left) * (stops[left + 1][c] - stops[left][c]);
  }
  return table;
})();

/** The colour of a fraction in [0, 1], as an index into HEAT; values outside take the colour of the end. */
export const colourIndex = (t) => 3 * Math.round(255 * Math.min(1, Math.max(0, t)));

/** Fill a canvas of `width` × `height` pixels, one a value; values run row by row from the lowest, as fractions. */
export function paintHeat(canvas, fractions, [width, height]) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let row = 0, k = 0; row < height; row++) {
    for (let column = 0; column < width; column++, k++) {
      const at = 4 * ((height - 1 - row) * width + column);
      const colour = colourIndex(fractions[k]);
      pixels.data[at] = HEAT[colour];
      pixels.data[at + 1] = HEAT[colour + 1];
      pixels.data[at + 2] = HEAT[colour + 2];
      pixels.data[at + 3] = 255;
    }
  }
  context.putImageData(pixels, 0, 0);
}

/** Contour lines by marching squares: evenly spaced levels through every cell of a grid of values. */
export function traceContours(path, values, [width, height], { first, step, count }, toX, toY) {
  const edge = new Float64Array(8);
  for (let row = 0; row + 1 < height; row++) {
    for (let column = 0; column + 1 < width; column++) {
      const k = row * width + column;
      const a = values[k],
        b = values[k + 1],
        c = values[k + width + 1],
        d = values[k + width];
      const low = Math.max(0, Math.ceil((Math.min(a, b, c, d) - first) / step));
      const high = Math.min(count - 1, Math.floor((Math.max(a, b, c, d) - first) / step));
      for (let level = low; level <= high; level++) {
        const v = first + level * step;
        let points = 0;
        const cross = (from, to, x0, y0, x1, y1) => {
          if (from < v === to < v) return;
          const t = (v - from) / (to - from);
          edge[points++] = toX(column + x0 + t * (x1 - x0));
          edge[points++] = toY(row + y0 + t * (y1 - y0));
        };
        cross(a, b, 0, 0, 1, 0);
        cross(b, c, 1, 0, 1, 1);
        cross(c, d, 1, 1, 0, 1);
        cross(d, a, 0, 1, 0, 0);
        for (let p = 0; p + 3 < points; p += 4) {
          path.moveTo(edge[p], edge[p + 1]);
          path.lineTo(edge[p + 2], edge[p + 3]);
        }
      }
    }
  }
}

/** Stroke the current path in a colour with a dark rim, to be seen on any colour of the map. */
export function outlined(context, colour, lineWidth) {
  context.lineCap = "round";
  context.strokeStyle = "rgba(0, 0, 0, 0.75)";
  context.lineWidth = lineWidth + 1.6;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = lineWidth;
  context.stroke();
}

/** The mark of a minimum. */
export function diamond(context, x, y) {
  context.beginPath();
  context.moveTo(x, y - 8);
  context.lineTo(x + 8, y);
  context.lineTo(x, y + 8);
  context.lineTo(x - 8, y);
  context.closePath();
  context.fillStyle = "#ff9a4d";
  context.fill();
  context.strokeStyle = "#101418";
  context.lineWidth = 1.6;
  context.stroke();
}
