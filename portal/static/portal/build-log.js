// A build's log in the admin, live: from the first line, as long as staff look at it.
import { LogView } from "./log-view.js";
import { Socket } from "./socket.js";

const log = document.querySelector("#log");
const said = log.querySelector("[data-status]");
const view = new LogView(log);
let cursor = 0;

new Socket(() => `/ws/builds/${log.dataset.build}/?after=${cursor}`, {
  hear(item) {
    if (item.cursor <= cursor) return;
    cursor = item.cursor;
    view.add(item.message);
  },
  change(isOpen) {
    said.textContent = isOpen ? "" : log.dataset.textLost;
  },
  over: () => location.reload(), // signed out, or the right to look is gone
});
