// Searching the log: all of its lines, drawn or not.
import { fillIn } from "./format.js";

const PAUSE = 120; // milliseconds without a key before it looks

export class Search {
  constructor(view, element) {
    Object.assign(this, { view, needle: "", hits: [], at: -1 });
    this.texts = element.dataset;
    this.field = element.querySelector("input[type=search]");
    this.output = element.querySelector("output");
    this.tell();
    this.field.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.look(), PAUSE);
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (this.field.value.toLowerCase() === this.needle) this.go(event.shiftKey ? -1 : 1);
      else this.look();
    });
  }

  // The lines are others now.
  again() {
    this.hits = [];
    this.at = -1;
    this.tell();
  }

  look() {
    clearTimeout(this.timer);
    this.needle = this.field.value.toLowerCase();
    this.again();
    this.more(0, this.view.rows.count);
    this.view.rows.redrawAll();
    if (this.hits.length) this.go(1);
  }

  // Look through the lines from `from` up to `end`.
  more(from, end) {
    if (!this.needle) return;
    for (let index = from; index < end; index += 1) {
      if (this.view.lines[index].toLowerCase().includes(this.needle)) this.hits.push(index);
    }
    this.tell();
  }

  go(by) {
    const count = this.hits.length;
    if (!count) return;
    const before = this.hits[this.at];
    this.at = (this.at + by + (this.at < 0 && by < 0 ? 1 : 0) + count) % count;
    if (before !== undefined) this.view.rows.redraw(before);
    this.view.show(this.hits[this.at]);
    this.view.rows.redraw(this.hits[this.at]);
    this.tell();
  }

  tell() {
    if (!this.needle) this.output.textContent = "";
    else if (!this.hits.length) this.output.textContent = this.texts.textNone;
    else this.output.textContent = fillIn(this.texts.textFound, { n: this.at + 1, all: this.hits.length });
  }

  // A line's text into its element, with what was looked for marked.
  write(element, index) {
    const line = this.view.lines[index];
    if (!this.needle) {
      element.textContent = line;
      return;
    }
    const lower = line.toLowerCase();
    let done = 0;
    for (let at = lower.indexOf(this.needle); at >= 0; at = lower.indexOf(this.needle, done)) {
      const mark = document.createElement("mark");
      mark.textContent = line.slice(at, at + this.needle.length);
      element.append(line.slice(done, at), mark);
      done = at + this.needle.length;
    }
    element.append(line.slice(done));
    element.classList.toggle("current-match", index === this.hits[this.at]);
  }
}
