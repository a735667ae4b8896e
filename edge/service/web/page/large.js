// One camera large, and zones and lines drawn over its picture.
import {$, at, draw, empty, hideEmpty} from "/page/dom.js";
import {showHeat} from "/page/heat.js";

const form = $("drawing"), canvas = $("canvas");
const STEP = 0.01;
let camera = null, session = {edit: false, token: null}, points = [], cross = null, asked = 0, toml = "";

export function allow(newest) {
  session = newest;
  $("save").hidden = !session.edit;
  $("heat").hidden = !session.history;
}

export function open(shown) {
  camera = shown;
  $("large-title").textContent = camera.name;
  $("large-image").alt = `What camera ${camera.name} sees`;
  const [width, height] = camera.size[0] ? camera.size : [16, 9];
  $("stage").style.aspectRatio = `${width} / ${height}`;
  $("stage").style.maxWidth = `calc(${width / height} * (100dvh - 8.5rem))`;
  $("areas-there").replaceChildren(
    ...[...Object.keys(camera.zones), ...Object.keys(camera.lines)].map((name) => new Option(name)));
  $("large-veil").hidden = false;
  edit(false);
  showHeat(camera);
  $("large").showModal();
  restart();
}

export function restart() {
  if (!$("large").open) return;
  const width = $("stage").clientWidth, size = width < 560 ? "small" : width < 960 ? "medium" : "large";
  $("large-image").src = at(`/camera/${encodeURIComponent(camera.name)}.mjpeg?size=${size}&${Date.now()}`);
}

// Whether to draw; the picture gets smaller so that the form is seen beside it.
function edit(wanted) {
  $("large").classList.toggle("edits", wanted);
  $("draw").setAttribute("aria-expanded", String(wanted));
  canvas.toggleAttribute("hidden", !wanted);
  form.hidden = !wanted;
  points = [];
  cross = null;
  changed();
  if (wanted) canvas.focus();
}

const kind = () => form.elements.kind.value;
const share = (value) => Math.min(1, Math.max(0, Math.round(value * 1000) / 1000));

function put(x, y) {
  if (kind() === "line" && points.length === 2) points = [];
  points.push([share(x), share(y)]);
  changed();
}

function paint() {
  const at = points.map(([x, y]) => `${1000 * x},${1000 * y}`).join(" ");
  $("shape").setAttribute("points", at);
  $("shape").setAttribute("class", kind());
  const box = canvas.getBoundingClientRect(), radius = 6;
  $("corners").replaceChildren(...points.map(([x, y], i) => draw("ellipse", {
    cx: 1000 * x, cy: 1000 * y, rx: 1000 * radius / (box.width || 1000), ry: 1000 * radius / (box.height || 1000),
    class: i ? "" : "first",
  })));
  $("cross").setAttribute("d", cross ? `M${1000 * cross[0]},0V1000M0,${1000 * cross[1]}H1000` : "");
}

async function changed() {
  paint();
  const number = ++asked;
  say("", "");
  if (!points.length) return say(kind() === "zone" ? "Click the corners of the zone." : "Click the two ends of the line.");
  const answer = await post("/api/check");
  if (number !== asked) return;  // a newer one is on its way
  if (!answer.ok) return say(answer.data.error);
  const {mistakes} = answer.data;
  const ready = `Ready for the configuration.${session.obstacle ? ` Copy it: ${session.obstacle}.` : ""}`;
  say(mistakes.length ? mistakes.join("; ") : ready, answer.data.toml, !mistakes.length);
}

function say(words, text = "", right = false) {
  toml = text;
  $("said").textContent = words;
  $("said").className = right ? "good" : "";
  $("toml").textContent = text;
  $("copy").disabled = $("save").disabled = !right;
}

async function post(path) {
  const area = {camera: camera.name, kind: kind(), name: form.elements.name.value.trim(), points};
  const headers = {"Content-Type": "application/json", ...(session.token && {"X-CSRF-Token": session.token})};
  try {
    const answer = await fetch(at(path), {method: "POST", headers, body: JSON.stringify(area)});
    return {ok: answer.ok, data: await answer.json()};
  } catch (error) {
    return {ok: false, data: {error: `The daemon does not answer: ${error.message}`}};
  }
}

async function save() {
  $("save").disabled = true;
  const answer = await post("/api/save");
  if (!answer.ok) return say(answer.data.error, toml);
  const name = form.elements.name.value.trim();
  points = [];
  paint();
  say(`Saved: ${name} is in the configuration file, the daemon reloads.`, answer.data.toml);
  form.elements.name.value = "";
  setTimeout(restart, 3000);  // the camera begins anew
}

canvas.addEventListener("pointerdown", (event) => {
  const box = canvas.getBoundingClientRect();
  cross = null;
  put((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
});
canvas.addEventListener("keydown", (event) => {
  const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}, move = moves[event.key];
  if (move) {
    const step = STEP * (event.shiftKey ? 5 : 1), [x, y] = cross || [0.5, 0.5];
    cross = [share(x + step * move[0]), share(y + step * move[1])];
    $("said").textContent = `${Math.round(100 * cross[0])} %, ${Math.round(100 * cross[1])} %`;
    paint();
  } else if (event.key === "Enter" || event.key === " ") put(...(cross || [0.5, 0.5]));
  else if (event.key === "Backspace") $("undo").click();
  else return;
  event.preventDefault();
});
form.addEventListener("input", (event) => {
  if (event.target.name === "kind" && kind() === "line") points = points.slice(0, 2);
  changed();
});
form.addEventListener("submit", (event) => event.preventDefault());
$("undo").addEventListener("click", () => { points.pop(); changed(); });
$("clear").addEventListener("click", () => { points = []; changed(); });
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(toml);
    $("said").textContent = "Copied.";
  } catch {  // only for pages over TLS or from this machine
    getSelection().selectAllChildren($("toml"));
    $("said").textContent = "Marked: copy it with the keyboard.";
  }
});
$("save").addEventListener("click", save);
$("heat-span").addEventListener("input", () => showHeat(camera));
$("draw").addEventListener("click", () => edit($("draw").getAttribute("aria-expanded") !== "true"));
$("close").addEventListener("click", () => $("large").close());
$("large").addEventListener("close", () => empty($("large-image")));
hideEmpty($("large-image"), (isEmpty) => { $("large-veil").hidden = !isEmpty; });
$("large-image").addEventListener("error", () => setTimeout(restart, 2000));
$("large").addEventListener("click", (event) => { if (event.target === $("large")) $("large").close(); });
new ResizeObserver(paint).observe(canvas);
