// WeixinJSBridge for a desk without WeChat: getBrandWCPayRequest opens the emulator's sheet over the page.
(function () {
  "use strict";
  var desk = new URL(document.currentScript.src).origin;

  function pay(params, answer) {
    var query = new URLSearchParams(params);
    query.set("origin", window.location.origin);
    var frame = document.createElement("iframe");
    frame.title = "微信支付";
    frame.src = desk + "/cashier?" + query;
    frame.style.cssText = "position:fixed;inset:0;width:100%;height:100%;border:0;z-index:2147483647";
    function listen(event) {
      if (event.origin !== desk || event.source !== frame.contentWindow) return;
      window.removeEventListener("message", listen);
      frame.remove();
      answer({ err_msg: "get_brand_wcpay_request:" + event.data });
    }
    window.addEventListener("message", listen);
    document.body.appendChild(frame);
  }

  window.WeixinJSBridge = {
    invoke: function (name, params, answer) {
      if (name === "getBrandWCPayRequest") return pay(params, answer);
      answer({ err_msg: name + ":fail not supported on a desk" });
    },
    on: function () {},
    call: function () {},
  };
  document.dispatchEvent(new Event("WeixinJSBridgeReady"));
})();
