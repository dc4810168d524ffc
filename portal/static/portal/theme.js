// Loaded before the first paint: the chosen look, kept under the name that Django's admin uses.
(() => {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
