// The log of a build: keeps every line, follows the newest until one scrolls up, and has the
// buttons above it work. `log-rows.js` draws, `log-search.js` searches.
import { copy } from "./copy.js";
import { Rows } from "./log-rows.js";
import { Search } from "./log-search.js";
import { fillIn } from "./format.js";

const DRAW = 80; // milliseconds between two drawings, however many lines come
const ALOUD = 12000; // a screen reader hears of new lines at most so often, in milliseconds
const HISTORY = 200; // so many lines at once are what had happened before somebody came
// Colours and cursor movements of terminals.
const CONTROL = /\x1b\[[0-?]*[ -\/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f]/g;

// A line as it stands on a terminal in the end: only what followed the last return.
function plain(line) {
  const kept = line.endsWith("\r") ? line.slice(0, -1) : line;
  return kept.slice(kept.lastIndexOf("\r") + 1).replace(CONTROL, "");
}

export class LogView {
  constructor(element) {
    this.element = element;
    this.pre = element.querySelector("#lines");
    this.followButton = element.querySelector("[data-action=follow]");
    this.pauseButton = element.querySelector("[data-action=pause]");
    this.pauseWord = this.pauseButton.textContent;
    this.lines = [];
    this.paused = false;
    this.search = new Search(this, element);
    this.rows = new Rows(this.pre, {
      write: (target, index) => this.search.write(target, index),
      settled: () => this.stay(),
    });
    this.setFollowing(this.wanted() === undefined);
    this.listen();
    element.querySelector(".log-toolbar").hidden = false;
    setInterval(() => this.readAloud(), ALOUD);
  }

  add(text) {
    for (const line of text.split("\n")) this.lines.push(plain(line));
    this.plan();
  }

  clear() {
    this.lines = [];
    this.rows.clear();
    this.search.again();
    this.setPaused(false);
    this.setFollowing(this.wanted() === undefined);
  }

  plan() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.draw();
    }, DRAW);
  }

  draw() {
    this.count();
    if (this.paused) return;
    const from = this.rows.count;
    this.rows.grow(this.lines.length);
    this.search.more(from, this.rows.count);
    if (!this.goToLinked()) this.stay();
  }

  count() {
    const place = this.element.querySelector("[data-text-count]");
    const n = this.lines.length;
    const said = n.toLocaleString(document.documentElement.lang);
    place.textContent = n ? fillIn(place.dataset.textCount, { n: said }) : "";
    this.pauseButton.textContent = this.paused
      ? fillIn(this.element.dataset.textPaused, { n: n - this.rows.count })
      : this.pauseWord;
  }

  // --- Where one looks ---
  setFollowing(isFollowing) {
    this.following = isFollowing;
    this.followButton.hidden = isFollowing;
    this.stay();
  }

  stay() {
    if (this.following) this.pre.scrollTop = this.pre.scrollHeight;
  }

  show(index) {
    this.setFollowing(false);
    this.rows.show(index);
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.pre;
    const isUp = scrollTop < this.lastTop - 2;
    const atEnd = scrollHeight - scrollTop - clientHeight < 4;
    this.lastTop = scrollTop;
    if (isUp && !atEnd && this.following) this.setFollowing(false);
    else if (atEnd && !isUp && !this.following && !this.paused) this.setFollowing(true);
  }

  // The line that the address names, counted from 0; undefined without one.
  wanted() {
    const found = /^#L(\d+)$/.exec(location.hash);
    return found ? Number(found[1]) - 1 : undefined;
  }

  goToLinked() {
    const index = this.wanted();
    if (!(index < this.rows.count) || index === this.rows.linked) return false;
    this.rows.link(index);
    this.element.open = true;
    this.show(index);
    return true;
  }

  // --- The buttons ---
  listen() {
    const act = {
      follow: () => {
        this.setPaused(false);
        this.setFollowing(true);
      },
      pause: () => this.setPaused(!this.paused),
      wrap: (button) => button.setAttribute("aria-pressed", this.rows.wrap()),
      copy: (button) => copy(this.lines.join("\n"), button),
      next: () => this.search.go(1),
      previous: () => this.search.go(-1),
    };
    this.element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      if (!button) return;
      act[button.dataset.action](button);
      this.stay();
    });
    this.pre.addEventListener("scroll", () => this.scrolled(), { passive: true });
    addEventListener("hashchange", () => this.goToLinked());
    new ResizeObserver(() => this.stay()).observe(this.pre);
  }

  setPaused(isPaused) {
    this.paused = isPaused;
    this.pauseButton.setAttribute("aria-pressed", isPaused);
    this.plan();
  }

  readAloud() {
    const n = this.lines.length;
    if (!n || n === this.told) return;
    const isHistory = this.told === undefined && n > HISTORY;
    this.told = n;
    if (isHistory) return;
    const place = this.element.querySelector("[data-announcer]");
    place.textContent = fillIn(this.element.dataset.textLastLine, { n, line: this.lines[n - 1] });
  }
}
