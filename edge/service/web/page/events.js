// The newest events, and which of them are listed.
import {$, at, colour, hideEmpty, make, number, offer, span} from "/page/dom.js";

const MOST = 60;
const KINDS = {new: "end", pace: "board", clock_step: "board"};
const form = $("events-form");
let events = [], cameras = [], items = new Map();

function text(event) {
  switch (event.event) {
    case "new": return "appeared";
    case "camera": return event.reason ? `${event.state}: ${event.reason}` : event.state;
    case "zone": return {
      enter: `entered ${event.zone}${pace(event)} (${event.count})`,
      stay: `has been in ${event.zone} for ${span(event.dwell_s)}`,
      leave: `left ${event.zone} after ${span(event.dwell_s)}`,
    }[event.action];
    case "line": return `crossed ${event.line} ${event.direction === "in" ? "inwards" : "outwards"}${pace(event)}`;
    case "end": return `gone after ${number(event.frames)} frames`;
    case "pace": return event.reason
      ? `too hot: detects in every ${event.detect_every}. frame` : `detects in every ${event.detect_every}. frame again`;
    case "clock_step": return `clock set by ${event.seconds.toFixed(1)} s`;
    default: return event.event;
  }
}

const pace = (event) => event.speed_mps === undefined ? "" : ` at ${event.speed_mps.toFixed(1)} m/s`;

function picture(event) {
  const link = make("a"), image = make("img");
  link.href = at(`/snapshots/${event.snapshot}`);
  link.target = "_blank";
  image.alt = `Snapshot: ${event.id} ${text(event)}`;
  image.loading = "lazy";
  hideEmpty(image);
  // It is written a little later than the event, and on a full disk never.
  setTimeout(() => { image.src = link.href; }, Math.max(0, 1500 - 1000 * event.ago_s));
  image.addEventListener("error", () => setTimeout(() => {
    if (link.dataset.again) link.remove(); else image.src = `${link.href}?${link.dataset.again = 1}`;
  }, 3000));
  link.append(image);
  return link;
}

function made(event) {
  const root = make("li"), what = make("span"), time = make("time");
  if (event.id) {
    const mark = make("i");
    mark.style.background = colour(event.id);
    what.append(mark, make("b", String(event.id)), " ");
  }
  what.append(text(event));
  const where = [cameras.length > 1 ? event.camera : "", event.cls || ""].filter(Boolean).join(", ");
  if (where) what.append(" ", make("span", where, "dim"));
  if (event.clip) what.append(" ", Object.assign(make("a", "clip"), {href: at(`/clips/${event.clip}`), target: "_blank"}));
  if (event.snapshot) what.append(picture(event));
  if (event.state === "offline") what.classList.add("bad");
  root.append(what, time);
  return {root, time};
}

// What stays in the list stays in the page: its picture is loaded once.
function item(event) {
  const {ago_s, ...lasting} = event, key = JSON.stringify(lasting);
  const it = items.get(key) || made(event);
  it.time.textContent = span(ago_s);
  return [key, it];
}

function list() {
  const wanted = Object.fromEntries(new FormData(form));
  const words = wanted.text.trim().toLowerCase();
  const chosen = events.filter((event) =>
    (!wanted.camera || event.camera === wanted.camera) &&
    (!wanted.kind || (KINDS[event.event] || event.event) === wanted.kind) &&
    (!wanted.class || event.cls === wanted.class) &&
    (!words || `${event.id || ""} ${text(event)} ${event.camera} ${event.cls || ""}`.toLowerCase().includes(words)));
  items = new Map(chosen.slice(0, MOST).map(item));
  const wantedRoots = [...items.values()].map((it) => it.root);
  if (wantedRoots.some((root, i) => root !== $("events").children[i]) || wantedRoots.length !== $("events").childElementCount) {
    $("events").replaceChildren(...wantedRoots);
  }
  if (!chosen.length) $("events").append(make("li", events.length ? "none of this kind" : "none yet", "dim"));
}

export function showEvents(newest, cameraNames) {
  events = newest;
  cameras = cameraNames;
  offer(form.elements.camera, cameras);
  offer(form.elements.class, [...new Set(events.map((event) => event.cls).filter(Boolean))].sort());
  list();
}

form.addEventListener("input", list);
form.addEventListener("submit", (event) => event.preventDefault());
