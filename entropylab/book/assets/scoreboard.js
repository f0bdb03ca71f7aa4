// Filters of the scoreboard: shows the rows that have the chosen part and verdict.
(function (root) {
  "use strict";
  if (!root || root.dataset.live) return;
  root.dataset.live = "1";
  const filters = [...root.querySelectorAll("select[data-filter]")];
  const rows = [...root.querySelectorAll("tbody tr[data-verdict]")];
  const count = root.querySelector("[data-count]");
  function apply() {
    let shown = 0;
    rows.forEach((row) => {
      row.hidden = filters.some((f) => f.value && row.dataset[f.dataset.filter] !== f.value);
      if (!row.hidden) shown += 1;
    });
    count.textContent = shown === rows.length ? "All " + shown + " claims are shown." : shown + " of " + rows.length + " claims are shown.";
  }
  filters.forEach((f) => { f.disabled = false; f.addEventListener("input", apply); });
  apply();
})
