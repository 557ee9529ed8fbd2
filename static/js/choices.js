// Answers: "none of these" excludes the others; a follow-up question shows only when its condition holds.
(() => {
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.type === "checkbox" && box.dataset.exclusive) keepApart(box);
    showFollowUps();
  });

  function keepApart(box) {
    if (!box.checked) return;
    const alone = box.value === box.dataset.exclusive;
    for (const other of box.form.querySelectorAll(`input[name="${box.name}"]`)) {
      if (other !== box && (alone || other.value === other.dataset.exclusive)) other.checked = false;
    }
  }

  function showFollowUps() {
    for (const block of document.querySelectorAll("[data-shown-key]")) {
      const chosen = [...document.querySelectorAll(`[name="${block.dataset.shownKey}"]`)]
        .filter((input) => input.checked || input.tagName === "SELECT")
        .map((input) => input.value);
      block.hidden = !chosen.some((value) => block.dataset.shownCodes.split(" ").includes(value));
    }
  }

  showFollowUps();
})();
