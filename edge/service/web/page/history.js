// Charts of what happened by hours or days: people, crossings of lines, stays in zones.
import {$, at, draw, make, number, offer} from "/page/dom.js";

const REFRESH_MS = 60000;
const HEIGHT = 120, LEFT = 34, RIGHT = 18, TOP = 8, BOTTOM = 20;
const form = $("history-form");
let found = null, timer = 0;

// {name: [a value for each of `times`]}, added up over what `key` does not tell apart.
function series(rows, times, key, value) {
  const places = new Map(times.map((time, i) => [time, i])), sums = {};
  for (const row of rows) {
    if (form.elements.class.value && row.class !== form.elements.class.value) continue;
    const name = key(row), values = sums[name] ||= times.map(() => 0);
    if (places.has(row.time)) values[places.get(row.time)] += value(row);
  }
  return sums;
}

function nice(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  return [1, 2, 5, 10].map((n) => n * power).find((top) => top >= most) || most;
}

const label = (time, by) => by === "hour" ? time.slice(11, 16) : time.slice(5);

function bars(sums, times, by, width) {
  const names = Object.keys(sums), totals = times.map((_, i) => names.reduce((sum, name) => sum + sums[name][i], 0));
  const top = nice(Math.max(...totals)), step = (width - LEFT - RIGHT) / times.length;
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const picture = draw("svg", {viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true"});
  for (const value of new Set([0, top / 2, top])) {
    picture.append(draw("line", {x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value), class: "grid"}));
    if (Number.isInteger(value)) {
      picture.append(draw("text", {x: LEFT - 6, y: y(value) + 4, "text-anchor": "end"}, number(value)));
    }
  }
  const every = Math.ceil(times.length / Math.max(1, Math.floor((width - LEFT) / 62)));
  times.forEach((time, i) => {
    let base = 0;
    const x = LEFT + i * step + step * 0.12;
    names.forEach((name, kind) => {
      const value = sums[name][i];
      if (!value) return;
      const bar = {x, width: step * 0.76, y: y(base + value), height: Math.max(1, y(base) - y(base + value))};
      const drawn = draw("rect", {...bar, rx: 1.5, class: `kind${kind % 6}`});
      drawn.append(draw("title", {}, `${time.replace("T", " ")}: ${name} ${value}`));
      picture.append(drawn);
      base += value;
    });
    if (i % every === 0) {
      picture.append(draw("text", {x: LEFT + (i + 0.5) * step, y: HEIGHT - 5, "text-anchor": "middle"}, label(time, by)));
    }
  });
  return picture;
}

function figure(title, sums, times, by, width) {
  const root = make("figure"), caption = make("figcaption"), names = Object.keys(sums);
  const sum = (name) => sums[name].reduce((a, b) => a + b, 0);
  caption.append(make("b", title));
  names.forEach((name, kind) => {
    const entry = make("span", "", "entry");
    entry.append(make("i", "", `kind${kind % 6}`), `${name} `, make("b", number(sum(name))));
    caption.append(entry);
  });
  root.append(caption);
  if (!names.length) {
    root.append(make("p", "nothing in this time", "dim"));
    return root;
  }
  const details = make("details"), rows = make("table"), head = make("tr");
  head.append(make("th", by === "hour" ? "hour" : "day"), ...names.map((name) => make("th", name)));
  rows.append(head, ...times.map((time, i) => {
    const row = make("tr");
    row.append(make("td", time.replace("T", " ")), ...names.map((name) => make("td", String(sums[name][i]))));
    return row;
  }));
  details.append(make("summary", `${title} as a table`), rows);
  root.append(bars(sums, times, by, width), details);
  return root;
}

function show() {
  const {by, times, people, crossings, zones} = found;
  const several = !form.elements.camera.value && new Set(people.map((row) => row.camera)).size > 1;
  const of = (row, name) => several ? `${row.camera} ${name}` : name;
  offer(form.elements.class, [...new Set(people.map((row) => row.class))].sort());
  const charts = [
    ["New identities", series(people, times, (row) => of(row, row.class), (row) => row.identities)],
    ["Crossings", series(crossings, times, (row) => of(row, `${row.line} ${row.direction}`), (row) => row.count)],
    ["Entered zones", series(zones, times, (row) => of(row, row.zone), (row) => row.entered)],
  ];
  const open = [...$("charts").querySelectorAll("details")].map((details) => details.open);
  const columns = getComputedStyle($("charts")).gridTemplateColumns.split(" ");
  const width = parseFloat(columns[0]) || 320;
  $("charts").replaceChildren(...charts.map(([title, sums]) => figure(title, sums, times, by, Math.round(width))));
  [...$("charts").querySelectorAll("details")].forEach((details, i) => { details.open = Boolean(open[i]); });
}

async function load() {
  clearTimeout(timer);
  timer = setTimeout(load, REFRESH_MS);
  if (document.hidden) return;
  const {camera, by} = form.elements;
  const asked = new URLSearchParams({by: by.value, ...(camera.value && {camera: camera.value})});
  try {
    const answer = await fetch(at(`/api/history?${asked}`));
    const data = await answer.json();
    if (!answer.ok) throw new Error(data.error);
    found = data;
    show();
  } catch (error) {
    $("charts").replaceChildren(make("p", `No history: ${error.message}`, "dim"));
  }
}

export function showHistory(cameras) {
  offer(form.elements.camera, cameras);
  if (!$("history").hidden) return;
  $("history").hidden = false;
  load();
}

form.addEventListener("input", (event) => event.target.name === "class" ? show() : load());
form.addEventListener("submit", (event) => event.preventDefault());
new ResizeObserver(() => found && show()).observe($("history"));
