// A WebSocket that is opened again, after a growing pause, until the other side says it is over.

const CLOSE_NOT_FOUND = 4404; // not there, or not ours (any more)
const MAX_DELAY_MS = 15000;
const PROBE_TIMEOUT_MS = 10000;
const GONE = [401, 403, 404];

// Returns whether the portal's API says that this is not there, or not ours (any more). Anything
// else passes: a proxy's 502 during an upgrade, the portal's own 503, or no answer at all.
export async function isGone(path) {
  try {
    const answer = await fetch(path, {
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    });
    return GONE.includes(answer.status) && "code" in (await answer.json());
  } catch {
    return false;
  }
}

export class ReconnectingSocket {
  // `getPath()` is called for each connection, `onMessage(message)` for each message,
  // `onStateChange(isOpen, opened)` when it opens or is lost, `onGone()` when the server ends it.
  // Browsers do not tell why a connection was refused: then the API is asked for `probePath`.
  constructor(getPath, { onMessage, onStateChange = () => {}, onGone = () => {}, probePath = "" }) {
    Object.assign(this, { getPath, onMessage, onStateChange, onGone, probePath, failures: 0 });
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
    this.socket.onclose = (event) => this.reopen(event.code, opened);
  }

  async reopen(code, opened) {
    if (this.isClosed) return;
    const refused = !opened && this.probePath && (await isGone(this.probePath));
    if (this.isClosed) return;
    if (code === CLOSE_NOT_FOUND || refused) {
      this.isClosed = true;
      this.onGone();
      return;
    }
    this.failures += 1;
    const delay = Math.min(500 * 2 ** (this.failures - 1), MAX_DELAY_MS);
    this.timer = setTimeout(() => this.open(), delay * (0.75 + Math.random() / 2));
    this.onStateChange(false, opened);
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
