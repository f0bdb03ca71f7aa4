// A figure with a slider: each position gives one attribute of the figure's marks another value. It loads nothing.
(function (root, data) {
  "use strict";
  if (!root || root.dataset.live) return;
  root.dataset.live = "1";
  const find = (name) => root.querySelector("[data-sx=" + name + "]");
  const slider = find("slider"), summary = find("summary"), picture = root.querySelector("[aria-label]");
  const marks = root.querySelectorAll(data.marks);

  function update() {
    const frame = Number(slider.value);
    slider.nextElementSibling.value = data.stops[frame];
    slider.setAttribute("aria-valuetext", data.stops[frame]);
    marks.forEach((mark, i) => mark.setAttribute(data.attribute, data.frames[frame][i]));
    summary.textContent = data.captions[frame];
    picture.setAttribute("aria-label", data.captions[frame]);
  }

  slider.value = data.start;
  find("controls").hidden = false;
  slider.addEventListener("input", update);
  update();
})
