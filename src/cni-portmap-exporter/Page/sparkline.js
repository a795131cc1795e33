// A rate over the last minutes, with the limit as a dashed line where there is one.
import { rate, setAttribute } from "./text.js";

const namespace = "http://www.w3.org/2000/svg";
const width = 96;
const height = 28;
const span = 5 * 60 * 1000;

// A page that was just opened has little to show: its axis grows, from this on, until it is whole.
const leastSpan = 60 * 1000;

// A line is not drawn over a time that nobody looked at, such as that of a hidden page.
const longestGap = 15 * 1000;

// Below this, neighbour probes of an idle container would look like mountains.
const leastScale = 1024;

export class Sparkline {
  #points = [];
  #area = shape("path", "area");
  #limit = shape("line", "limit");
  #line = shape("path", "line");

  constructor(what) {
    this.what = what;
    this.element = document.createElementNS(namespace, "svg");
    this.element.setAttribute("class", "sparkline");
    this.element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("role", "img");
    this.#limit.setAttribute("x1", 0);
    this.#limit.setAttribute("x2", width);
    this.element.append(this.#area, this.#limit, this.#line);
  }

  // A value of null is a time without a rate.
  add(time, value) {
    // A clock that was set back: what was before has no place on the axis.
    if (this.#points.at(-1)?.time >= time) this.#points = [];
    this.#points.push({ time, value });
    while (this.#points[0].time < time - span - longestGap) this.#points.shift();
  }

  // A line that nobody sees is not drawn; its words are kept true, for who reads the page otherwise.
  show(now, limit, drawn) {
    const known = this.#points.filter((point) => point.value != null && point.time >= now - span);
    const peak = known.reduce((most, point) => Math.max(most, point.value), 0);
    setAttribute(this.element, "aria-label", this.#describe(known, peak, limit));
    if (drawn) this.#draw(now, limit, peak);
  }

  #draw(now, limit, peak) {
    const scale = Math.max(peak, limit ?? 0, leastScale) * 1.06;
    const shown = Math.min(span, Math.max(leastSpan, now - (this.#points[0]?.time ?? now)));
    const x = (point) => (width - ((now - point.time) / shown) * width).toFixed(1);
    const y = (value) => (height - 1 - (value / scale) * (height - 2)).toFixed(1);

    const runs = this.#runs(now - span).map((run) => run.map((point) => x(point) + " " + y(point.value)));
    // A single point has no length; with a round cap it is a dot.
    this.#line.setAttribute("d", runs.map((run) => "M" + run.join("L") + (run.length === 1 ? "h0" : "")).join(""));
    this.#area.setAttribute("d", runs.map((run) => `M${run[0].split(" ")[0]} ${height}L${run.join("L")}V${height}Z`).join(""));
    this.#limit.setAttribute("visibility", limit == null ? "hidden" : "visible");
    if (limit != null) {
      this.#limit.setAttribute("y1", y(limit));
      this.#limit.setAttribute("y2", y(limit));
    }
  }

  // What was measured without a break.
  #runs(since) {
    const runs = [];
    let previous = null;
    for (const point of this.#points) {
      const counts = point.value != null && point.time >= since;
      if (counts && previous !== null && point.time - previous.time <= longestGap) runs.at(-1).push(point);
      else if (counts) runs.push([point]);
      previous = counts ? point : null;
    }
    return runs;
  }

  #describe(known, peak, limit) {
    const limited = limit == null ? "no limit" : `limit ${rate(limit)}`;
    if (known.length === 0) return `${this.what} rate: nothing measured yet, ${limited}`;
    const least = known.reduce((all, point) => Math.min(all, point.value), Infinity);
    return `${this.what} rate: now ${rate(known.at(-1).value)}, lowest ${rate(least)}, highest ${rate(peak)}, ${limited}`;
  }
}

function shape(tag, name) {
  const element = document.createElementNS(namespace, tag);
  element.setAttribute("class", name);
  element.setAttribute("vector-effect", "non-scaling-stroke");
  return element;
}
