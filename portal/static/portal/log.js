// The log: all lines are kept, only those near the window are drawn, so that 20,000 are no more
// work than 200. Text gets in by textContent alone.
import { Search } from "./search.js";

const BLOCK = 200;
const DRAW = 80; // milliseconds between two drawings
const ALOUD = 12000; // at most so often a screen reader hears of new lines, in milliseconds
// Colours and cursor movements of terminals; what a carriage return has overwritten.
const CONTROL = /\x1b\[[0-?]*[ -\/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f]/g;

function plain(line) {
  const kept = line.endsWith("\r") ? line.slice(0, -1) : line;
  return kept.slice(kept.lastIndexOf("\r") + 1).replace(CONTROL, "");
}

function words(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export class LogView {
  constructor(element) {
    this.element = element;
    this.pre = element.querySelector("#lines");
    this.followButton = element.querySelector("[data-do=follow]");
    this.lines = [];
    this.blocks = [];
    this.shown = 0;
    this.following = true;
    this.paused = false;
    this.near = new IntersectionObserver((entries) => this.nearby(entries), {
      root: this.pre,
      rootMargin: "800px 0px",
    });
    this.search = new Search(this, element, words);
    this.listen();
    element.querySelector(".tools").hidden = false;
    setInterval(() => this.readAloud(), ALOUD);
  }

  // --- What comes in ---
  add(text) {
    for (const line of text.split("\n")) this.lines.push(plain(line));
    this.plan();
  }

  clear() {
    this.lines = [];
    this.blocks = [];
    this.shown = 0;
    this.pre.replaceChildren();
    this.following = !this.wanted();
    this.setPaused(false);
    this.search.again();
    this.plan();
  }

  // Many lines a second are drawn a few times a second.
  plan() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.draw();
    }, DRAW);
  }

  // --- Drawing ---
  draw() {
    this.count();
    if (this.paused) return;
    const from = this.shown;
    this.shown = this.lines.length;
    this.pre.style.setProperty("--gutter", `${Math.max(5, String(this.shown).length + 2)}ch`);
    for (let n = Math.floor(from / BLOCK); n * BLOCK < this.shown; n += 1) this.grow(n, from);
    this.search.more(from, this.shown);
    if (!this.goToLinked() && this.following) this.toEnd();
  }

  grow(n, from) {
    const block = this.blocks[n] ?? this.addBlock(n);
    if (block.isFull) this.fill(block, Math.max(from, n * BLOCK));
    else this.reserve(block);
  }

  addBlock(n) {
    const node = document.createElement("span");
    const block = { n, node, isFull: false };
    node.className = "block";
    node.block = block;
    this.blocks[n] = block;
    this.pre.append(node);
    this.near.observe(node);
    return block;
  }

  nearby(entries) {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      const block = target.block;
      if (this.blocks[block.n] !== block || block.isFull === isIntersecting) continue;
      if (isIntersecting) this.unfold(block);
      else this.fold(block, boundingClientRect.height);
    }
    if (this.following) this.toEnd();
  }

  unfold(block) {
    block.isFull = true;
    block.node.style.height = "";
    this.fill(block, block.n * BLOCK);
  }

  fold(block, height) {
    block.height = height;
    block.isFull = false;
    block.node.replaceChildren();
    this.reserve(block);
  }

  reserve(block) {
    const rows = Math.min(BLOCK, this.shown - block.n * BLOCK);
    this.rowHeight ??= parseFloat(getComputedStyle(this.pre).lineHeight);
    const measured = rows === BLOCK && block.height;
    block.node.style.height = `${measured || rows * this.rowHeight}px`;
  }

  fill(block, from) {
    const rows = document.createDocumentFragment();
    const end = Math.min((block.n + 1) * BLOCK, this.shown);
    for (let index = from; index < end; index += 1) rows.append(this.row(index));
    block.node.append(rows);
  }

  row(index) {
    const row = document.createElement("span");
    const number = document.createElement("a");
    const text = document.createElement("span");
    row.className = "row";
    row.id = `L${index + 1}`;
    number.href = `#${row.id}`;
    number.dataset.n = index + 1;
    number.tabIndex = -1;
    number.setAttribute("aria-hidden", "true");
    row.append(number, text);
    row.classList.toggle("linked", index === this.linked);
    this.search.write(text, index);
    return row;
  }

  // Draw a line anew where it is drawn at all.
  redraw(index) {
    const old = document.getElementById(`L${index + 1}`);
    if (old) old.replaceWith(this.row(index));
  }

  redrawAll() {
    for (const block of this.blocks) {
      if (!block.isFull) continue;
      block.node.replaceChildren();
      this.fill(block, block.n * BLOCK);
    }
  }

  // --- Where one looks ---
  toEnd() {
    this.pre.scrollTop = this.pre.scrollHeight;
  }

  show(index) {
    this.setFollowing(false);
    const block = this.blocks[Math.floor(index / BLOCK)];
    if (!block) return;
    if (!block.isFull) this.unfold(block);
    const row = document.getElementById(`L${index + 1}`);
    const middle = this.pre.clientHeight / 2;
    this.pre.scrollTop += row.getBoundingClientRect().top - this.pre.getBoundingClientRect().top - middle;
  }

  // The line that the address names, counted from 0; undefined without one.
  wanted() {
    const found = /^#L(\d+)$/.exec(location.hash);
    return found ? Number(found[1]) - 1 : undefined;
  }

  goToLinked() {
    const index = this.wanted();
    if (index === undefined || index === this.linked || index >= this.shown) return false;
    const before = this.linked;
    this.linked = index;
    if (before !== undefined) this.redraw(before);
    this.redraw(index);
    this.element.open = true;
    this.show(index);
    return true;
  }

  setFollowing(isFollowing) {
    this.following = isFollowing;
    this.followButton.hidden = isFollowing;
    if (isFollowing) this.toEnd();
  }

  // --- The buttons ---
  listen() {
    const act = {
      follow: () => { this.setPaused(false); this.setFollowing(true); },
      pause: () => this.setPaused(!this.paused),
      wrap: (button) => this.setWrapped(button),
      copy: (button) => this.copy(button),
      next: () => this.search.go(1),
      previous: () => this.search.go(-1),
    };
    this.element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) act[button.dataset.do](button);
    });
    this.pre.addEventListener("scroll", () => this.scrolled(), { passive: true });
    addEventListener("hashchange", () => this.goToLinked());
    this.element.addEventListener("toggle", () => { if (this.following) this.toEnd(); });
    new ResizeObserver(() => { if (this.following) this.toEnd(); }).observe(this.pre);
    this.setFollowing(this.wanted() === undefined);
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.pre;
    const isUp = this.lastTop !== undefined && scrollTop < this.lastTop - 2;
    const atEnd = scrollHeight - scrollTop - clientHeight < 4;
    this.lastTop = scrollTop;
    if (isUp && !atEnd && this.following) this.setFollowing(false);
    else if (atEnd && !isUp && !this.following && !this.paused) this.setFollowing(true);
  }

  setPaused(isPaused) {
    const button = this.element.querySelector("[data-do=pause]");
    this.paused = isPaused;
    button.dataset.plain ??= button.textContent;
    button.textContent = button.dataset.plain;
    button.setAttribute("aria-pressed", isPaused);
    this.plan();
  }

  setWrapped(button) {
    const isWrapped = this.pre.classList.toggle("wrapped");
    button.setAttribute("aria-pressed", isWrapped);
    for (const block of this.blocks) {
      block.height = undefined;
      if (!block.isFull) this.reserve(block);
    }
    if (this.following) this.toEnd();
  }

  async copy(button) {
    await navigator.clipboard.writeText(this.lines.join("\n"));
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  }

  // --- What is said about it ---
  count() {
    const place = this.element.querySelector("[data-count]");
    const n = this.lines.length;
    place.textContent = n ? words(place.dataset.count, { n: n.toLocaleString(document.documentElement.lang) }) : "";
    if (!this.paused) return;
    const button = this.element.querySelector("[data-do=pause]");
    button.textContent = words(this.element.dataset.paused, { n: n - this.shown });
  }

  readAloud() {
    const n = this.lines.length;
    if (!n || n === this.told) return;
    const isFirst = this.told === undefined;
    this.told = n;
    if (isFirst && n > BLOCK) return; // what had happened before somebody came
    const place = this.element.querySelector("[data-aloud]");
    place.textContent = words(this.element.dataset.last, { n, line: this.lines[n - 1] });
  }
}
