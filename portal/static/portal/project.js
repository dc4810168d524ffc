// A project's page, live: the log grows, the steps move, and a notebook that is ready opens.
import { LogView } from "./log-view.js";
import { followProject } from "./socket.js";

const log = document.querySelector("#log");
const liveStatus = document.querySelector("#live-status");
const view = new LogView(log);
const lastCursor = Number(log.dataset.lastCursor);
let isUserActive = false;
let isDeletedHere = false;
let isLost = false;
let isPushing = false; // the newest line of the log says so
let isOpening = false; // the notebook has just become ready, and opens by itself

for (const sign of ["keydown", "pointerdown", "wheel", "touchmove"]) {
  addEventListener(sign, () => { isUserActive = true; }, { passive: true, capture: true });
}

followProject(log.dataset.project, Number(log.dataset.startCursor), {
  onEvent(item) {
    if (item.log) showOutput(item);
    else showEvent(item);
  },
  onLost(isLostNow) {
    liveStatus.textContent = isLostNow ? log.dataset.textLost : "";
    if (isLost && !isLostNow) htmx.trigger(document.body, "changed"); // what happened meanwhile
    isLost = isLostNow;
  },
  onGone() {
    if (!isDeletedHere) location.reload(); // the page says that it was deleted
  },
});

// Whoever deletes the project on this page is led on by the answer, and by nothing else.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (isDeletedHere) event.preventDefault();
  isDeletedHere ||= /\/delete(-for-good)?\/$/.test(event.detail.pathInfo.requestPath);
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful) isDeletedHere = false;
});

// That the image is being pushed is a step, which the log alone tells.
function showOutput(item) {
  view.add(item.message);
  if (item.phase === "pushing" && !isPushing && item.cursor > lastCursor) {
    htmx.trigger(document.body, "changed");
  }
  isPushing = item.phase === "pushing";
}

function showEvent(item) {
  const isStart = item.phase === "waiting" && !item.code;
  if (isStart) view.clear();
  if (item.cursor <= lastCursor) return; // the page shows it already
  if (isStart) {
    log.open = true;
    isUserActive = false; // whoever has just pressed Start waits for the notebook
  }
  liveStatus.textContent = item.message;
  htmx.trigger(document.body, "changed");
  isOpening = item.phase === "ready" && !item.code; // one with a code says what is wrong
  if (isOpening) setTimeout(openNotebook, 1000);
}

// "Open" stays on the page for whoever is busy with it or looks at something else. The button may
// come late, if the status could not be fetched at once.
function openNotebook() {
  const isReading = document.querySelector("#preview iframe:is(:hover, :focus)");
  if (isUserActive || isReading || document.hidden) isOpening = false;
  const open = document.querySelector("#open");
  if (!isOpening || !open) return;
  isOpening = false;
  location.assign(open.href);
}

// --- What the status says, the tab says too ---
function updateTab() {
  const head = document.querySelector("#status .head");
  document.title = head.dataset.title;
  document.querySelector("#favicon").href = head.dataset.favicon;
  updatedAt = performance.now();
  if (isOpening) setTimeout(openNotebook, 1000);
}

let updatedAt;
document.querySelector("#status").addEventListener("htmx:afterSwap", updateTab);
updateTab();

// --- The preview comes beside the status, and stays untouched until there is another one ---
const PREVIEW_PAUSE_MS = 1500;
let previewTimer;

document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
  if (detail.target.id !== "preview") return;
  const isSame = detail.fragment.firstElementChild.dataset.preview === detail.target.dataset.preview;
  if (isSame) detail.shouldSwap = false;
});

// A frame that can do nothing knows the system's look alone: one that was chosen is told to it.
function applyTheme() {
  const frame = document.querySelector("#preview iframe");
  const theme = document.documentElement.dataset.theme ?? "";
  if (!frame || (frame.dataset.theme ?? "") === theme) return;
  frame.dataset.theme = theme;
  const address = new URL(frame.src);
  address.searchParams.set("theme", theme);
  frame.src = address;
}

new MutationObserver(applyTheme).observe(document.documentElement, { attributeFilter: ["data-theme"] });

function awaitPreview() {
  applyTheme();
  clearTimeout(previewTimer);
  if (document.querySelector("#preview").dataset.preview !== "pending") return;
  previewTimer = setTimeout(() => htmx.trigger(document.body, "changed"), PREVIEW_PAUSE_MS);
}

document.querySelector("#status").addEventListener("htmx:afterSettle", awaitPreview);
awaitPreview();

// --- Clocks and the bar go on between two looks at the server ---
setInterval(() => {
  const passed = (performance.now() - updatedAt) / 1000;
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
