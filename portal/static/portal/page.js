// On every page: the look, menus, times, copying, and parts that htmx renews without disturbing.

import { copy } from "./copy.js";

const root = document.documentElement;

// --- Light, dark or as the system has it ---
function currentTheme() {
  return root.dataset.theme ?? "auto";
}

function applyTheme(theme) {
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  syncThemeChoice();
}

function syncThemeChoice() {
  for (const radio of document.querySelectorAll("input[name=theme]")) {
    radio.checked = radio.value === currentTheme();
  }
}

function isDark() {
  const theme = currentTheme();
  return theme === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
}

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  button.hidden = false;
  button.addEventListener("click", () => applyTheme(isDark() ? "light" : "dark"));
}
for (const choice of document.querySelectorAll("fieldset[data-theme-choice]")) {
  choice.hidden = false;
  choice.addEventListener("change", (event) => applyTheme(event.target.value));
}
syncThemeChoice();

// --- Menus close like menus ---
function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}

document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// --- Parts that htmx renews: not while a menu or a question in them is open ---
const OPEN_POPUP = "details.menu[open], :popover-open";
const postponed = new Set();

document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.target;
  if (!part.matches("#project-list, #status") || !part.querySelector(OPEN_POPUP)) return;
  event.preventDefault();
  postponed.add(part);
});
// The list of what is deleted comes beside such a part: what is unfolded in it stays so.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  if (target.id !== "deleted") return;
  if (target.querySelector(OPEN_POPUP)) {
    event.detail.shouldSwap = false;
    postponed.add(target);
  }
  if (target.querySelector(".deleted-projects[open]")) {
    fragment.querySelector(".deleted-projects")?.setAttribute("open", "");
  }
});
document.addEventListener(
  "toggle",
  () => {
    for (const part of postponed) {
      if (part.querySelector(OPEN_POPUP)) continue;
      postponed.delete(part);
      htmx.trigger(document.body, "changed");
    }
  },
  true,
);
// What could not be renewed, as during an upgrade, is asked for again.
for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, ({ detail }) => {
    const isOver = detail.xhr.status >= 400 && detail.xhr.status < 500;
    if (isOver || !detail.target?.matches("#project-list, #status")) return;
    setTimeout(() => htmx.trigger(document.body, "changed"), 3000);
  });
}
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.closest("details.menu")) closeMenus();
  event.target.closest("[popover]:popover-open")?.hidePopover();
});

// --- Times grow older while a page is open ---
const relativeFormat = new Intl.RelativeTimeFormat(root.lang, { numeric: "always" });

function relativeTime(seconds) {
  if (seconds < 3600) return relativeFormat.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86400) return relativeFormat.format(-Math.floor(seconds / 3600), "hour");
  return relativeFormat.format(-Math.floor(seconds / 86400), "day");
}

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    if (seconds >= 60 && seconds < 7 * 86400) time.textContent = relativeTime(seconds);
  }
}, 20000);

// --- Copying ---
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button.dataset.copy, button);
});
