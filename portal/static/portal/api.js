// On the page of the API: a call is tried with what the signed-in browser may do.

const { "X-CSRFToken": csrf } = JSON.parse(document.body.getAttribute("hx-headers"));

function callUrl(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll("input")) {
    if (input.dataset.where === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.value) query.append(input.name, input.value);
  }
  return query.size ? `${path}?${query}` : path;
}

function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function send(form) {
  const url = callUrl(form);
  const headers = { Accept: "application/json", "X-CSRFToken": csrf };
  const body = form.querySelector("textarea")?.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(url, { method: form.dataset.method, headers, body });
  return `${answer.status} ${answer.statusText} · ${url}\n\n${prettyJson(await answer.text())}`;
}

function showOutput(form, text) {
  const block = document.createElement("pre");
  block.textContent = text.trimEnd();
  block.tabIndex = 0;
  form.querySelector("output").replaceChildren(block);
}

for (const form of document.querySelectorAll("form.try-form")) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      showOutput(form, await send(form));
    } catch (error) {
      showOutput(form, String(error));
    } finally {
      button.disabled = false;
    }
  });
}

// A link to a call or an object opens it.
function openLinkedDetails() {
  const target = document.getElementById(location.hash.slice(1));
  if (target?.matches("details")) target.open = true;
}

addEventListener("hashchange", openLinkedDetails);
openLinkedDetails();
