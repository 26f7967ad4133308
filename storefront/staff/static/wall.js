// A wall that has lost its shop says so, from the first poll that fails, and with the time its figures are of; htmx goes
// on asking every ten seconds. A login that has run out answers 401: then nothing can come back without a person.
const lost = document.getElementById("lost");
const tell = (words) => {
  document.getElementById("lost-since").textContent = document.getElementById("as-of").textContent;
  if (words) lost.textContent = words;
  lost.hidden = false;
  document.body.classList.add("is-lost");
};
for (const failure of ["htmx:sendError", "htmx:timeout"]) document.body.addEventListener(failure, () => tell());
document.body.addEventListener("htmx:responseError", ({ detail }) => {
  tell(detail.xhr.status === 401 ? "登录已过期，请刷新页面重新登录。" : undefined);
});
document.body.addEventListener("htmx:afterSwap", () => {
  lost.hidden = true;
  document.body.classList.remove("is-lost");
});
addEventListener("offline", () => tell());
addEventListener("online", () => htmx.trigger("#main", "retry"));
