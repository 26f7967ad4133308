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
  const [button, says] = [event.submitter, event.submitter?.textContent];
  // Too large to be read at all: the form stays as it is, and only the file must be another.
  const refuse = () => {
    waiting.hidden = true;
    form.querySelector("[data-too-large]").hidden = false;
    form.querySelector("[type=file]")?.focus();
    if (button) [button.disabled, button.textContent] = [false, says];
  };
  form.querySelector("[data-too-large]").hidden = true;
  const send = async () => {
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
      if (answer.status === 503) throw new Error("away");
      if (answer.redirected) return location.replace(answer.url);
      if (answer.status === 413) return refuse();
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
// A form that was refused comes back as a new page that says why: what was typed stands in it again, and the reason
// above it. It is kept for that one page only; a form that no browser is to complete is not kept unless it says so.
const KEPT = "typed";
const same = (form) => [...document.forms].filter((each) => each.getAttribute("action") === form.getAttribute("action"));
const typed = (form) => [...form.elements].filter((each) => each.name && !["hidden", "file", "password"].includes(each.type));
document.addEventListener("submit", (event) => {
  const form = event.target;
  const isSecret = form.matches("[autocomplete=off]:not([data-keep])");
  if (form.getAttribute("method") !== "post" || isSecret || form.matches("[data-resend]")) return;
  const fields = typed(form).map((each) => [each.name, each.value, each.checked === true]);
  const kept = { action: form.getAttribute("action"), place: same(form).indexOf(form), fields };
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
});
const restore = () => {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) || "null");
  sessionStorage.removeItem(KEPT);
  const fault = document.querySelector("main > .notice.bad[role=alert]");
  if (!kept || !fault || !new URLSearchParams(location.search).has("fault")) return;
  const form = [...document.forms].filter((each) => each.getAttribute("action") === kept.action)[kept.place];
  if (!form) return;
  typed(form).forEach((field, n) => {
    const [name, value, checked] = kept.fields[n] || [];
    if (name !== field.name) return;
    if (["checkbox", "radio"].includes(field.type)) field.checked = checked;
    else if (field.type !== "submit") field.value = value;
  });
  for (let box = form.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  form.prepend(fault);
  fault.tabIndex = -1;
  fault.focus();
};
// What a page renews by itself is told to a screen reader only when it says something else, not at each renewal.
document.addEventListener("htmx:afterSwap", () => {
  const [told, tells] = [document.querySelector("[data-told]"), document.querySelector("[data-tells]")];
  if (told && tells && told.textContent !== tells.dataset.tells) told.textContent = tells.dataset.tells;
});
// On a phone the menu is wider than the screen: where one is must be in sight.
document.querySelectorAll(".menu [aria-current]").forEach((here) => {
  const menu = here.closest(".menu");
  menu.scrollLeft = here.offsetLeft - menu.offsetLeft - (menu.clientWidth - here.offsetWidth) / 2;
});
restore();
