// The log of a build: keeps every line, follows the newest until one scrolls up, and has the
// buttons above it work. `log-rows.js` draws, `log-search.js` searches.
import { copy } from "./copy.js";
import { LogRows } from "./log-rows.js";
import { LogSearch } from "./log-search.js";
import { fillPlaceholders } from "./format.js";

const DRAW_INTERVAL_MS = 80; // between two drawings, however many lines come
const ANNOUNCE_INTERVAL_MS = 12000; // a screen reader hears of new lines at most so often
const HISTORY_LINES = 200; // so many lines at once are what had happened before somebody came
// Colours and cursor movements of terminals.
const CONTROL_SEQUENCES = /\x1b\[[0-?]*[ -\/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f]/g;

// A line as it stands on a terminal in the end: only what followed the last return.
function stripControls(line) {
  const kept = line.endsWith("\r") ? line.slice(0, -1) : line;
  return kept.slice(kept.lastIndexOf("\r") + 1).replace(CONTROL_SEQUENCES, "");
}

export class LogView {
  constructor(element) {
    this.element = element;
    this.pre = element.querySelector("#lines");
    this.followButton = element.querySelector("[data-action=follow]");
    this.pauseButton = element.querySelector("[data-action=pause]");
    this.pauseLabel = this.pauseButton.textContent;
    this.lines = [];
    this.paused = false;
    this.search = new LogSearch(this, element);
    this.rows = new LogRows(this.pre, {
      writeLine: (target, index) => this.search.writeLine(target, index),
      onResize: () => this.keepAtEnd(),
    });
    this.setFollowing(this.linkedIndex() === undefined);
    this.bindEvents();
    element.querySelector(".log-toolbar").hidden = false;
    setInterval(() => this.announce(), ANNOUNCE_INTERVAL_MS);
  }

  add(text) {
    for (const line of text.split("\n")) this.lines.push(stripControls(line));
    this.scheduleDraw();
  }

  clear() {
    this.lines = [];
    this.rows.clear();
    this.search.reset();
    this.setPaused(false);
    this.setFollowing(this.linkedIndex() === undefined);
  }

  scheduleDraw() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.draw();
    }, DRAW_INTERVAL_MS);
  }

  draw() {
    this.updateCount();
    if (this.paused) return;
    const from = this.rows.count;
    this.rows.setCount(this.lines.length);
    this.search.scan(from, this.rows.count);
    if (!this.goToLinkedLine()) this.keepAtEnd();
  }

  updateCount() {
    const place = this.element.querySelector("[data-text-count]");
    const n = this.lines.length;
    const said = n.toLocaleString(document.documentElement.lang);
    place.textContent = n ? fillPlaceholders(place.dataset.textCount, { n: said }) : "";
    this.pauseButton.textContent = this.paused
      ? fillPlaceholders(this.element.dataset.textPaused, { n: n - this.rows.count })
      : this.pauseLabel;
  }

  // --- Where one looks ---
  setFollowing(isFollowing) {
    this.following = isFollowing;
    this.followButton.hidden = isFollowing;
    this.keepAtEnd();
  }

  keepAtEnd() {
    if (this.following) this.pre.scrollTop = this.pre.scrollHeight;
  }

  showLine(index) {
    this.setFollowing(false);
    this.rows.scrollToRow(index);
  }

  onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.pre;
    const isUp = scrollTop < this.lastTop - 2;
    const atEnd = scrollHeight - scrollTop - clientHeight < 4;
    this.lastTop = scrollTop;
    if (isUp && !atEnd && this.following) this.setFollowing(false);
    else if (atEnd && !isUp && !this.following && !this.paused) this.setFollowing(true);
  }

  // The line that the address names, counted from 0; undefined without one.
  linkedIndex() {
    const found = /^#L(\d+)$/.exec(location.hash);
    return found ? Number(found[1]) - 1 : undefined;
  }

  goToLinkedLine() {
    const index = this.linkedIndex();
    if (!(index < this.rows.count) || index === this.rows.highlighted) return false;
    this.rows.highlight(index);
    this.element.open = true;
    this.showLine(index);
    return true;
  }

  // --- The buttons ---
  bindEvents() {
    const act = {
      follow: () => {
        this.setPaused(false);
        this.setFollowing(true);
      },
      pause: () => this.setPaused(!this.paused),
      wrap: (button) => button.setAttribute("aria-pressed", this.rows.toggleWrap()),
      copy: (button) => copy(this.lines.join("\n"), button),
      next: () => this.search.step(1),
      previous: () => this.search.step(-1),
    };
    this.element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      if (!button) return;
      act[button.dataset.action](button);
      this.keepAtEnd();
    });
    this.pre.addEventListener("scroll", () => this.onScroll(), { passive: true });
    addEventListener("hashchange", () => this.goToLinkedLine());
    addEventListener("beforeprint", () => this.rows.renderAll());
    new ResizeObserver(() => this.keepAtEnd()).observe(this.pre);
  }

  setPaused(isPaused) {
    this.paused = isPaused;
    this.pauseButton.setAttribute("aria-pressed", isPaused);
    this.scheduleDraw();
  }

  announce() {
    const n = this.lines.length;
    if (!n || n === this.announced) return;
    const isHistory = this.announced === undefined && n > HISTORY_LINES;
    this.announced = n;
    if (isHistory) return;
    const place = this.element.querySelector("[data-announcer]");
    const values = { n, line: this.lines[n - 1] };
    place.textContent = fillPlaceholders(this.element.dataset.textLastLine, values);
  }
}
