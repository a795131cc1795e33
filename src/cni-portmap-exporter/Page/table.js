// The rows, their order, and which of them are shown.
import { Row } from "./row.js";
import { setAttribute } from "./text.js";

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

// Of these, who sorts wants to see the largest first.
const largestFirst = new Set(["receive", "transmit", "drops", "retransmits"]);

export class Table {
  #rows = new Map();
  #elements = new WeakMap();
  #key = "name";
  #descending = false;
  #filter = "";
  #pointed = false;
  #touched = false;

  constructor(element) {
    this.element = element;
    this.headers = [...element.tHead.rows[0].cells];
    for (const header of this.headers) {
      header.firstElementChild.addEventListener("click", () => this.#sortBy(header.dataset.key));
    }
    // Rows must not move away from under a pointer. What a finger points at, nobody can tell.
    document.addEventListener("pointerdown", (event) => (this.#touched = event.pointerType === "touch"), { capture: true });
    element.addEventListener("pointerover", (event) => (this.#pointed = event.target.closest("tbody") !== null));
    element.addEventListener("pointerleave", () => (this.#pointed = false));
    this.observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "200px" });
    this.#markHeaders();
  }

  get rows() {
    return [...this.#rows.values()];
  }

  get shown() {
    return this.rows.filter((row) => !row.element.hidden).length;
  }

  // An answer that is not complete takes no rows away: they become stale.
  update(containers, time, complete) {
    const there = new Set();
    let added = false;
    for (const container of containers) {
      there.add(container.hostInterface);
      added = this.#add(container) || added;
      this.#rows.get(container.hostInterface).update(container, time);
    }
    for (const row of this.rows) {
      if (there.has(row.key)) continue;
      if (complete) this.#remove(row);
      else row.markStale();
    }
    this.#applyFilter();
    if (added || !this.#held()) this.#arrange();
    for (const row of this.#rows.values()) row.draw();
  }

  markStale() {
    for (const row of this.#rows.values()) row.markStale();
  }

  filter(text) {
    this.#filter = text.trim().toLowerCase();
    this.#applyFilter();
  }

  #add(container) {
    if (this.#rows.has(container.hostInterface)) return false;
    const row = new Row(container);
    this.#rows.set(row.key, row);
    this.#elements.set(row.element, row);
    this.observer.observe(row.element);
    return true;
  }

  #remove(row) {
    this.observer.unobserve(row.element);
    this.#rows.delete(row.key);
    // The keyboard's place in the page must not be lost with the row.
    const focused = row.element.contains(document.activeElement);
    const neighbour = row.element.nextElementSibling ?? row.element.previousElementSibling;
    row.element.remove();
    if (focused) (this.#elements.get(neighbour)?.toggle ?? this.element).focus();
  }

  #applyFilter() {
    for (const row of this.#rows.values()) {
      const hidden = !row.matches(this.#filter);
      if (row.element.hidden !== hidden) row.element.hidden = hidden;
    }
  }

  #sortBy(key) {
    this.#descending = this.#key === key ? !this.#descending : largestFirst.has(key);
    this.#key = key;
    this.#markHeaders();
    this.#arrange();
  }

  #markHeaders() {
    for (const header of this.headers) {
      const sorted = header.dataset.key === this.#key;
      setAttribute(header, "aria-sort", sorted ? (this.#descending ? "descending" : "ascending") : null);
    }
  }

  // Values change every two seconds; the order follows only while nobody reads or works in the table.
  #held() {
    return this.#pointed || this.#touched || this.element.querySelector(":focus-visible") !== null;
  }

  #arrange() {
    let place = this.element.tBodies[0] ?? null;
    for (const row of this.#sorted()) {
      if (row.element === place) place = place.nextElementSibling;
      else this.element.insertBefore(row.element, place);
    }
  }

  // What is not known comes last, whichever way is sorted.
  #sorted() {
    const entries = this.rows.map((row) => ({ row, value: row.sortValue(this.#key) }));
    const sign = this.#descending ? -1 : 1;
    entries.sort((a, b) => {
      if (a.value == null || b.value == null) return (a.value == null) - (b.value == null) || byName(a.row, b.row);
      return sign * compare(a.value, b.value) || byName(a.row, b.row);
    });
    return entries.map((entry) => entry.row);
  }

  #seen(entries) {
    for (const entry of entries) {
      const row = this.#elements.get(entry.target);
      row.visible = entry.isIntersecting;
      row.draw();
    }
  }
}

const compare = (a, b) => (typeof a === "string" ? collator.compare(a, b) : a - b);

const byName = (a, b) => collator.compare(a.name, b.name) || collator.compare(a.key, b.key);
