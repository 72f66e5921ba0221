// A slide that is too large is made smaller until it fits; below half its size it is scrolled instead.
const SMALLEST = 50; // per cent

function fit(slide) {
    const frame = slide && slide.querySelector(":scope > .frame");
    if (!frame) return;
    for (let size = 100; size >= SMALLEST; size -= 5) {
        frame.firstElementChild.style.zoom = size / 100;
        if (frame.scrollHeight <= frame.clientHeight && frame.scrollWidth <= frame.clientWidth) break;
    }
}

Reveal.initialize({
    width: 1280, height: 760, margin: 0.04, center: false, hash: true, slideNumber: "h.v", transition: "none",
    plugins: [RevealNotes],
});
Reveal.on("ready", (event) => fit(event.currentSlide));
Reveal.on("slidechanged", (event) => fit(event.currentSlide));
document.addEventListener("toggle", () => fit(Reveal.getCurrentSlide()), true); // a fold was opened or closed
