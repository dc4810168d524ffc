// A project's events from a cursor on, one by one: by WebSocket, and where that does not get
// through, by Server-Sent Events. A lost connection goes on where it was; only the portal itself
// can say that it is over (see `isGone`).
import { isGone, ReconnectingSocket } from "./socket.js";

const MAX_FAILED_OPENS = 3; // connections that never opened, before the other way is tried
const RETRY_DELAY_MS = 3000;

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
