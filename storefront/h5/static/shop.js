"use strict";
/* The pages work without this file; with it they answer faster. No personal data is kept on the phone. */
(() => {
  const one = (selector, root) => (root || document).querySelector(selector);
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const yuan = (fen) => (fen / 100).toFixed(2);
  const token = () => (one("input[name=csrf_token]") || {}).value || "";
  const SLOW_MS = 8000;
  const GIVE_UP_MS = 20000;

  /* Every call ends: with JSON, with the server's own message, or with a sentence about the network. */
  async function call(method, url, body) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), GIVE_UP_MS);
    try {
      const headers = { Accept: "application/json" };
      if (method !== "GET") headers["X-CSRF-Token"] = token();
      if (body) headers["Content-Type"] = "application/json";
      const answer = await fetch(url, {
        method, headers, body: body && JSON.stringify(body), signal: stop.signal, credentials: "same-origin",
      });
      const json = await answer.json();
      if (answer.ok) return json;
      throw Object.assign(new Error((json.error || {}).message || "请稍后再试"), { status: answer.status, refused: true });
    } catch (error) {
      if (error.refused) throw error;
      throw new Error(navigator.onLine === false ? "当前没有网络，请连上后再试" : "网络不稳，没有收到回应，请再试一次");
    } finally {
      clearTimeout(timer);
    }
  }

  function busy(button, is) {
    if (!button) return;
    if (is && !button.dataset.idle) button.dataset.idle = button.textContent;
    button.classList.toggle("busy", is);
    button.setAttribute("aria-disabled", String(is));
    button.textContent = is ? button.dataset.busy || button.dataset.idle : button.dataset.idle || button.textContent;
    if (!is) delete button.dataset.idle;
  }

  function wrong(field, message) {
    const line = one("#" + field + "-wrong");
    if (!line) return;
    line.textContent = message;
    line.hidden = !message;
    const box = line.closest(".field");
    if (box) box.classList.toggle("bad", Boolean(message));
  }

  /* The key of a form that was sent and not yet answered: whoever comes back and sends again gets the same order.
     Storage may be forbidden; then the key in the page alone does its work. */
  const unanswered = {
    recall(slot) { try { return sessionStorage.getItem(slot); } catch (error) { return null; } },
    keep(slot, key) { try { sessionStorage.setItem(slot, key); } catch (error) { /* as said above */ } },
    forget() { try { sessionStorage.clear(); } catch (error) { /* as said above */ } },
  };

  /* The dependent selects of an address; `changed` is told once the lower ones are what the upper ones say. */
  function divisions(form, changed) {
    const selects = all("[data-regions] select", form);

    async function below(level) {
      const parent = selects[level].value;
      selects.slice(level + 1).forEach((select) => { select.length = 1; select.disabled = true; select.required = false; });
      wrong("region", "");
      const next = selects[level + 1];
      if (next && parent) {
        next.options[0].textContent = "…";
        try {
          const found = (await call("GET", one("[data-regions]", form).dataset.regions + "?parent=" + parent)).items;
          if (selects[level].value !== parent) return;
          next.options[0].textContent = found.length ? next.getAttribute("aria-label") : "—";
          found.forEach((item) => next.add(new Option(item.name, item.code)));
          next.disabled = !found.length;
          next.required = found.length > 0;
        } catch (error) {
          next.options[0].textContent = next.getAttribute("aria-label");
          selects[level].value = "";
          wrong("region", error.message);
        }
      }
      changed();
    }

    selects.forEach((select, level) => select.addEventListener("change", () => below(level)));
    return selects;
  }

  /* ---- the product page, and a cart on its way to an order: there the lines are chosen already ---- */
  function product(form) {
    const pay = one("#pay");
    const put = one("#put");
    const chosen = form.elements.lines && form.elements.lines.value.split(" ").map((line) => line.split(":"));
    const quantity = one("#quantity", form);
    const steps = all("[data-step]", form);
    const selects = divisions(form, () => later());
    const slot = form.getAttribute("action");
    let asked = 0;
    let timer = 0;
    let refused = !one("#refused").hidden;
    let sending = false;
    let putting = false;

    const spec = () => one("input[name=sku]:checked:enabled", form);
    /* A saved address that is chosen; the one that is typed has no value. */
    const saved = () => one("input[name=to]:checked:not([value=''])", form);
    const leaf = () => saved() ? saved().dataset.region : selects.reduce((code, select) => select.value || code, "");
    const isComplete = () => saved() || selects.every((select) => select.disabled || select.value);

    function show(goods, freight) {
      one("#goods").textContent = "¥" + yuan(goods);
      one("#freight").textContent = freight === null ? "选择地区后显示" : freight ? "¥" + yuan(freight) : "包邮";
      const total = freight === null ? goods : goods + freight;
      const [whole, cents] = yuan(total).split(".");
      const price = '<span class="price"><small>¥</small>' + whole + "<small>." + cents + "</small></span>";
      one("#payable").innerHTML = freight === null ? "—" : price;
      one("#bar-total").innerHTML = price;
      one("#bar-note").textContent = freight === null ? "运费待确认" : freight ? "含运费 ¥" + yuan(freight) : "包邮";
    }

    function refuse(message) {
      refused = Boolean(message);
      one("#refused").textContent = message;
      one("#refused").hidden = !message;
      if (message) one("#freight").textContent = "—";
      if (message) one("#bar-note").textContent = message;
    }

    async function quote() {
      let lines = chosen;
      let goods = Number(form.dataset.goods);
      if (!chosen) {
        const pack = spec();
        const count = Number(quantity.value);
        if (!pack || !Number.isInteger(count) || count < 1) return;
        lines = [[pack.value, count]];
        goods = Number(pack.dataset.fen) * count;
        label(pack);
      }
      const mine = ++asked;
      const region = isComplete() ? leaf() : "";
      refuse("");
      show(goods, null);
      form.seen.value = "";
      all("[data-parcel]", form).forEach((head) => { head.textContent = "运费待确认"; });
      if (!region) return;
      one("#freight").textContent = "正在计算…";
      try {
        const wanted = lines.map(([sku, count]) => ({ sku, quantity: Number(count) }));
        const sum = await call("POST", form.dataset.quote, { lines: wanted, region_code: region });
        if (mine !== asked) return;
        show(sum.goods_fen, sum.freight_fen);
        sum.consignments.forEach((each) => {
          const head = one('[data-parcel="' + each.ship_from + '"]', form);
          if (head) head.textContent = each.freight_fen ? "运费 ¥" + yuan(each.freight_fen) : "包邮";
        });
        form.seen.value = sum.payable_fen;
      } catch (error) {
        if (mine !== asked) return;
        if (error.status === 409 || error.status === 422) refuse(error.message);
        else one("#freight").textContent = "网络不稳，提交时确认";
      }
    }

    function label(chosen) {
      one("#price").innerHTML = one("#price").innerHTML.replace(/(<\/small>)\d+(<small>)\.\d+/, (_, open, close) => {
        const [whole, cents] = yuan(Number(chosen.dataset.fen)).split(".");
        return open + whole + close + "." + cents;
      });
      one("#market").hidden = !chosen.dataset.market;
      one("#market s").textContent = "¥" + yuan(Number(chosen.dataset.market || 0));
    }

    const later = () => { clearTimeout(timer); timer = setTimeout(quote, 250); };

    function check() {
      const faults = {};
      const count = chosen ? 1 : Number(quantity.value);
      if (!chosen && !spec()) faults.sku = "请选择规格";
      if (!Number.isInteger(count) || count < 1 || count > 99) faults.quantity = "数量在 1 到 99 之间";
      if (!saved()) {
        if (!form.elements.name.value.trim()) faults.name = "请填写收货人";
        if (!/^((\+|00)?86)?1[3-9][0-9]{9}$/.test(form.phone.value.replace(/[\s-]/g, ""))) faults.phone = "请填写 11 位手机号";
        if (!isComplete()) faults.region = "请选到最后一级地区";
        if (form.detail.value.trim().length < 4) faults.detail = "请填写街道与门牌";
      }
      all("input[type=checkbox][required]", form).forEach((box) => {
        if (!box.checked) faults[box.name] = { adult: "请确认年龄", consent: "同意后才能下单" }[box.name] || "请确认退货说明";
      });
      all(".wrong[id$='-wrong']", form).forEach((line) => wrong(line.id.slice(0, -6), faults[line.id.slice(0, -6)] || ""));
      const first = Object.keys(faults)[0];
      if (!first) return true;
      const target = first === "region" ? selects.find((select) => !select.disabled && !select.value) || selects[0] : form.elements[first];
      const spot = target.length && !target.options ? target[0] : target;
      spot.scrollIntoView({ block: "center", behavior: "smooth" });
      spot.focus({ preventScroll: true });
      return false;
    }

    form.noValidate = true;
    if ("spent" in form.dataset) unanswered.forget();
    form.elements.key.value = unanswered.recall(slot) || form.elements.key.value;
    steps.forEach((step) => {
      step.hidden = false;
      step.addEventListener("click", () => {
        quantity.value = Math.min(99, Math.max(1, (Number(quantity.value) || 1) + Number(step.dataset.step)));
        later();
      });
    });
    if (quantity) quantity.addEventListener("input", later);
    if (put) put.addEventListener("click", () => { putting = true; setTimeout(() => { putting = false; }); });
    all("input[name=sku]", form).forEach((choice) => choice.addEventListener("change", later));
    all("input[name=to]", form).forEach((choice) => choice.addEventListener("change", later));
    form.addEventListener("input", (event) => { if (event.target.name) wrong(event.target.name, ""); });
    form.addEventListener("submit", (event) => {
      if (putting) {
        if (put.classList.contains("busy")) return event.preventDefault();
        busy(put, true);
        return setTimeout(() => busy(put, false), GIVE_UP_MS);
      }
      if (sending) return event.preventDefault();
      if (!check()) return event.preventDefault();
      if (refused) {
        event.preventDefault();
        one("#refused").scrollIntoView({ block: "center", behavior: "smooth" });
        return;
      }
      if (navigator.onLine === false) {
        event.preventDefault();
        wrong("consent", "当前没有网络，连上后再点一次即可，不会重复下单");
        return;
      }
      sending = true;
      unanswered.keep(slot, form.elements.key.value);
      busy(pay, true);
      setTimeout(() => { if (sending) one("#bar-note").textContent = "网络较慢，仍在提交…"; }, SLOW_MS);
      /* The key in the form makes a second attempt the same order, so letting go is safe. */
      setTimeout(() => { sending = false; busy(pay, false); one("#bar-note").textContent = "再点一次即可，不会重复下单"; }, GIVE_UP_MS);
    });
    /* A browser that goes back fills the form in again by itself, but tells nobody: the sum is asked for anew. */
    window.addEventListener("pageshow", () => {
      sending = false;
      busy(pay, false);
      busy(put, false);
      if (leaf() && isComplete() && !form.seen.value) later();
    });
  }

  /* ---- the order page ---- */
  function order() {
    let live = one("#live");
    const number = live.dataset.order;
    const api = "/api/v1/orders/" + number;
    let waits = 0;
    let timer = 0;
    let ticker = 0;
    let paying = false;
    unanswered.forget();

    function say(message) {
      const line = one("#said");
      line.textContent = message;
      line.hidden = !message;
    }

    async function refresh() {
      const answer = await fetch("/orders/" + number, { credentials: "same-origin" });
      if (!answer.ok) return;
      const text = await answer.text();
      /* Only the middle is taken: a second style would need this document's nonce. */
      const middle = text.slice(text.indexOf('<main id="main">'), text.indexOf("</main>"));
      const fresh = one("#live", new DOMParser().parseFromString(middle, "text/html"));
      if (!fresh) return;
      live.replaceWith(fresh);
      live = fresh;
      document.title = one("h1", live).textContent + " · 订单 " + number;
      bind();
    }

    async function look(fromWeChat) {
      const seen = fromWeChat ? await call("POST", api + "/payments/current/check") : await call("GET", api);
      const state = (seen.payment || {}).state || "";
      if (seen.state !== live.dataset.state || state !== live.dataset.payment) await refresh();
    }

    function follow() {
      clearTimeout(timer);
      if (!("follow" in live.dataset) || document.hidden) return;
      waits += 1;
      timer = setTimeout(async () => {
        try {
          await look(false);
        } catch (error) {
          /* The next look tries again. */
        }
        follow();
      }, waits < 15 ? 2000 : 6000);
    }

    async function ask(button) {
      busy(button, true);
      say("");
      try {
        await look(true);
        if (live.dataset.state === "pending" && live.dataset.payment !== "succeeded") say("微信还没有收到这笔付款");
      } catch (error) {
        say(error.message);
      }
      busy(button, false);
    }

    function bridge(client) {
      return new Promise((done) => {
        const invoke = () => window.WeixinJSBridge.invoke("getBrandWCPayRequest", client, (result) => done(result.err_msg || ""));
        if (window.WeixinJSBridge) invoke();
        else document.addEventListener("WeixinJSBridgeReady", invoke, { once: true });
      });
    }

    async function pay() {
      if (paying) return;
      paying = true;
      const button = one("#pay-form button");
      busy(button, true);
      say("");
      try {
        const opened = await call("POST", api + "/payments", { channel: live.dataset.channel });
        if (opened.client.h5_url) {
          const back = encodeURIComponent(location.origin + "/orders/" + number);
          location.href = opened.client.h5_url + "&redirect_url=" + back;
          return;
        }
        const result = await bridge(opened.client);
        if (result.endsWith(":ok")) await look(true);
        else say(result.endsWith(":cancel") ? "您取消了支付，商品仍为您保留" : "支付没有完成，可以再试一次");
      } catch (error) {
        say(error.message);
      } finally {
        paying = false;
        busy(button, false);
        waits = 0;
        follow();
      }
    }

    function tick() {
      const clock = one("[data-left]", live);
      clearInterval(ticker);
      if (!clock) return;
      const end = Date.now() + Number(clock.dataset.left) * 1000;
      const show = () => {
        const left = Math.max(0, Math.round((end - Date.now()) / 1000));
        clock.innerHTML = "剩余 <b>" + Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0") + "</b>";
        if (!left) { clearInterval(ticker); refresh().catch(() => {}); }
      };
      show();
      ticker = setInterval(show, 1000);
    }

    function bind() {
      const payForm = one("#pay-form", live);
      const checkForm = one("#check-form", live);
      if (payForm) payForm.addEventListener("submit", (event) => { event.preventDefault(); pay(); });
      if (checkForm) checkForm.addEventListener("submit", (event) => { event.preventDefault(); ask(one("button", checkForm)); });
      tick();
    }

    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      if (!document.hidden && "follow" in live.dataset) { waits = 0; look(live.dataset.payment === "open").catch(() => {}).then(follow); }
    });
    window.addEventListener("pageshow", (event) => { if (event.persisted) look(true).catch(() => {}); });
    bind();
    /* Whoever comes back from the cashier need not wait for the notification: WeChat is asked at once. */
    if ("follow" in live.dataset && !("start" in live.dataset)) look(true).catch(() => {}).then(follow);
    if ("start" in live.dataset) {
      history.replaceState(null, "", "/orders/" + number);
      const login = one("#login");
      if (login) location.replace(login.href);
      else pay();
    }
  }

  /* Every other form: asked once more where it says so, sent once however often it is tapped. */
  document.addEventListener("submit", (event) => {
    const button = one("[data-busy]", event.target);
    if (event.defaultPrevented || event.target.id === "order" || !button) return;
    if (button.classList.contains("busy")) return event.preventDefault();
    if (event.target.dataset.confirm && !window.confirm(event.target.dataset.confirm)) return event.preventDefault();
    busy(button, true);
    setTimeout(() => busy(button, false), GIVE_UP_MS);
  });
  window.addEventListener("pageshow", () => all("form:not(#order) .busy").forEach((button) => busy(button, false)));

  /* A fetched link is no scan: only a page that stands before somebody says so, and a lost word is said again. */
  function confirmVisit(visit, tries) {
    fetch("/api/v1/visits/confirmation?tk=" + encodeURIComponent(visit), { method: "POST", credentials: "same-origin", keepalive: true })
      .catch(() => { if (tries > 0) setTimeout(() => confirmVisit(visit, tries - 1), 3000); });
  }

  /* Words to choose from while typing; whoever has no script, or a weak signal, types on. */
  function suggest(input) {
    const list = one("#suggested");
    let timer = 0;
    input.addEventListener("input", () => {
      clearTimeout(timer);
      const typed = input.value.trim();
      if (typed) timer = setTimeout(() => {
        call("GET", "/api/v1/search/suggestions?limit=6&q=" + encodeURIComponent(typed)).then((found) => {
          if (input.value.trim() === typed) list.replaceChildren(...found.items.map((item) => new Option(item.text, item.text)));
        }).catch(() => {});
      }, 150);
    });
  }

  /* A number that was typed into the cart counts without a further tap. */
  all("[data-set]").forEach((input) => input.addEventListener("change", () => { if (input.form.reportValidity()) input.form.submit(); }));

  const visit = new URLSearchParams(location.search).get("tk");
  if (visit) confirmVisit(visit, 5);
  const form = one("form#order");
  if (form) product(form);
  if (one("form#entry")) divisions(one("form#entry"), () => {});
  if (one("#live")) order();
  const find = one(".find input");
  if (find) suggest(find);
})();
