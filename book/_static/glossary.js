// The definition of a glossary term beside the word: under the pointer, on focus by keyboard, at the first tap.
// It stays while pointer or focus is on word or definition, and Escape closes it (WCAG 2.2, 1.4.13). The link itself
// leads to the glossary; on a touch screen at the second tap.
(() => {
  if (!("popover" in HTMLElement.prototype)) return; // an older browser keeps the links

  const GAP = 6; // pixels between the word and its definition, and to the window's edge
  const SOON = 150; // milliseconds: long enough to cross a word without opening it
  const LATE = 300; // and to cross the gap without closing it
  let open = null; // the term whose definition shows
  let timer;

  const tipOf = (term) => document.getElementById(`tip-${decodeURIComponent(term.hash.slice(1))}`);

  function place(term, tip, y) {
    const lines = [...term.getClientRects()];
    const line = lines.find((r) => r.top <= y && y <= r.bottom) ?? lines[0];
    const { offsetWidth: width, offsetHeight: height } = tip;
    const room = document.documentElement.clientWidth - width - GAP;
    const above = line.bottom + GAP + height > window.innerHeight && line.top - GAP - height >= 0;
    tip.style.left = `${Math.max(GAP, Math.min(line.left, room)) + window.scrollX}px`;
    tip.style.top = `${(above ? line.top - GAP - height : line.bottom + GAP) + window.scrollY}px`;
  }

  function show(term, y) {
    clearTimeout(timer);
    if (open === term) return;
    hide();
    const tip = tipOf(term);
    tip.showPopover();
    place(term, tip, y);
    open = term;
  }

  function hide() {
    clearTimeout(timer);
    if (open) tipOf(open).hidePopover();
    open = null;
  }

  function later(action, wait) {
    clearTimeout(timer);
    timer = setTimeout(action, wait);
  }

  function hideUnlessHeld() {
    if (open && !open.matches(":hover, :focus-visible") && !tipOf(open).matches(":hover")) hide();
  }

  for (const term of document.querySelectorAll("a.glossary-term")) {
    const tip = tipOf(term);
    if (!tip) continue;
    let touched = false;
    term.setAttribute("aria-describedby", tip.id);
    term.addEventListener("pointerenter", (e) => e.pointerType !== "touch" && later(() => show(term, e.clientY), SOON));
    term.addEventListener("pointerleave", (e) => e.pointerType !== "touch" && later(hideUnlessHeld, LATE));
    tip.addEventListener("pointerleave", (e) => e.pointerType !== "touch" && later(hideUnlessHeld, LATE));
    term.addEventListener("focus", () => term.matches(":focus-visible") && show(term));
    term.addEventListener("blur", () => later(hideUnlessHeld, 0));
    term.addEventListener("pointerdown", (e) => (touched = e.pointerType === "touch"));
    term.addEventListener("click", (e) => {
      if (touched && open !== term) {
        e.preventDefault();
        show(term, e.clientY);
      }
      touched = false;
    });
  }

  document.addEventListener("keydown", (e) => e.key === "Escape" && hide());
  document.addEventListener("pointerdown", (e) => {
    if (open && !open.contains(e.target) && !tipOf(open).contains(e.target)) hide();
  });
  for (const tips of document.querySelectorAll(".glossary-tips")) tips.hidden = false; // each is a closed popover
})();
