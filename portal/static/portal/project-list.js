// The home page's list renews itself when one of the person's projects changes.
import { ReconnectingSocket } from "./socket.js";

let wasOpen = false;

new ReconnectingSocket(() => "/ws/projects/", {
  probePath: "/api/v1/me/?fields=identity",
  onMessage: () => htmx.trigger(document.body, "changed"),
  onStateChange: (isOpen) => {
    if (isOpen && wasOpen) htmx.trigger(document.body, "changed"); // what happened meanwhile
    wasOpen = true;
  },
});
