// Draws what the server describes: the address in data-chart answers with an ECharts option; a click on an item goes to
// its href. Every picture has a table with the same figures beside it, which also stands when this fails.
for (const box of document.querySelectorAll("[data-chart]")) {
  fetch(box.dataset.chart, { headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.status))))
    .then((option) => {
      const chart = echarts.init(box);
      chart.setOption(option);
      chart.on("click", ({ data }) => { if (data && data.href) location.assign(data.href); });
      addEventListener("resize", () => chart.resize());
      addEventListener("beforeprint", () => chart.resize());
      box.dataset.drawn = "yes";
    })
    .catch(() => { box.replaceWith(document.getElementById("chart-lost").content.cloneNode(true)); });
}
