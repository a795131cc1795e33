// All that is known of a container, under its row.
import { bytes, count, make, plural, ports, range, rate, set, setAttribute, unknown } from "./text.js";

const queueNames = {
  bw_limit: "Send limit",
  bloat_reduction: "Send queue",
  ingress_bw_limit: "Receive limit",
  ingress_bloat_reduction: "Receive queue",
};

const traffic = (way) => `${bytes(way.bytes)}, ${plural(way.packets, "packet")}, ${plural(way.errors, "error")}`;

function limit(value) {
  if (!value) return "none";
  return rate(value.rate) + (value.ceil > value.rate ? `, bursts of ${bytes(value.burst)} at ${rate(value.ceil)}` : "");
}

const milliseconds = (microseconds) => (microseconds / 1000).toFixed(1) + " ms";

// A value of null is not known; an empty one has nothing to say.
const fields = {
  Warnings: ({ container }) => container.warnings.join("\n"),
  "Unowned ports": ({ container }) => container.sockets?.unownedPorts?.map(({ protocol, port }) => `${port} ${protocol}`).join(", "),
  Name: (row) => row.name,
  "Container id": ({ container }) => container.containerId,
  Network: ({ container }) => container.network,
  "Pod namespace": ({ container }) => container.podNamespace ?? "",
  Interface: ({ container }) => `${container.ifName}, on the host ${container.hostInterface}`,
  Created: ({ container }) => new Date(container.created).toLocaleString("en-GB"),
  Ports: ({ container }) => ports(container.ports).join("; ") || "none",
  "Port slice": ({ container }) => range(container.ephemeralPorts),
  Received: ({ container }) => traffic(container.receive),
  Sent: ({ container }) => traffic(container.transmit),
  "Receive limit": ({ container }) => limit(container.ingress),
  "Send limit": ({ container }) => limit(container.egress),
  "Dropped by the link": ({ container }) => `${count(container.receive.drops)} received, ${count(container.transmit.drops)} sent`,
  "Dropped by queues": ({ drops }) => count(drops.queued),
  "Dropped for a foreign source": ({ drops }) => count(drops.foreign),
  Queues: ({ container }) =>
    container.queues
      .map((queue) => `${queueNames[queue.id] ?? queue.id}: ${plural(queue.packets, "packet")}, ${plural(queue.drops, "drop")}, ${plural(queue.overlimits, "overlimit")}, ${bytes(queue.backlog)} waiting`)
      .join("\n"),
  "TCP connections": ({ container: { sockets } }) =>
    sockets?.activeConnections == null ? null : `${count(sockets.activeConnections)} in use, ${count(sockets.timeWaitConnections)} in time-wait`,
  "Round trips": ({ container: { sockets } }) =>
    sockets?.roundTripP50 == null ? null : `median ${milliseconds(sockets.roundTripP50)}, 99th percentile ${milliseconds(sockets.roundTripP99)}`,
};

export class Details {
  #values = new Map();
  #line;

  constructor(id, body) {
    const list = make("dl", { class: "details" });
    for (const name of Object.keys(fields)) {
      const value = make("dd", {}, make("bdi"));
      const pair = make("div", { class: name === "Warnings" ? "warnings" : "" }, make("dt", {}, name), value);
      this.#values.set(name, { pair, text: value.firstChild });
      list.append(pair);
    }
    this.#line = make("tr", { role: "row", id, class: "more", hidden: "" }, make("td", { role: "cell", colspan: 9 }, list));
    body.append(this.#line);
  }

  // Whether it is open now.
  toggle() {
    this.#line.hidden = !this.#line.hidden;
    return !this.#line.hidden;
  }

  update(row) {
    if (this.#line.hidden) return;
    for (const [name, { pair, text }] of this.#values) {
      const value = fields[name](row);
      set(text, value ?? unknown);
      setAttribute(pair, "hidden", value === "" ? "" : null);
    }
  }
}
