// Shapes of curves and of the sound behind them, as points and SVG paths. Times are in seconds.
const SMOOTH_STEPS = 14;
const TICK_STEPS = [0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const TICK_DISTANCE_PX = 64;

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export const nearest = (times, time) =>
  times.reduce((best, one) => (Math.abs(one - time) < Math.abs(best - time) ? one : best));

// Time and value along a lane, from its keyframes as they are drawn now.
export function curveOf(lane, points, length) {
  if (lane.samples.length) return lane.samples;
  if (!points.length) return lane.constant === null ? [] : [[0, lane.constant], [length, lane.constant]];
  const along = [[Math.min(0, points[0].seconds), points[0].number]];
  points.forEach((point, n) => {
    along.push([point.seconds, point.number]);
    const next = points[n + 1];
    if (!next) return;
    if (point.interpolation === "hold") along.push([next.seconds, point.number]);
    if (point.interpolation !== "smooth") return;
    for (let k = 1; k < SMOOTH_STEPS; k++) {
      const share = k / SMOOTH_STEPS;
      const way = share * share * (3 - 2 * share);
      along.push([point.seconds + share * (next.seconds - point.seconds),
        point.number + way * (next.number - point.number)]);
    }
  });
  along.push([length, points[points.length - 1].number]);
  return along;
}

// The value of a curve at a time; null where it has none.
export function valueAt(along, time) {
  if (!along.length) return null;
  let after = along.findIndex(([t]) => t > time);
  if (after === -1) after = along.length;
  const [t0, v0] = along[Math.max(0, after - 1)];
  const [t1, v1] = along[Math.min(after, along.length - 1)];
  const share = t1 > t0 ? clamp((time - t0) / (t1 - t0), 0, 1) : 0;
  return v0 + (v1 - v0) * share;
}

export const joinPath = (pairs) =>
  pairs.length ? `M${pairs.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}` : "";

// Columns of the sound that lie in a stretch of time, as [time, value].
export function columnsOf(values, from, to, length) {
  const first = Math.max(0, Math.floor((from / length) * values.length));
  const last = Math.min(values.length, Math.ceil((to / length) * values.length));
  const pairs = [];
  for (let n = first; n < last; n++) pairs.push([((n + 0.5) / values.length) * length, values[n]]);
  return pairs;
}

export function wavePath(pairs, x, middle, half) {
  const side = (sign) => pairs.map(([time, peak]) => [x(time), middle + sign * Math.min(1, peak) * half]);
  return pairs.length ? `${joinPath([...side(-1), ...side(1).reverse()])}Z` : "";
}

export function ticksOf(from, to, width) {
  const step = TICK_STEPS.find((one) => (one / (to - from)) * width > TICK_DISTANCE_PX) || 7200;
  const ticks = [];
  for (let n = Math.ceil(from / step); n * step <= to; n++) ticks.push(n * step);
  return ticks;
}

export function timeText(seconds) {
  if (seconds < 60) return `${+seconds.toFixed(2)} s`;
  return `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;
}
