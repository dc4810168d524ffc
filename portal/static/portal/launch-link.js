// A launch link's page sends its form by itself where the portal says so, and never twice.

const form = document.querySelector("#launch-link");
const [visit] = performance.getEntriesByType("navigation");
let isSent = false;

form.addEventListener("submit", (event) => {
  if (isSent) event.preventDefault();
  isSent = true;
});
addEventListener("pageshow", (event) => {
  if (event.persisted) isSent = false; // back from the project's page
});

// Neither going back nor loading the page again is following the link.
if ("starts" in form.dataset && visit?.type === "navigate" && !document.prerendering) {
  form.requestSubmit();
}
