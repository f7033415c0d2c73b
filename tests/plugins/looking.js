// What a person who sees badly, or not, or uses no mouse, would stumble over (WCAG 2.2 A and AA, what a program can tell).
() => {
  const found = [];
  const tell = (rule, node) => found.push(rule + ": " + node.outerHTML.slice(0, 160));
  const shown = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const words = (node) => {
    const by = node.getAttribute("aria-labelledby");
    const labels = node.labels ? [...node.labels].map((one) => one.textContent).join(" ") : "";
    return (node.getAttribute("aria-label") || (by && document.getElementById(by)?.textContent) || labels || node.textContent || node.alt || "").trim();
  };
  const all = (query) => [...document.querySelectorAll(query)];
  if (!document.documentElement.lang) tell("html has a language", document.documentElement);
  if (!document.title.trim()) tell("page has a title", document.head);
  if (all("main").length !== 1) tell("one main landmark", document.body);
  if (all("h1").length !== 1) tell("one first heading", document.body);
  let level = 1;
  all("h1,h2,h3,h4").forEach((node) => { const n = Number(node.tagName[1]); if (n > level + 1) tell("headings in order", node); level = n; });
  all("input:not([type=hidden]),select,textarea").filter(shown).forEach((node) => {
    const label = node.labels && node.labels.length ? [...node.labels].map((one) => one.textContent).join("").trim() : node.getAttribute("aria-label");
    if (!label) tell("field has a label", node);
  });
  all("a[href],button,summary").filter(shown).forEach((node) => { if (!words(node)) tell("link or button has words", node); });
  all("[role=img],img").forEach((node) => { if (!words(node)) tell("image has words", node); });
  all("nav,[role=region],section").forEach((node) => { if (node.getAttribute("role") === "region" || node.tagName === "NAV") { if (!words({ ...{}, getAttribute: (n) => node.getAttribute(n), textContent: "" })) tell("landmark has a name", node); } });
  all("table").forEach((node) => { if (!node.querySelector("th[scope]")) tell("table has headers", node); });
  const ids = all("[id]").map((node) => node.id);
  ids.filter((id, n) => ids.indexOf(id) !== n).forEach((id) => tell("id is unique", document.getElementById(id)));
  all("[aria-describedby]").forEach((node) => { if (!document.getElementById(node.getAttribute("aria-describedby"))) tell("description exists", node); });
  all("[tabindex]").forEach((node) => { if (Number(node.getAttribute("tabindex")) > 0) tell("order of tabs is the page's", node); });
  const colour = (text) => { const n = text.match(/[\d.]+/g).map(Number); return { rgb: n.slice(0, 3), a: n.length > 3 ? n[3] : 1 }; };
  const light = (rgb) => rgb.map((v) => { const c = v / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }).reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (node) => { for (let at = node; at; at = at.parentElement) { const c = colour(getComputedStyle(at).backgroundColor); if (c.a > 0.99) return c.rgb; } return [255, 255, 255]; };
  all("body *").filter((node) => shown(node) && !node.closest("[disabled],.unseen,.skip") && [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim())).forEach((node) => {
    const style = getComputedStyle(node);
    const pair = [light(colour(style.color).rgb), light(ground(node))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < (large ? 3 : 4.5)) tell("contrast " + ratio.toFixed(2), node);
  });
  if (document.documentElement.scrollWidth > window.innerWidth + 1) tell("no sideways scrolling: " + document.documentElement.scrollWidth, document.body);
  return [...new Set(found)];
}
