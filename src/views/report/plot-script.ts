import { number, ticks } from "../format.ts";

/** Draws every plot of the page with uPlot, again when the page's width or the colour scheme changes. Runs in a browser. */
export const plotScript = `
(() => {
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = ${number.toString()};
  const ticks = ${ticks.toString()};
  const shorten = (v) => v == null ? "–" : number(v);
  const drawn = new Map();

  function stack(curves) {
    const sum = curves[0].values.map(() => 0);
    return curves.map((curve) => curve.values.map((v, i) => (sum[i] += v ?? 0)));
  }

  // Upright lines with a word at their top, each word a line below the one before so that near marks stay readable.
  function drawMarks(u, marks) {
    const { ctx, bbox } = u;
    const dots = devicePixelRatio || 1;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = css("--dim");
    ctx.font = 11 * dots + "px system-ui";
    ctx.textBaseline = "top";
    ctx.lineWidth = dots;
    ctx.setLineDash([5 * dots, 4 * dots]);
    marks.forEach((mark, i) => {
      const x = Math.round(u.valToPos(mark.x, "x", true));
      if (!(x >= bbox.left && x <= bbox.left + bbox.width)) return;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const right = x + 130 * dots < bbox.left + bbox.width;
      ctx.textAlign = right ? "left" : "right";
      ctx.fillText(mark.label, x + (right ? 4 : -4) * dots, bbox.top + (2 + 13 * i) * dots);
    });
    ctx.restore();
  }

  function options(plot, width) {
    const axis = (label, size) => ({ ...(label ? { label, labelSize: 16 } : {}), size, font: "11px system-ui", labelFont: "11px system-ui", stroke: css("--dim"),
      grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), size: 4 } });
    const curve = (c) => {
      const color = css("--c" + (c.color % 9));
      const value = (u, v, si, i) => shorten(i == null ? null : c.values[i]);
      if (plot.stacked) return { label: c.label, stroke: color, fill: color + "b0", width: 1, value, points: { show: false } };
      if (c.style === "bars") return { label: c.label, stroke: color, fill: color + "70", width: 1, value, points: { show: false }, paths: uPlot.paths.bars({ size: [1, Infinity] }) };
      return { label: c.label, stroke: c.style === "faint" ? color + "55" : color, width: c.style === "faint" ? 1 : 1.8, value,
        dash: c.style === "dashed" ? [5, 4] : undefined, spanGaps: true, points: { show: c.style === "points" || c.values.length < 12, size: 5, fill: color } };
    };
    const curves = plot.stacked ? [...plot.curves].reverse() : plot.curves;
    return {
      width, height: 220, legend: { live: true, markers: { width: 2 } },
      scales: { x: { time: false, distr: plot.x.scale === "log" ? 3 : 1 }, y: plot.y.scale === "log" ? { distr: 3 } : plot.stacked || curves.some((c) => c.style === "bars") ? { range: [0, null] } : {} },
      axes: [{ ...axis(plot.x.label, 34), values: (u, vs) => ticks(vs) }, { ...axis(null, 54), values: (u, vs) => ticks(vs) }],
      series: [{ label: plot.x.label, value: (u, v) => v == null ? "–" : String(v) }, ...curves.map(curve)],
      hooks: { draw: [(u) => drawMarks(u, plot.marks ?? [])] },
      cursor: { drag: { x: true, y: false }, points: { size: 6 } },
    };
  }

  function data(plot) {
    const values = plot.stacked ? stack(plot.curves).reverse() : plot.curves.map((c) => c.values);
    return [plot.x.values, ...values];
  }

  function draw(place) {
    const plot = plots[Number(place.dataset.plot)];
    const width = place.clientWidth;
    if (width === 0) return;
    drawn.get(place)?.destroy();
    drawn.set(place, new uPlot(options(plot, width), data(plot), place));
  }

  const places = [...document.querySelectorAll("[data-plot]")];
  const drawAll = () => places.forEach(draw);
  let width = 0;
  new ResizeObserver(() => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    drawAll();
  }).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  document.addEventListener("toggle", (event) => event.target.querySelectorAll?.("[data-plot]").forEach(draw), true);
})();
`;
