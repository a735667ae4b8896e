// Where people stood, as a heat map over the large picture.
import {$, at, empty, hideEmpty} from "/page/dom.js";

const HOUR_S = 3600;

export function showHeat(camera) {
  const hours = Number($("heat-span").value);
  $("heat-image").hidden = !hours;
  $("heat-image").alt = hours ? `Where people stood before camera ${camera.name}, bright for the longest` : "";
  if (!hours) return empty($("heat-image"));
  const now_s = Math.floor(Date.now() / 1000), since = now_s - (hours - 1) * HOUR_S;  // the hour that has begun counts
  $("heat-image").src = at(`/api/heatmap?${new URLSearchParams({camera: camera.name, since})}`);
}

hideEmpty($("heat-image"));
