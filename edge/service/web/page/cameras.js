// A card for each camera: its picture, its state and its figures.
import {$, at, empty, hideEmpty, make, ms, number, span} from "/page/dom.js";
import {open} from "/page/large.js";

// Browsers open six connections to one server; cameras beyond these show a picture a second.
const STREAMS = 4;
const visible = new Set();
export const cards = new Map();

const watcher = new IntersectionObserver((entries) => {
  for (const {target, isIntersecting} of entries) isIntersecting ? visible.add(target) : visible.delete(target);
  stream();
});

function card(camera) {
  const root = make("article", "", "card"), picture = make("button", "", "picture"), image = make("img");
  const veil = make("span", "", "veil"), body = make("div", "", "body"), title = make("div", "", "title");
  const state = make("h2", camera.name, "dot"), shown = make("span", "", "dim");
  const facts = make("dl", "", "facts"), areas = make("ul", "", "areas");
  picture.type = "button";
  picture.setAttribute("aria-label", `Show camera ${camera.name} large`);
  image.alt = `What camera ${camera.name} sees`;
  picture.append(image, veil);
  title.append(state, shown);
  body.append(title, facts, areas);
  root.append(picture, body);
  const it = {name: camera.name, run: camera.run, root, picture, image, veil, state, shown, facts, areas, mode: ""};
  hideEmpty(image, () => cover(it));
  image.addEventListener("error", () => setTimeout(() => { mode(it, ""); stream(); }, 2000));
  picture.addEventListener("click", () => { open(it.camera); stream(); });
  watcher.observe(root);
  return it;
}

// How a camera is shown: "" not at all, "mjpeg" as a stream, "jpg" a picture now and then.
function mode(it, wanted) {
  if (it.mode === wanted) return;
  it.mode = wanted;
  clearInterval(it.timer);
  const address = at(`/camera/${encodeURIComponent(it.name)}.${wanted}?size=small&`);
  if (wanted) it.image.src = address + Date.now(); else empty(it.image);
  if (wanted === "jpg") it.timer = setInterval(() => { it.image.src = address + Date.now(); }, 1000);
}

// Nothing is streamed to cards that nobody sees: out of the window, or behind the large picture. A camera that is lost
// keeps its last picture, and with it the connection.
export function stream() {
  let free = STREAMS - [...cards.values()].filter((it) => !it.online && it.mode === "mjpeg").length;
  for (const it of cards.values()) {
    const wanted = !document.hidden && !$("large").open && visible.has(it.root) && it.online;
    mode(it, wanted ? (free-- > 0 ? "mjpeg" : "jpg") : it.online ? "" : it.mode);
  }
}

// All connections broke.
export function restart() {
  for (const it of cards.values()) mode(it, "");
}

export function facts(list, camera) {
  const age = camera.age_ms, rate = camera.tracked + camera.dropped;
  const rows = [
    ["frames/s", camera.fps.toFixed(1)],
    ["latency p50", age ? ms(age.p50) : "–", age ? "ms" : ""],
    ["latency p99", age ? ms(age.p99) : "–", age ? "ms" : ""],
    ["dropped", number(camera.dropped), rate ? `${(100 * camera.dropped / rate).toFixed(0)} %` : ""],
    ["corrupt", number(camera.corrupt), "", camera.corrupt ? "warn" : ""],
    ["reconnects", number(camera.reconnects)],
  ];
  if (camera.speeds_mps) {  // four points on the ground are known
    const speeds = Object.values(camera.speeds_mps), mean = speeds.reduce((sum, speed) => sum + speed, 0) / speeds.length;
    rows.push(["mean speed", speeds.length ? mean.toFixed(1) : "–", speeds.length ? "m/s" : ""]);
  }
  list.replaceChildren(...rows.map(([name, value, unit = "", grade = ""]) => {
    const row = make("div"), figure = make("dd", value, grade);
    if (unit) figure.append(" ", make("small", unit));
    row.append(make("dt", name), figure);
    return row;
  }));
}

function area(name, text) {
  const item = make("li", name);
  item.append(make("b", text));
  return item;
}

// What stands in place of a picture.
function cover(it) {
  const {state, since_s, reason} = it.camera, isEmpty = it.image.classList.contains("empty");
  it.veil.hidden = it.online && !isEmpty;
  const words = {offline: "Camera lost", connecting: "Connecting", stopped: "Stopped"};
  it.veil.replaceChildren(...(it.online
    ? [make("strong", "Waiting for a picture")]
    : [make("strong", `${words[state]} for ${span(since_s)}`), make("small", reason)]));
}

function showCamera(camera) {
  const it = cards.get(camera.name);
  it.camera = camera;
  it.online = camera.state === "online" || camera.state === "degraded";
  if (camera.size[0]) it.picture.style.aspectRatio = `${camera.size[0]} / ${camera.size[1]}`;
  it.state.className = `dot ${camera.state === "online" ? "good" : camera.state === "offline" ? "bad" : "warn"}`;
  it.shown.textContent = !it.online ? camera.state : camera.shown === 1 ? "1 track" : `${camera.shown} tracks`;
  cover(it);
  facts(it.facts, camera);
  it.areas.replaceChildren(
    ...(camera.detect_every > 1 ? [area("detects in", `1 of ${camera.detect_every} frames`)] : []),
    ...Object.entries(camera.zones).map(([name, count]) => area(name, String(count))),
    ...Object.entries(camera.lines).map(([name, way]) => area(name, `${way.in} in, ${way.out} out`)),
  );
}

export function showCameras(cameras) {
  const known = new Map(cameras.map((camera) => [camera.name, camera.run]));
  for (const [name, it] of cards) {
    if (known.get(name) === it.run) continue;
    watcher.unobserve(it.root);
    visible.delete(it.root);
    mode(it, "");
    it.root.remove();
    cards.delete(name);
  }
  cameras.forEach((camera, place) => {
    if (!cards.has(camera.name)) cards.set(camera.name, card(camera));
    const {root} = cards.get(camera.name), there = $("cameras").children[place];
    if (there !== root) $("cameras").insertBefore(root, there || null);
    showCamera(camera);
  });
  stream();
}

document.addEventListener("visibilitychange", stream);
$("large").addEventListener("close", stream);
