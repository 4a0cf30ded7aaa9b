// Sends the requests of the page "Racing requests" and shows the page again.
const button = document.querySelector("#race");

button.addEventListener("click", async () => {
  button.disabled = true;
  const items = [...Array(Number(button.dataset.requests)).keys()];
  try {
    await send("/race/begin");
    for (const way of ["modify", "insert", "strict"]) {
      await Promise.all(items.map((item) => send(`/race/${way}/${item}`)));
    }
    location.assign("/race");
  } catch (error) {
    const trouble = document.querySelector("#trouble");
    trouble.textContent = `The race was called off: ${error.message}`;
    trouble.hidden = false;
    button.disabled = false;
  }
});

async function send(path) {
  const answer = await fetch(path, { method: "POST" });
  const refused = answer.status === 409; // what a strict key is for
  if (!answer.ok && !refused) throw new Error(`${path} answered ${answer.status}`);
}
