// Asks the exporter every two seconds and shows the answer.
import { Table } from "./table.js";
import { clock, count, plural, rate, set, setAttribute, unknown } from "./text.js";

const interval = 2000;
const longestPause = 30000;
const patience = 10000;

const find = (id) => document.getElementById(id);
const table = new Table(find("containers"));

let timer = 0;
let asking = null;
let paused = false;
let failures = 0;
let answered = null;
let announced = "";
let fault = null;

async function ask() {
  clearTimeout(timer);
  asking?.abort();
  const abort = (asking = new AbortController());
  const limit = setTimeout(() => abort.abort(new Error("it takes too long")), patience);
  try {
    const response = await fetch("containers.json", { cache: "no-store", signal: abort.signal });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    const answer = await response.json();
    if (asking === abort) show(answer);
  } catch (error) {
    // Another question, a pause or a hidden page took this one's place.
    if (asking === abort) lose(error);
  } finally {
    clearTimeout(limit);
    if (asking === abort) {
      asking = null;
      timer = setTimeout(ask, Math.min(interval * 2 ** failures, longestPause));
    }
  }
}

function stop() {
  clearTimeout(timer);
  const abort = asking;
  asking = null;
  abort?.abort();
}

function show(answer) {
  if (failures > 0) announce("Connected again");
  failures = 0;
  answered = answer.time;
  connection("live", "Live");
  find("lost").hidden = true;
  set(find("updated"), "as of " + clock(answer.time));
  setAttribute(find("updated"), "title", `Read in the exporter at ${new Date(answer.time).toISOString()}`);
  set(find("version"), "cni-portmap-exporter " + answer.version);
  for (const id of ["pause", "filter"]) find(id).disabled = false;

  showFault(answer.fault ?? null);
  table.update(answer.containers, answer.time, answer.fault == null);
  summarise(answer);
  showShares();
}

function lose(error) {
  if (failures === 0) {
    announce("Connection lost");
    table.markStale();
  }
  failures = Math.min(failures + 1, 10);
  connection("lost", "Connection lost");
  const reason = error instanceof TypeError ? "it cannot be reached" : error.message;
  set(find("lost-text"), answered === null ? `The exporter does not answer (${reason}).` : `No answer from the exporter since ${clock(answered)} (${reason}). What you see are the last known values.`);
  find("lost").hidden = false;
}

function showFault(text) {
  if (text !== fault) {
    announce(text === null ? "The exporter reads everything again" : "Exporter fault: " + text);
    fault = text;
  }
  find("fault").hidden = text === null;
  set(find("fault"), text === null ? "" : `The exporter could not read everything: ${text}. Containers that are missing in its answer are marked stale.`);
}

function summarise({ containers, pool, unreadableRecords, fault: broken }) {
  const total = (name) => table.rows.reduce((sum, { rates, stale }) => (stale || rates[name] == null ? sum : (sum ?? 0) + rates[name]), null);
  set(find("count"), broken && containers.length === 0 ? unknown : count(containers.length));
  set(find("receiving"), rate(total("receive")));
  set(find("sending"), rate(total("transmit")));

  const capacity = pool?.capacity;
  set(find("pool"), pool ? count(pool.inUse) + (capacity == null ? "" : " of " + count(capacity)) : unknown);
  find("pool-meter").hidden = capacity == null;
  setAttribute(find("pool-meter"), "max", capacity ?? 1);
  setAttribute(find("pool-meter"), "high", Math.floor((capacity ?? 1) * 0.9));
  setAttribute(find("pool-meter"), "optimum", 0);
  setAttribute(find("pool-meter"), "value", pool?.inUse ?? 0);

  const warned = containers.filter(({ warnings }) => warnings.length > 0).length;
  const faults = [
    broken ? "incomplete reading" : null,
    unreadableRecords ? plural(unreadableRecords, "unreadable record") : null,
    warned ? plural(warned, "container") + " with warnings" : null,
  ].filter(Boolean);
  set(find("faults"), faults.join(", ") || "none");
  find("faults-tile").classList.toggle("bad", faults.length > 0);
}

function showShares() {
  const all = table.rows.length;
  const shown = table.shown;
  table.element.hidden = shown === 0;
  find("empty").hidden = all > 0 || answered === null || fault !== null;
  find("unmatched").hidden = all === 0 || shown > 0;
  set(find("shown"), all === 0 ? "" : shown === all ? "all shown" : `${count(shown)} of ${count(all)} shown`);
}

function connection(state, text) {
  setAttribute(find("connection"), "data-state", state);
  set(find("connection-text"), text);
}

// Only what somebody who cannot see the page must be told of; numbers that change are not.
function announce(text) {
  if (text !== announced) set(find("announcement"), text);
  announced = text;
}

function pause() {
  paused = !paused;
  set(find("pause"), paused ? "Resume" : "Pause");
  if (paused) {
    stop();
    connection("paused", "Paused");
  } else {
    ask();
  }
}

let typing = 0;

function filter() {
  table.filter(find("filter").value);
  showShares();
  clearTimeout(typing);
  typing = setTimeout(() => announce(`${count(table.shown)} of ${plural(table.rows.length, "container")} shown`), 700);
}

find("host").textContent = location.host || "this host";
document.title = `Containers of ${location.host}`;
find("pause").addEventListener("click", pause);
find("retry").addEventListener("click", () => (paused ? pause() : ask()));
find("filter").addEventListener("input", filter);
find("clear").addEventListener("click", () => {
  find("filter").value = "";
  filter();
  find("filter").focus();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stop();
  else if (!paused) ask();
});
if (!document.hidden) ask();
