// Numbers, times and ports in words. A dash stands for what is not known.
export const unknown = "–";

const units = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];

// 1 KB is 1024 B, as in the plugin's configuration; three digits are what a glance can use.
export function bytes(value) {
  if (value == null) return unknown;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return (unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)) + " " + units[unit];
}

export const rate = (value) => (value == null ? unknown : bytes(value) + "/s");

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (value) => (value == null ? unknown : whole.format(value));

export const range = ({ begin, end }) => (begin === end ? String(begin) : begin + "–" + end);

// Ports that a container has for several protocols are told once: "31005 tcp, udp".
export function ports(list) {
  const protocols = new Map();
  for (const claim of list) {
    const key = range(claim);
    protocols.set(key, [...(protocols.get(key) ?? []), claim.protocol]);
  }
  return [...protocols].map(([key, names]) => key + " " + names.join(", "));
}

const spans = [["d", 86400], ["h", 3600], ["min", 60]];

export function age(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  for (const [unit, size] of spans) {
    if (seconds >= size) return Math.floor(seconds / size) + " " + unit;
  }
  return seconds + " s";
}

export const clock = (milliseconds) => new Date(milliseconds).toLocaleTimeString("en-GB");

export const plural = (number, one, many = one + "s") => count(number) + " " + (number === 1 ? one : many);

// Writing what is there already would cost a layout for nothing.
export function set(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

export function setAttribute(element, name, value) {
  if (value == null) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

// Data becomes text nodes only: names come from whoever starts containers.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
