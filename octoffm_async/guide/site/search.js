"use strict";
const field = document.getElementById("search");
const found = document.getElementById("found");

function score(entry, words) {
  const heading = `${entry.heading} ${entry.page}`.toLowerCase();
  const text = entry.text.toLowerCase();
  let sum = 0;
  for (const word of words) {
    if (heading.includes(word)) sum += 10;
    else if (text.includes(word)) sum += 1;
    else return 0;
  }
  return sum;
}

field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = words.length === 0 ? [] : INDEX
    .map((entry) => [score(entry, words), entry])
    .filter(([points]) => points > 0)
    .sort(([one], [other]) => other - one)
    .slice(0, 20);
  found.replaceChildren(...hits.map(([, entry]) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const page = document.createElement("small");
    link.href = entry.file;
    link.textContent = entry.heading;
    page.textContent = entry.page;
    item.append(link, page);
    return item;
  }));
});
