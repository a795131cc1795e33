// One container: its rates, and its row, whose cells are made once and then only written to.
import { Details } from "./details.js";
import { Sparkline } from "./sparkline.js";
import { age, bytes, count, make, plural, ports, range, rate, set, setAttribute } from "./text.js";

// From here on a rate counts as being at its limit: headers and the shaper's own steps take some percent.
const near = 0.9;

let made = 0;

export class Row {
  rates = {};
  stale = false;
  visible = true;
  #time = null;
  #details = null;

  constructor(container) {
    this.container = container;
    this.key = container.hostInterface;
    this.receive = new Sparkline("Receive");
    this.transmit = new Sparkline("Send");
    this.element = make("tbody", { role: "rowgroup" });
    this.#build();
  }

  get name() {
    return this.container.name;
  }

  // What was dropped, by whom. An htb counts what its leaf drops, so the leaf stands in only where there is no htb.
  get drops() {
    const { receive, transmit, queues, foreignSourcePackets } = this.container;
    const of = (id) => queues.find((queue) => queue.id === id)?.drops;
    const queue = (direction) => of(direction + "bw_limit") ?? of(direction + "bloat_reduction");
    const [out, into] = [queue(""), queue("ingress_")];
    const queued = out == null && into == null ? null : (out ?? 0) + (into ?? 0);
    const link = receive.drops + transmit.drops;
    return { link, queued, foreign: foreignSourcePackets, total: link + (queued ?? 0) + (foreignSourcePackets ?? 0) };
  }

  update(container, time) {
    const before = { time: this.#time, container: this.container, drops: this.drops };
    this.container = container;
    if (time !== before.time) {
      this.rates = rates(before, container, time, this.drops);
      this.receive.add(time, this.rates.receive);
      this.transmit.add(time, this.rates.transmit);
      this.#time = time;
    }
    this.stale = false;
    this.#write();
  }

  markStale() {
    this.stale = true;
    this.#writeState();
  }

  draw() {
    if (this.#time === null) return;
    this.receive.show(this.#time, this.container.ingress?.rate, this.visible);
    this.transmit.show(this.#time, this.container.egress?.rate, this.visible);
  }

  sortValue(key) {
    const { container } = this;
    switch (key) {
      case "state": return container.state + (this.#notes().length ? " " + this.#notes().join() : "");
      case "receive": return this.rates.receive;
      case "transmit": return this.rates.transmit;
      case "drops": return this.drops.total;
      case "retransmits": return container.sockets?.retransmittedSegments;
      case "ports": return container.ports[0]?.begin;
      case "slice": return container.ephemeralPorts.begin;
      case "created": return -Date.parse(container.created);
      default: return this.name;
    }
  }

  matches(filter) {
    if (filter === "") return true;
    const { container } = this;
    const words = [this.name, container.containerId, container.network, container.ifName, container.state, container.podNamespace, container.hostInterface, ...this.#notes()];
    if (words.some((word) => word?.toLowerCase().includes(filter))) return true;
    const port = /^\d{1,5}$/.test(filter) ? Number(filter) : -1;
    return [container.ephemeralPorts, ...container.ports].some(({ begin, end }) => begin <= port && port <= end);
  }

  #build() {
    const id = "details-" + ++made;
    this.title = make("bdi", { class: "name" });
    this.toggle = make("button", { type: "button", class: "toggle", "aria-expanded": "false", "aria-controls": id });
    this.subtitle = make("bdi", { class: "sub" });
    this.cells = {};
    const head = make("th", { scope: "row", role: "rowheader" }, make("div", { class: "heading" }, this.toggle, make("div", {}, this.title, this.subtitle)));
    this.state = make("span", { class: "state" });
    this.notes = make("span", { class: "sub notes" });
    this.meter = make("meter", { min: 0, hidden: "" });
    this.line = make(
      "tr",
      { role: "row" },
      head,
      cell("State", "state-cell", this.state, this.notes),
      this.#flow("receive", "Receive"),
      this.#flow("transmit", "Send"),
      this.#pair("drops", "Drops", "number"),
      this.#pair("retransmits", "Retransmits", "number"),
      this.#pair("ports", "Ports"),
      this.#pair("slice", "Port slice", "", this.meter),
      this.#pair("created", "Age", "number"),
    );
    this.element.append(this.line);
    this.toggle.addEventListener("click", () => this.#toggleDetails(id));
  }

  #flow(name, label) {
    const parts = (this.cells[name] = { main: make("span", { class: "main" }), sub: make("span", { class: "sub" }) });
    return cell(label, "flow " + name, make("div", { class: "drawn" }, this[name].element, make("div", {}, parts.main, parts.sub)));
  }

  #pair(name, label, style = "", ...more) {
    const parts = (this.cells[name] = { main: make("span", { class: "main" }), sub: make("span", { class: "sub" }) });
    return cell(label, style, parts.main, parts.sub, ...more);
  }

  #put(name, main, sub = "") {
    set(this.cells[name].main, main);
    set(this.cells[name].sub, sub);
  }

  #write() {
    const { container, rates: now } = this;
    const named = this.name !== container.containerId;
    set(this.title, this.name);
    setAttribute(this.title, "title", this.name);
    set(this.subtitle, [named ? short(container.containerId) : null, container.network, container.ifName].filter(Boolean).join(" · "));
    setAttribute(this.subtitle, "title", this.subtitle.textContent);
    setAttribute(this.toggle, "aria-label", "Details of " + this.name);
    this.#writeState();
    this.#writeFlow("receive", now.receive, container.ingress);
    this.#writeFlow("transmit", now.transmit, container.egress);

    const { total, foreign } = this.drops;
    this.#put("drops", count(total), now.drops > 0 ? count(Math.ceil(now.drops)) + "/s now" : foreign > 0 ? count(foreign) + " foreign" : "");
    this.element.classList.toggle("dropping", now.drops > 0);
    this.#put("retransmits", count(container.sockets?.retransmittedSegments), now.retransmits > 0 ? count(Math.ceil(now.retransmits)) + "/s now" : "");

    const owned = ports(container.ports);
    this.#put("ports", owned.length === 0 ? "none" : owned.slice(0, 2).join("\n"), owned.length > 2 ? plural(owned.length - 2, "more range") : "");
    this.#writeSlice(container.ephemeralPorts, container.sockets?.ephemeralPortsInUse);
    this.#put("created", age(this.#time - Date.parse(container.created)));
    this.#details?.update(this);
  }

  #writeFlow(name, value, limit) {
    const share = limit && value != null ? value / limit.rate : null;
    this.#put(name, rate(value), !limit ? "no limit" : share === null ? "limit " + rate(limit.rate) : Math.round(share * 100) + " % of " + rate(limit.rate));
    this.cells[name].sub.classList.toggle("near", share >= near);
  }

  #writeSlice(slice, used) {
    const size = slice.end - slice.begin + 1;
    this.#put("slice", range(slice), used == null ? plural(size, "port") : count(used) + " of " + count(size) + " in use");
    this.meter.hidden = used == null;
    if (used == null) return;
    setAttribute(this.meter, "max", size);
    setAttribute(this.meter, "high", Math.floor(size * near));
    setAttribute(this.meter, "optimum", 0);
    setAttribute(this.meter, "value", used);
    setAttribute(this.meter, "aria-label", "Ports of the slice in use");
  }

  #writeState() {
    set(this.state, this.container.state);
    setAttribute(this.state, "data-state", this.container.state);
    set(this.notes, this.#notes().join("\n"));
    this.element.classList.toggle("stale", this.stale);
  }

  #notes() {
    const { warnings, sockets } = this.container;
    return [
      this.stale ? "stale" : null,
      warnings.length ? plural(warnings.length, "warning") : null,
      sockets?.unownedPorts?.length ? plural(sockets.unownedPorts.length, "unowned port") : null,
    ].filter(Boolean);
  }

  // Made when first opened: of three hundred containers, few are looked at closely.
  #toggleDetails(id) {
    this.#details ??= new Details(id, this.element);
    const open = this.#details.toggle();
    this.toggle.setAttribute("aria-expanded", String(open));
    this.#details.update(this);
  }
}

// Runtimes' ids are long, and their first twelve characters are what people know them by; the details have the whole.
const short = (id) => (id.length > 16 ? [...id].slice(0, 12).join("") + "…" : id);

function cell(label, style, ...children) {
  return make("td", { role: "cell", "data-label": label, class: style }, ...children);
}

const known = ({ queued, foreign }) => `${queued == null} ${foreign == null}`;

// Per second. A counter that fell belongs to an interface that was made anew, and then no difference means anything.
function rates(before, container, time, drops) {
  const seconds = (time - before.time) / 1000;
  const previous = before.container;
  const anew = ["receive", "transmit"].some((way) => ["bytes", "packets"].some((what) => container[way][what] < previous[way][what]));
  if (before.time === null || seconds <= 0 || anew || container.created !== previous.created) return {};
  const per = (now, then) => (now == null || then == null || now < then ? null : (now - then) / seconds);
  return {
    receive: per(container.receive.bytes, previous.receive.bytes),
    transmit: per(container.transmit.bytes, previous.transmit.bytes),
    // The sum of other parts than before: what came to be known was not dropped just now.
    drops: known(drops) === known(before.drops) ? per(drops.total, before.drops.total) : null,
    retransmits: per(container.sockets?.retransmittedSegments, previous.sockets?.retransmittedSegments),
  };
}
