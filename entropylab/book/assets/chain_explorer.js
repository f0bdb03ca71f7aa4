// The chain explorer: shows one of the states that stand in the page already. It loads nothing.
(function (root, data) {
  "use strict";
  if (!root || root.dataset.live) return;
  root.dataset.live = "1";
  const find = (name) => root.querySelector("[data-rx=" + name + "]");
  const choice = find("choice"), slider = find("slider");
  const frames = root.querySelectorAll("[data-rx-frame]");

  function update() {
    slider.max = data.sizes[Number(choice.value)] - 1;
    slider.nextElementSibling.value = slider.value;
    const shown = choice.value + " " + slider.value;
    frames.forEach((frame) => { frame.hidden = frame.dataset.rxFrame !== shown; });
  }

  choice.value = "0";
  slider.max = data.sizes[0] - 1;
  slider.value = data.start;
  find("controls").hidden = false;
  choice.addEventListener("change", update);
  slider.addEventListener("input", update);
  update();
})
