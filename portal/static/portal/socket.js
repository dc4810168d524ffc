// Connections to the portal that are opened again until the other side says it is over.

const CLOSE_NOT_FOUND = 4404; // not there, or not ours (any more)
const MAX_DELAY_MS = 15000;
const PROBE_TIMEOUT_MS = 10000;
const GONE = [401, 403, 404];
const MAX_FAILED_OPENS = 3; // connections that never opened, before the other way is tried
const RETRY_DELAY_MS = 3000;

// Returns whether the portal's API says that this is not there, or not ours (any more). Anything
// else passes: a proxy's 502 during an upgrade, the portal's own 503, or no answer at all.
async function isGone(path) {
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

// A WebSocket that is opened again, after a growing pause.
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

// A project's events from a cursor on, one by one: by WebSocket, and where that does not get
// through, by Server-Sent Events. A lost connection goes on where it was; only the portal itself
// can say that it is over (see `isGone`).
export function followProject(name, startCursor, { onEvent, onLost, onGone }) {
  const probePath = `/api/v1/projects/${name}/`;
  let cursor = startCursor;

  function receive(item) {
    if (item.cursor <= cursor) return;
    cursor = item.cursor;
    onEvent(item);
  }

  function openSocket() {
    let failures = 0;
    const socket = new ReconnectingSocket(() => `/ws/projects/${name}/?after=${cursor}`, {
      onMessage: receive,
      onGone,
      probePath,
      onStateChange: (isOpen, opened) => {
        onLost(!isOpen);
        failures = opened ? 0 : failures + 1;
        if (failures < MAX_FAILED_OPENS) return;
        socket.close();
        listenToServerSentEvents();
      },
    });
  }

  function listenToServerSentEvents() {
    const source = new EventSource(`/api/v1/projects/${name}/events/?after=${cursor}`);
    source.onopen = () => onLost(false);
    source.onmessage = (event) => receive(JSON.parse(event.data));
    source.onerror = async () => {
      onLost(true);
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      if (await isGone(probePath)) onGone();
      else setTimeout(openSocket, RETRY_DELAY_MS);
    };
  }

  openSocket();
}
