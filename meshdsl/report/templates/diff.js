"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const find = byId("find"), namespace = byId("namespace"), risk = byId("risk"), fold = byId("fold");
  const items = [...document.querySelectorAll("[data-item]")];
  const cards = [...document.querySelectorAll("details.card")];
  const texts = new Map();
  const textOf = (item) => {
    if (!texts.has(item)) texts.set(item, item.textContent.toLowerCase());
    return texts.get(item);
  };
  const matches = (item) => {
    const risks = item.dataset.risk.split(" ").filter(Boolean);
    return (!namespace.value || item.dataset.namespace.split(" ").includes(namespace.value))
      && (!risk.value || (risk.value === "*" ? risks.length > 0 : risks.includes(risk.value)))
      && (!find.value || textOf(item).includes(find.value.trim().toLowerCase()));
  };
  const apply = () => {
    let left = 0;
    for (const item of items) {
      item.hidden = !matches(item);
      left += !item.hidden;
    }
    for (const panel of document.querySelectorAll(".panel")) {
      const own = [...panel.querySelectorAll("[data-item]")];
      panel.hidden = own.length > 0 && own.every((item) => item.hidden);
    }
    const filtered = Boolean(namespace.value || risk.value || find.value);
    byId("shown").textContent = filtered ? `${left} of ${items.length}` : "";
    byId("nothing").hidden = left > 0 || items.length === 0;
  };
  for (const control of [find, namespace, risk]) control.addEventListener("input", apply);
  fold.addEventListener("click", () => {
    const open = !cards.some((card) => card.open);
    for (const card of cards) card.open = open;
    fold.textContent = open ? "Fold all" : "Unfold all";
  });
  if (!cards.some((card) => card.open)) fold.textContent = "Unfold all";
  fold.hidden = cards.length === 0;
  document.querySelector(".filters").hidden = items.length === 0;
  apply();
})();
