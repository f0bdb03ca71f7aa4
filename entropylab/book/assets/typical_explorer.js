// The typical explorer: typical and nucleus truncation of one next-token distribution, side by side.
// It works on the data that stands in the page; it loads nothing.
(function (root, data) {
  "use strict";
  if (!root || root.dataset.live) return;
  root.dataset.live = "1";

  function distribution(logits, temperature) {
    const z = logits.map((v) => (v === null ? -Infinity : v / temperature)); // null stands for -inf, which JSON lacks
    const top = Math.max(...z);
    const total = z.reduce((sum, v) => sum + Math.exp(v - top), 0);
    const logp = z.map((v) => v - top - Math.log(total));
    const p = logp.map(Math.exp);
    const entropy = -p.reduce((sum, v, i) => (v > 0 ? sum + v * logp[i] : sum), 0);
    const distance = p.map((v, i) => (v > 0 ? Math.abs(-logp[i] - entropy) : Infinity));
    return { p, entropy, distance };
  }

  // First position whose cumulative mass reaches the wanted mass; the last one if none does.
  function cut(order, p, mass) {
    let sum = 0;
    for (let k = 0; k < order.length; k++) {
      sum += p[order[k]];
      if (sum >= mass) return k;
    }
    return order.length - 1;
  }

  const by = (key) => key.map((_, i) => i).sort((a, b) => (key[a] === key[b] ? a - b : key[a] - key[b]));

  // transformers' rule: every token as near to H as the one at the cut stays, so that ties are kept together.
  function typical(d, mass) {
    if (mass >= 1) return d.p.map((v) => v > 0);
    const order = by(d.distance);
    const limit = d.distance[order[cut(order, d.p, mass)]];
    return d.p.map((v, i) => v > 0 && d.distance[i] <= limit);
  }

  function nucleus(d, mass) {
    if (mass >= 1) return d.p.map((v) => v > 0);
    const order = by(d.p.map((v) => -v));
    const kept = new Set(order.slice(0, cut(order, d.p, mass) + 1));
    return d.p.map((v, i) => v > 0 && kept.has(i));
  }

  const SVG = "http://www.w3.org/2000/svg";
  function draw(parent, name, attributes, text) {
    const node = document.createElementNS(SVG, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  }

  const find = (name) => root.querySelector("[data-tx=" + name + "]");
  const controls = find("controls"), massInput = find("mass"), heatInput = find("temperature"), orderInput = find("order");
  const picture = find("picture"), summary = find("summary");
  const percent = (v) => (100 * v).toFixed(v > 0.0995 ? 0 : 1) + " %";
  const words = (count) => count + (count === 1 ? " token" : " tokens");

  function update() {
    const mass = Number(massInput.value), temperature = Number(heatInput.value);
    massInput.nextElementSibling.value = mass.toFixed(2);
    heatInput.nextElementSibling.value = temperature.toFixed(2);
    const d = distribution(data.logits, temperature);
    const keptT = typical(d, mass), keptN = nucleus(d, mass);
    const rows = by(orderInput.value === "distance" ? d.distance : d.p.map((v) => -v));
    render(d, rows, keptN, keptT);

    const total = (kept) => d.p.reduce((sum, v, i) => (kept[i] ? sum + v : sum), 0);
    const count = (kept) => kept.filter(Boolean).length;
    const best = d.p.indexOf(Math.max(...d.p));
    summary.textContent =
      "H = " + d.entropy.toFixed(2) + " nats. Nucleus keeps " + words(count(keptN)) + " (mass " + percent(total(keptN)) +
      "), typical " + words(count(keptT)) + " (mass " + percent(total(keptT)) + "). Typical " +
      (keptT[best] ? "keeps" : "cuts") + " the most probable token, “" + data.labels[best].trim() + "”.";
    picture.firstChild.setAttribute("aria-label", summary.textContent);
    // For tests, and for readers who look into the page: the sets by token number.
    const list = (kept) => kept.flatMap((keep, i) => (keep ? [i] : [])).join(" ");
    Object.assign(root.dataset, { typical: list(keptT), nucleus: list(keptN), entropy: d.entropy });
  }

  function render(d, rows, keptN, keptT) {
    const width = Math.max(280, Math.min(700, picture.clientWidth || 640));
    const label = Math.min(130, Math.round(width * 0.26)), gap = 14, number = 40, step = 21, top = 40;
    const bar = (width - label - gap) / 2 - number;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 " + width + " " + (top + rows.length * step));
    svg.setAttribute("role", "img");
    const starts = [label, label + bar + number + gap];
    [["Nucleus", "probability"], ["Typical", "|I − H| in nats"]].forEach((title, k) => {
      draw(svg, "text", { x: starts[k], y: 12, class: "tx-head" }, title[0]);
      draw(svg, "text", { x: starts[k], y: 28, class: "tx-note" }, title[1]);
    });
    const finite = d.distance.filter(Number.isFinite);
    const scales = [Math.max(...d.p), Math.max(...finite, 1e-9)];
    const letters = Math.floor(label / 7.2);
    rows.forEach((i, r) => {
      const y = top + r * step, name = data.labels[i];
      const text = draw(svg, "text", { x: 0, y: y + 12 }, name.length > letters ? name.slice(0, letters - 1) + "…" : name);
      draw(text, "title", {}, name);
      [[d.p[i], keptN[i], "tx-n", percent(d.p[i])], [d.distance[i], keptT[i], "tx-t", d.distance[i].toFixed(2)]].forEach((b, k) => {
        const length = Number.isFinite(b[0]) ? (bar * b[0]) / scales[k] : 0;
        draw(svg, "rect", { x: starts[k], y: y + 1, width: Math.max(1, length), height: step - 7, class: b[1] ? b[2] : "tx-cut" });
        draw(svg, "text", { x: starts[k] + Math.max(1, length) + 4, y: y + 12, class: "tx-note" }, Number.isFinite(b[0]) ? b[3] : "∞");
      });
    });
    picture.replaceChildren(svg);
  }

  massInput.value = data.mass;
  heatInput.value = data.temperature;
  orderInput.value = data.order;
  controls.hidden = false;
  [massInput, heatInput, orderInput].forEach((input) => input.addEventListener("input", update));
  update();
  if (window.ResizeObserver) {
    let last = picture.clientWidth;
    new ResizeObserver(() => {
      if (picture.clientWidth !== last) { last = picture.clientWidth; update(); }
    }).observe(picture);
  }
})
