// Lists of the admin: a narrow screen shows a row as a card, without the columns' names. The dates
// in it get theirs, which admin.css shows there.
for (const table of document.querySelectorAll("#result_list")) {
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  for (const cell of table.querySelectorAll("tbody td.nowrap")) {
    cell.dataset.label = names[cell.cellIndex];
  }
}
