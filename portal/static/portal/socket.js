// A WebSocket that is opened again, after a growing pause, until the other side says it is over.

const OVER = 4404; // not there, or not ours (any more)
const LONGEST = 15000;

export class Socket {
  // `path()` is asked for each connection; `hear(message)`, `change(isOpen, opened)` and `over()`
  // are called with what comes, when it opens or is lost, and when it is over.
  constructor(path, { hear, change = () => {}, over = () => {} }) {
    Object.assign(this, { path, hear, change, over, lost: 0 });
    this.open();
  }

  open() {
    const address = new URL(this.path(), location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(address);
    let opened = false;
    this.socket.onopen = () => {
      opened = true;
      this.lost = 0;
      this.change(true, opened);
    };
    this.socket.onmessage = (event) => this.hear(JSON.parse(event.data));
    this.socket.onclose = (event) => {
      if (this.ended) return;
      if (event.code === OVER) {
        this.over();
        return;
      }
      this.lost += 1;
      const pause = Math.min(500 * 2 ** (this.lost - 1), LONGEST);
      this.timer = setTimeout(() => this.open(), pause * (0.75 + Math.random() / 2));
      this.change(false, opened);
    };
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
