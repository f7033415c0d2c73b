// What axe does not ask: WCAG 2.2, 1.4.10 (nothing scrolls sideways), words over words, ids, small tables.
() => {
  const found = [];
  const tell = (rule, node) => found.push(rule + ": " + node.outerHTML.slice(0, 160));
  const all = (query) => [...document.querySelectorAll(query)];
  all("table").forEach((node) => { if (!node.querySelector("th[scope]")) tell("table has headers", node); });
  const ids = all("[id]").map((node) => node.id);
  ids.filter((id, n) => ids.indexOf(id) !== n).forEach((id) => tell("id is unique", document.getElementById(id)));
  all("[aria-describedby]").forEach((node) => { if (!document.getElementById(node.getAttribute("aria-describedby"))) tell("description exists", node); });
  all("td,th").forEach((node) => { if (node.scrollWidth > node.clientWidth + 1) tell("cell holds its words", node); });
  if (all("h1").length !== 1) tell("one first heading", document.body);
  if (document.documentElement.scrollWidth > window.innerWidth + 1) tell("no sideways scrolling: " + document.documentElement.scrollWidth, document.body);
  return [...new Set(found)];
}
