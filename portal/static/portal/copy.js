// Copying, with a sign on the button that it has been done.

export async function copy(text, button) {
  await navigator.clipboard.writeText(text);
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
}
