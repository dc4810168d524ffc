// A project's story from a cursor on, item by item: by WebSocket, and where that does not get
// through, by Server-Sent Events. A lost connection goes on where it was.
import { Socket } from "./socket.js";

const GIVE_UP = 3; // connections that never opened, before the other way is tried

export function follow(name, begin, { hear, lost, over }) {
  let cursor = begin;
  let failures = 0;

  function take(item) {
    if (item.cursor <= cursor) return;
    cursor = item.cursor;
    hear(item);
  }

  const socket = new Socket(() => `/ws/projects/${name}/?after=${cursor}`, {
    hear: take,
    over,
    change: (isOpen, opened) => {
      lost(!isOpen);
      failures = opened ? 0 : failures + 1;
      if (failures < GIVE_UP) return;
      socket.end();
      listen();
    },
  });

  function listen() {
    const source = new EventSource(`/api/v1/projects/${name}/events/?after=${cursor}`);
    source.onopen = () => lost(false);
    source.onmessage = (event) => take(JSON.parse(event.data));
    source.onerror = () => {
      lost(true);
      if (source.readyState === EventSource.CLOSED) over();
    };
  }
}
