// An error summary takes the focus, after a full page load and after a fragment.
(() => {
  const take = (root) => root.querySelector("[data-focus]")?.focus();
  take(document);
  document.addEventListener("htmx:afterSwap", (event) => take(event.detail.target));
})();
