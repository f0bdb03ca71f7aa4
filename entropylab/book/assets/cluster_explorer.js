// The cluster explorer: answers are sorted into clusters, and bars show entropies and factors. It loads nothing.
(function (root, data) {
  "use strict";
  if (!root || root.dataset.live) return;
  root.dataset.live = "1";
  const lists = [...root.querySelectorAll("[data-cx=answer]")];
  const dose = root.querySelector("[data-cx=alpha]"), summary = root.querySelector("[data-cx=summary]");
  const bars = [...root.querySelectorAll(".cx-row")];
  const n = lists.length, bound = Math.log(n);
  const likelihoods = data.weights.map((w) => Math.exp(w - Math.max(...data.weights)));

  // Masses of the clusters that have an answer.
  function masses(weights) {
    const sums = new Map();
    lists.forEach((list, i) => sums.set(list.value, (sums.get(list.value) || 0) + weights[i]));
    const all = weights.reduce((a, b) => a + b, 0);
    return [...sums.values()].map((sum) => sum / all);
  }

  const shannon = (p) => Math.abs(p.reduce((sum, v) => sum - v * Math.log(v), 0));

  function update() {
    const counts = masses(lists.map(() => 1)), alpha = Number(dose.value);
    const mean = Math.abs(counts.reduce((sum, v) => sum - Math.log(v), 0) / counts.length);
    const entropies = [mean, shannon(masses(likelihoods)), shannon(counts)];
    const u = Math.min(1, entropies[2] / bound);
    const factors = [1 - alpha * u, Math.exp(-alpha * u), Math.pow(1 - u, alpha), 1 / (1 + alpha * u)];
    [...entropies, ...factors].forEach((value, k) => {
      const share = k < entropies.length ? value / bound : value;
      bars[k].querySelector("b").style.width = 100 * share + "%";
      bars[k].querySelector("output").value = value.toFixed(3);
    });
    dose.nextElementSibling.value = alpha.toFixed(2);
    const sizes = counts.map((v) => Math.round(v * n)).sort((a, b) => b - a);
    summary.textContent = "Clusters of " + sizes.join(", ") + ".";
    root.dataset.values = JSON.stringify([entropies, factors]);
  }

  root.querySelector("[data-cx=controls]").disabled = false;
  [...lists, dose].forEach((control) => control.addEventListener("input", update));
  update();
})
