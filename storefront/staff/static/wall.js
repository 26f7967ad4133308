// A wall that has lost its shop says so, from the first poll that fails, and with the time its figures are of; htmx goes
// on asking every ten seconds. A login that has run out answers 401: then nothing can come back without a person.
// Each is said once: a screen reader reads an alert anew with every change of it.
const [lost, away, over] = ["lost", "lost-away", "lost-login"].map((id) => document.getElementById(id));
const tell = (isOver) => {
  if (!lost.hidden && over.hidden !== isOver) return;
  document.getElementById("lost-since").textContent = document.getElementById("as-of").textContent;
  [away.hidden, over.hidden, lost.hidden] = [isOver, !isOver, false];
  document.body.classList.add("is-lost");
};
for (const failure of ["htmx:sendError", "htmx:timeout"]) document.body.addEventListener(failure, () => tell(false));
document.body.addEventListener("htmx:responseError", ({ detail }) => {
  tell(detail.xhr.status === 401);
});
document.body.addEventListener("htmx:afterSwap", () => {
  lost.hidden = true;
  document.body.classList.remove("is-lost");
});
addEventListener("offline", () => tell(false));
addEventListener("online", () => htmx.trigger("#main", "retry"));
