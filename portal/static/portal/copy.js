// Copying, with a sign on the button that it has been done.

export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no permission, or no clipboard at all: browsers have none for pages by plain http
    if (!copySelected(text, button)) return;
  }
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
}

// Copy from a field beside the button. Where that is refused, too, the field stays, with the text
// selected and a sentence about it, until one leaves it. Return whether it was copied.
function copySelected(text, button) {
  const field = document.createElement("textarea");
  field.className = "copy-source";
  field.readOnly = true;
  field.value = text;
  button.after(field);
  field.select();
  const isCopied = document.execCommand("copy");
  if (isCopied) {
    field.remove();
    button.focus({ preventScroll: true });
    return true;
  }
  field.title = document.body.dataset.textCopy ?? "";
  field.setAttribute("aria-label", field.title);
  field.addEventListener("blur", () => field.remove());
  return false;
}
