// Progressive only: every page works without it.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || !button.dataset.busy) return;
  // After the form has been read: a disabled button would take its own value out of it.
  setTimeout(() => {
    button.disabled = true;
    button.textContent = button.dataset.busy;
  });
});
// A page that comes back from the browser's memory shows its buttons as they were left: disabled.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) print();
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
