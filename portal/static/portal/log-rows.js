// The lines of a log as they are drawn: in blocks, of which only those near the window hold
// anything, so that 20,000 lines are no more work than 200. Text gets in by textContent alone.

const BLOCK_ROWS = 200;

export class LogRows {
  // `writeLine(element, index)` puts the text of line `index` into an element; `onResize()` is
  // called when heights have changed.
  constructor(pre, { writeLine, onResize }) {
    Object.assign(this, { pre, writeLine, onResize });
    this.observer = new IntersectionObserver((entries) => this.onIntersect(entries), {
      root: pre,
      rootMargin: "800px 0px",
    });
    this.clear();
  }

  clear() {
    this.observer.disconnect();
    this.pre.replaceChildren();
    this.blocks = [];
    this.count = 0;
    this.highlighted = undefined;
  }

  // There are `count` lines now, as many or more than before.
  setCount(count) {
    const from = this.count;
    this.count = count;
    this.pre.style.setProperty("--gutter", `${Math.max(5, String(count).length + 2)}ch`);
    for (let n = Math.floor(from / BLOCK_ROWS); n * BLOCK_ROWS < count; n += 1) {
      const block = this.blocks[n] ?? this.addBlock(n);
      if (block.isRendered) this.appendRows(block, Math.max(from, n * BLOCK_ROWS));
      else this.reserveHeight(block);
    }
  }

  // Draw a line anew, if it is drawn at all.
  redraw(index) {
    const old = document.getElementById(`L${index + 1}`);
    if (old) old.replaceWith(this.createRow(index));
  }

  redrawAll() {
    for (const block of this.blocks) {
      if (!block.isRendered) continue;
      block.node.replaceChildren();
      this.appendRows(block, block.n * BLOCK_ROWS);
    }
  }

  // Bring a line that exists to the middle of the window.
  scrollToRow(index) {
    const block = this.blocks[Math.floor(index / BLOCK_ROWS)];
    if (!block.isRendered) this.renderBlock(block);
    const row = document.getElementById(`L${index + 1}`).getBoundingClientRect();
    this.pre.scrollTop += row.top - this.pre.getBoundingClientRect().top - this.pre.clientHeight / 2;
  }

  // Mark the line that the address names.
  highlight(index) {
    const before = this.highlighted;
    this.highlighted = index;
    if (before !== undefined) this.redraw(before);
    this.redraw(index);
  }

  // Lines are as high as they are wide now.
  toggleWrap() {
    const isWrapped = this.pre.classList.toggle("wrapped");
    for (const block of this.blocks) {
      block.height = undefined;
      if (!block.isRendered) this.reserveHeight(block);
    }
    return isWrapped;
  }

  // Draw all lines, for paper; those that are far from the window go again when one scrolls.
  renderAll() {
    for (const block of this.blocks) if (!block.isRendered) this.renderBlock(block);
  }

  addBlock(n) {
    const node = document.createElement("span");
    const block = { n, node, isRendered: false };
    node.className = "block";
    node.block = block;
    this.blocks[n] = block;
    this.pre.append(node);
    this.observer.observe(node);
    return block;
  }

  onIntersect(entries) {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      const block = target.block;
      if (this.blocks[block.n] !== block || block.isRendered === isIntersecting) continue;
      if (isIntersecting) this.renderBlock(block);
      else this.emptyBlock(block, boundingClientRect.height);
    }
    this.onResize();
  }

  renderBlock(block) {
    block.isRendered = true;
    block.node.style.height = "";
    this.appendRows(block, block.n * BLOCK_ROWS);
  }

  emptyBlock(block, height) {
    block.height = height;
    block.isRendered = false;
    block.node.replaceChildren();
    this.reserveHeight(block);
  }

  reserveHeight(block) {
    const rows = Math.min(BLOCK_ROWS, this.count - block.n * BLOCK_ROWS);
    this.rowHeight ??= parseFloat(getComputedStyle(this.pre).lineHeight);
    const measured = rows === BLOCK_ROWS && block.height;
    block.node.style.height = `${measured || rows * this.rowHeight}px`;
  }

  appendRows(block, from) {
    const rows = document.createDocumentFragment();
    const end = Math.min((block.n + 1) * BLOCK_ROWS, this.count);
    for (let index = from; index < end; index += 1) rows.append(this.createRow(index));
    block.node.append(rows);
  }

  createRow(index) {
    const row = document.createElement("span");
    const number = document.createElement("a");
    const text = document.createElement("span");
    row.className = index === this.highlighted ? "row linked" : "row";
    row.id = `L${index + 1}`;
    number.href = `#${row.id}`;
    number.dataset.lineNumber = index + 1;
    number.tabIndex = -1;
    number.setAttribute("aria-hidden", "true");
    row.append(number, text);
    this.writeLine(text, index);
    return row;
  }
}
