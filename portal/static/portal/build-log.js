// A build's log in the admin, live: from the first line, as long as staff look at it.
import { LogView } from "./log-view.js";
import { ReconnectingSocket } from "./socket.js";

const log = document.querySelector("#log");
const status = log.querySelector("[data-status]");
const view = new LogView(log);
let cursor = 0;

new ReconnectingSocket(() => `/ws/builds/${log.dataset.build}/?after=${cursor}`, {
  onMessage(item) {
    if (item.cursor <= cursor) return;
    cursor = item.cursor;
    view.add(item.message);
  },
  onStateChange(isOpen) {
    status.textContent = isOpen ? "" : log.dataset.textLost;
  },
  onGone: () => location.reload(), // signed out, or the right to look is gone
});
