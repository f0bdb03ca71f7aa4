// The scatter explorer: a slider moves the points of a picture that stands in the page already. It loads nothing.
(function (root, data) {
  "use strict";
  if (!root || root.dataset.live) return;
  root.dataset.live = "1";
  const find = (name) => root.querySelector("[data-sx=" + name + "]");
  const slider = find("slider"), summary = find("summary");
  const picture = root.querySelector("svg"), points = picture.querySelectorAll("circle");

  function update() {
    const frame = Number(slider.value);
    slider.nextElementSibling.value = data.stops[frame];
    slider.setAttribute("aria-valuetext", data.stops[frame]);
    points.forEach((point, i) => point.setAttribute("cy", data.heights[frame][i]));
    summary.textContent = data.captions[frame];
    picture.setAttribute("aria-label", data.captions[frame]);
  }

  slider.value = data.start;
  find("controls").hidden = false;
  slider.addEventListener("input", update);
  update();
})
