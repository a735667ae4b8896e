// Asks the daemon once a second how it is, and shows it.
import * as cameras from "/page/cameras.js";
import {$, at, make, ms, number, span, table} from "/page/dom.js";
import {showEvents} from "/page/events.js";
import {showHistory} from "/page/history.js";
import * as large from "/page/large.js";

const POLL_MS = 1000, PATIENCE_MS = 4000;
let answered = performance.now(), lost = false, session = null;

function showBoard(board) {
  const rows = Object.entries(board.temperatures_c).map(([zone, c]) => [zone, `${c.toFixed(1)} °C`]);
  for (const [name, mhz] of Object.entries(board.clocks_mhz)) rows.push([name, `${mhz} MHz`]);
  for (const [rail, watts] of Object.entries(board.power_w)) rows.push([rail, `${watts.toFixed(1)} W`]);
  if (board.power_mode) rows.push(["power mode", board.power_mode]);
  if (board.throttled !== null) rows.push(["throttled", board.throttled ? "yes" : "no"]);
  table($("board"), null, rows.length ? rows : [["no sensors that can be read", ""]]);
}

function show(status) {
  $("state").className = `dot ${status.state === "running" ? "good" : "bad"}`;
  if ($("state").textContent !== status.state) $("state").textContent = status.state;  // which is read aloud
  const {pack, rung} = status.networks[0], names = status.cameras.map((camera) => camera.name);
  $("about").textContent = `${pack} on ${rung} · up ${span(status.uptime_s)}`;
  const hot = status.board.too_hot;
  notice(hot && `Too hot: ${hot}. The network rests until the board is cool again.`);
  cameras.showCameras(status.cameras);
  showEvents(status.events, names);
  if (session.history) showHistory(names);
  table($("stages"), ["stage, ms", "p50", "p99"],
    status.stages.map((stage) => [stage.name, ms(stage.p50_ms), ms(stage.p99_ms)]));
  showBoard(status.board);
  $("outputs-card").hidden = !status.outputs.length;
  table($("outputs"), ["", "written", "lost"], status.outputs.map((output) => {
    const name = make("td", output.name);
    if (output.trouble) name.append(make("div", output.trouble, "warn"));
    return [name, number(output.written), number(output.dropped)];
  }));
}

function notice(words, grade = "") {
  if ($("notice").textContent !== words) $("notice").textContent = words;
  $("notice").className = grade;
  $("notice").hidden = !words;
}

async function ask(path) {
  const answer = await fetch(at(path), {signal: AbortSignal.timeout(PATIENCE_MS)});
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

async function poll() {
  try {
    if (!document.hidden) {
      if (!session) large.allow(session = await ask("/api/session"));
      const status = await ask("/status.json");
      if (lost) {  // their connections broke as well
        cameras.restart();
        large.restart();
      }
      lost = false;
      show(status);
      answered = performance.now();
    }
  } catch {
    lost = true;
    session = null;  // another start of the daemon has another token
    $("state").className = "dot bad";
    $("state").textContent = "no answer";
    notice(`The daemon has not answered for ${span((performance.now() - answered) / 1000)}; what is shown is old.`, "bad");
  }
  setTimeout(poll, POLL_MS);
}

poll();
