// Elements and figures as text. Whatever comes from outside becomes text, never markup.

export const $ = (id) => document.getElementById(id);

export const make = (tag, text = "", name = "") =>
  Object.assign(document.createElement(tag), {textContent: text, className: name});

// An address of this server. A page that was opened as https://user:password@board may not ask for relative ones.
export const at = (path) => location.origin + path;

// An <img> is seen while it has a picture: no empty frame, no sign of a broken one. `changed` hears of both.
export function hideEmpty(image, changed = () => {}) {
  const say = (isEmpty) => { image.classList.toggle("empty", isEmpty); changed(isEmpty); };
  image.addEventListener("load", () => say(false));
  image.addEventListener("error", () => say(true));
  image.classList.add("empty");
}

export function empty(image) {
  image.removeAttribute("src");
  image.classList.add("empty");
}

const SVG = "http://www.w3.org/2000/svg";

export function draw(tag, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

export function span(s) {
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
}

export const number = (n) =>
  n < 10000 ? String(n) : n < 1e7 ? `${(n / 1e3).toFixed(n < 1e5 ? 1 : 0)}k` : `${(n / 1e6).toFixed(1)}M`;

export const ms = (value) => value < 99.5 ? value.toFixed(value < 9.95 ? 1 : 0) : number(Math.round(value));

// The colour of an identity, as in the picture.
export const colour = (id) => `hsl(${(id * 0.618033988749895 % 1) * 360} 90% ${[56, 66, 48][id % 3]}%)`;

// Give a <select> these values behind its first option; what is chosen stays chosen.
export function offer(select, values) {
  const there = [...select.options].slice(1).map((option) => option.value);
  if (there.length === values.length && values.every((value, i) => value === there[i])) return;
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...values.map((value) => new Option(value, value)));
  select.value = values.includes(chosen) ? chosen : "";
}

export function table(target, head, rows) {
  const line = (cells, tag) => {
    const row = make("tr");
    row.append(...cells.map((cell) => cell instanceof Node ? cell : make(tag, cell)));
    return row;
  };
  target.replaceChildren(...(head ? [line(head, "th")] : []), ...rows.map((row) => line(row, "td")));
}
