// A slide that is too high is made smaller until it fits; below half its size it is scrolled instead.
const SMALLEST = 50; // per cent

function fit(slide) {
    const cell = slide && slide.querySelector(":scope > .cell-slide");
    if (!cell) return;
    for (let size = 100; size >= SMALLEST; size -= 5) {
        cell.style.fontSize = `${size}%`;
        if (cell.scrollHeight <= cell.clientHeight && cell.scrollWidth <= cell.clientWidth) break;
    }
}

Reveal.initialize({
    width: 1280, height: 760, margin: 0.04, center: false, hash: true, slideNumber: "h.v", transition: "none",
    navigationMode: "default",
});
Reveal.on("ready", (event) => fit(event.currentSlide));
Reveal.on("slidechanged", (event) => fit(event.currentSlide));
document.addEventListener("toggle", () => fit(Reveal.getCurrentSlide()), true);
