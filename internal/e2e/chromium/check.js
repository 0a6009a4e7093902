(() => {
  const wrong = [];
  const root = document.documentElement;
  if (!root.lang) wrong.push("the page has no language");
  if (!document.title) wrong.push("the page has no title");
  if (document.querySelectorAll("h1").length !== 1) wrong.push("the page has not one h1");
  if (root.scrollWidth > root.clientWidth) wrong.push(`the page is ${root.scrollWidth} wide, and only ${root.clientWidth} is there`);

  const colour = text => {
    const c = text.match(/[\d.]+/g).map(Number);
    return { r: c[0], g: c[1], b: c[2], a: c.length > 3 ? c[3] : 1 };
  };
  const light = c => {
    const f = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b);
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = colour(getComputedStyle(e).backgroundColor);
      if (c.a > 0) return c;
    }
    return { r: 255, g: 255, b: 255 };
  };
  const seen = e => {
    const box = e.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && box.right > 0;
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
    if (!text || !seen(e)) continue;
    const style = getComputedStyle(e), size = parseFloat(style.fontSize);
    const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    const is = ratio(colour(style.color), behind(e));
    if (is < (large ? 3 : 4.5)) wrong.push(`"${text.slice(0, 40)}" has a contrast of ${is.toFixed(2)}`);
    if (size < 12) wrong.push(`"${text.slice(0, 40)}" is ${size} px`);
  }
  for (const e of document.querySelectorAll("a, button, input:not([type=hidden])")) {
    const box = e.getBoundingClientRect();
    if (e.closest("[hidden]")) continue;
    if (!seen(e)) { wrong.push(`${e.outerHTML.slice(0, 60)} cannot be seen`); continue; }
    const inText = e.tagName === "A" && getComputedStyle(e).display === "inline";
    const hit = e.type === "checkbox" ? 20 : 24;
    if (!inText && (box.height < hit || box.width < hit)) wrong.push(`${e.outerHTML.slice(0, 60)} is ${box.width} by ${box.height} px`);
    if (e.type !== "checkbox" && e.tagName !== "A") {
      const style = getComputedStyle(e);
      if (e.tagName === "INPUT" && ratio(colour(style.borderTopColor), behind(e.parentElement)) < 3) wrong.push(`the edge of ${e.outerHTML.slice(0, 60)} is hardly seen`);
    }
    e.focus({ focusVisible: true });
    const ring = getComputedStyle(e);
    if (document.activeElement !== e) wrong.push(`${e.outerHTML.slice(0, 60)} cannot have the focus`);
    else if (ring.outlineStyle === "none" || parseFloat(ring.outlineWidth) < 2) wrong.push(`nothing shows that ${e.outerHTML.slice(0, 60)} has the focus`);
    else if (ratio(colour(ring.outlineColor), behind(e.parentElement)) < 3) wrong.push(`the focus of ${e.outerHTML.slice(0, 60)} is hardly seen`);
  }
  if (document.activeElement) document.activeElement.blur();
  return wrong;
})()
