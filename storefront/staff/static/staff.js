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
// In a tunnel a form waits on its page and is sent again; its key makes sure that it counts once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-resend]") || !window.fetch) return;
  event.preventDefault();
  const body = new FormData(form);
  const waiting = form.querySelector("[data-waiting]");
  const send = async () => {
    try {
      const answer = await fetch(form.action, { method: "POST", body });
      if (answer.status === 503) throw new Error("away");
      if (answer.redirected) return location.replace(answer.url);
      // A page that says what is wrong, with the form as it should be sent next.
      document.open();
      document.write(await answer.text());
      document.close();
    } catch {
      waiting.hidden = false;
      setTimeout(send, 5000);
    }
  };
  send();
});
