// A WebSocket that is opened again, after a growing pause, until the other side says it is over.

const CLOSE_NOT_FOUND = 4404; // not there, or not ours (any more)
const MAX_DELAY_MS = 15000;

export class ReconnectingSocket {
  // `getPath()` is called for each connection, `onMessage(message)` for each message,
  // `onStateChange(isOpen, opened)` when it opens or is lost, `onGone()` when the server ends it.
  constructor(getPath, { onMessage, onStateChange = () => {}, onGone = () => {} }) {
    Object.assign(this, { getPath, onMessage, onStateChange, onGone, failures: 0 });
    this.open();
  }

  open() {
    const address = new URL(this.getPath(), location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(address);
    let opened = false;
    this.socket.onopen = () => {
      opened = true;
      this.failures = 0;
      this.onStateChange(true, opened);
    };
    this.socket.onmessage = (event) => this.onMessage(JSON.parse(event.data));
    this.socket.onclose = (event) => {
      if (this.isClosed) return;
      if (event.code === CLOSE_NOT_FOUND) {
        this.onGone();
        return;
      }
      this.failures += 1;
      const delay = Math.min(500 * 2 ** (this.failures - 1), MAX_DELAY_MS);
      this.timer = setTimeout(() => this.open(), delay * (0.75 + Math.random() / 2));
      this.onStateChange(false, opened);
    };
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
