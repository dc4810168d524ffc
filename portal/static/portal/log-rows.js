// The lines of a log as they are drawn: in blocks, of which only those near the window hold
// anything, so that 20,000 lines are no more work than 200. Text gets in by textContent alone.

const BLOCK = 200;

export class Rows {
  // `write(element, index)` puts the text of line `index` into an element; `settled()` is called
  // when heights have changed.
  constructor(pre, { write, settled }) {
    Object.assign(this, { pre, write, settled });
    this.near = new IntersectionObserver((entries) => this.nearby(entries), {
      root: pre,
      rootMargin: "800px 0px",
    });
    this.clear();
  }

  clear() {
    this.near.disconnect();
    this.pre.replaceChildren();
    this.blocks = [];
    this.count = 0;
    this.linked = undefined;
  }

  // There are `count` lines now, as many or more than before.
  grow(count) {
    const from = this.count;
    this.count = count;
    this.pre.style.setProperty("--gutter", `${Math.max(5, String(count).length + 2)}ch`);
    for (let n = Math.floor(from / BLOCK); n * BLOCK < count; n += 1) {
      const block = this.blocks[n] ?? this.addBlock(n);
      if (block.isFull) this.fill(block, Math.max(from, n * BLOCK));
      else this.reserve(block);
    }
  }

  // Draw a line anew, if it is drawn at all.
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

  // Bring a line that exists to the middle of the window.
  show(index) {
    const block = this.blocks[Math.floor(index / BLOCK)];
    if (!block.isFull) this.unfold(block);
    const row = document.getElementById(`L${index + 1}`).getBoundingClientRect();
    this.pre.scrollTop += row.top - this.pre.getBoundingClientRect().top - this.pre.clientHeight / 2;
  }

  // Mark the line that the address names.
  link(index) {
    const before = this.linked;
    this.linked = index;
    if (before !== undefined) this.redraw(before);
    this.redraw(index);
  }

  // Lines are as high as they are wide now.
  wrap() {
    const isWrapped = this.pre.classList.toggle("wrapped");
    for (const block of this.blocks) {
      block.height = undefined;
      if (!block.isFull) this.reserve(block);
    }
    return isWrapped;
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
    this.settled();
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
    const rows = Math.min(BLOCK, this.count - block.n * BLOCK);
    this.rowHeight ??= parseFloat(getComputedStyle(this.pre).lineHeight);
    const measured = rows === BLOCK && block.height;
    block.node.style.height = `${measured || rows * this.rowHeight}px`;
  }

  fill(block, from) {
    const rows = document.createDocumentFragment();
    const end = Math.min((block.n + 1) * BLOCK, this.count);
    for (let index = from; index < end; index += 1) rows.append(this.row(index));
    block.node.append(rows);
  }

  row(index) {
    const row = document.createElement("span");
    const number = document.createElement("a");
    const text = document.createElement("span");
    row.className = index === this.linked ? "row linked" : "row";
    row.id = `L${index + 1}`;
    number.href = `#${row.id}`;
    number.dataset.lineNumber = index + 1;
    number.tabIndex = -1;
    number.setAttribute("aria-hidden", "true");
    row.append(number, text);
    this.write(text, index);
    return row;
  }
}
