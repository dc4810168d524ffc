// A project's page, live: the log grows, the steps move, and a notebook that is ready opens.
import { LogView } from "./log-view.js";
import { follow } from "./project-events.js";

const log = document.querySelector("#log");
const said = document.querySelector("#live-status");
const view = new LogView(log);
const known = Number(log.dataset.lastCursor);
let hasActed = false;

for (const sign of ["keydown", "pointerdown", "wheel", "touchmove"]) {
  addEventListener(sign, () => { hasActed = true; }, { passive: true, capture: true });
}

follow(log.dataset.project, Number(log.dataset.startCursor), {
  hear(item) {
    if (item.log) view.add(item.message);
    else happened(item);
  },
  lost(isLost) {
    said.textContent = isLost ? log.dataset.textLost : "";
  },
  over() {
    location.assign(log.dataset.homeUrl);
  },
});

function happened(item) {
  const isBegin = item.phase === "waiting" && !item.code;
  if (isBegin) view.clear();
  if (item.cursor <= known) return; // the page shows it already
  if (isBegin) {
    log.open = true;
    hasActed = false; // whoever has just pressed Start waits for the notebook
  }
  said.textContent = item.message;
  htmx.trigger(document.body, "changed");
  if (item.phase === "ready") setTimeout(goOn, 1000);
}

// "Open" stays on the page for whoever is busy with it or looks at something else.
function goOn() {
  const open = document.querySelector("#open");
  if (!hasActed && !document.hidden && open) location.assign(open.href);
}

// --- What the status says, the tab says too ---
function wear() {
  const head = document.querySelector("#status .head");
  document.title = head.dataset.title;
  document.querySelector("#favicon").href = head.dataset.favicon;
  begun = performance.now();
}

let begun;
document.querySelector("#status").addEventListener("htmx:afterSwap", wear);
wear();

// --- Clocks and the bar go on between two looks at the server ---
setInterval(() => {
  const passed = (performance.now() - begun) / 1000;
  for (const clock of document.querySelectorAll("[data-elapsed]")) {
    const seconds = Math.floor(Number(clock.dataset.elapsed) + passed);
    clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
  const bar = document.querySelector("progress[data-expected]");
  if (!bar) return;
  bar.dataset.from ??= bar.value;
  const from = Number(bar.dataset.from);
  const share = Math.min(passed / Number(bar.dataset.expected), 1);
  bar.value = from + (Number(bar.dataset.until) - from) * share;
}, 500);
