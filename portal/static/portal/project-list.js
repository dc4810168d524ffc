// The home page's list renews itself when one of the person's projects changes.
import { Socket } from "./socket.js";

let before = false;

new Socket(() => "/ws/projects/", {
  hear: () => htmx.trigger(document.body, "changed"),
  change: (isOpen) => {
    if (isOpen && before) htmx.trigger(document.body, "changed"); // what happened meanwhile
    before = true;
  },
});
