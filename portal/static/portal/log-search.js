// Searching the log: all of its lines, drawn or not.
import { fillPlaceholders } from "./format.js";

const DEBOUNCE_MS = 120; // without a key, before it searches

// A text in lower case, with each character where it was: some have two in lower case.
function foldCase(text) {
  const lower = text.toLowerCase();
  if (lower.length === text.length) return lower;
  const fold = (char) => (char.toLowerCase().length === char.length ? char.toLowerCase() : char);
  return Array.from(text, fold).join("");
}

export class LogSearch {
  constructor(view, element) {
    Object.assign(this, { view, needle: "", matches: [], current: -1 });
    this.texts = element.dataset;
    this.field = element.querySelector("input[type=search]");
    this.output = element.querySelector("output");
    this.showResult();
    this.field.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.run(), DEBOUNCE_MS);
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (foldCase(this.field.value) === this.needle) this.step(event.shiftKey ? -1 : 1);
      else this.run();
    });
  }

  // The lines are others now.
  reset() {
    this.matches = [];
    this.current = -1;
    this.showResult();
  }

  run() {
    clearTimeout(this.timer);
    this.needle = foldCase(this.field.value);
    this.reset();
    this.scan(0, this.view.rows.count);
    this.view.rows.redrawAll();
    if (this.matches.length) this.step(1);
  }

  // Look through the lines from `from` up to `end`.
  scan(from, end) {
    if (!this.needle) return;
    for (let index = from; index < end; index += 1) {
      if (foldCase(this.view.lines[index]).includes(this.needle)) this.matches.push(index);
    }
    this.showResult();
  }

  step(by) {
    const count = this.matches.length;
    if (!count) return;
    const before = this.matches[this.current];
    this.current = (this.current + by + (this.current < 0 && by < 0 ? 1 : 0) + count) % count;
    if (before !== undefined) this.view.rows.redraw(before);
    this.view.showLine(this.matches[this.current]);
    this.view.rows.redraw(this.matches[this.current]);
    this.showResult();
  }

  showResult() {
    if (!this.needle) this.output.textContent = "";
    else if (!this.matches.length) this.output.textContent = this.texts.textNone;
    else {
      const values = { n: this.current + 1, all: this.matches.length };
      this.output.textContent = fillPlaceholders(this.texts.textFound, values);
    }
  }

  // A line's text into its element, with what was looked for marked.
  writeLine(element, index) {
    const line = this.view.lines[index];
    if (!this.needle) {
      element.textContent = line;
      return;
    }
    const lower = foldCase(line);
    let done = 0;
    for (let at = lower.indexOf(this.needle); at >= 0; at = lower.indexOf(this.needle, done)) {
      const mark = document.createElement("mark");
      mark.textContent = line.slice(at, at + this.needle.length);
      element.append(line.slice(done, at), mark);
      done = at + this.needle.length;
    }
    element.append(line.slice(done));
    element.classList.toggle("current-match", index === this.matches[this.current]);
  }
}
